"""Sections of the feedback's prompts."""

from apps.simulation.orca.prompts.sections.feedback import (
    CaseSection,
    ExaminerSection,
    FeedbackRequestSection,
    FeedbackSoFarSection,
    TraineeQuestionSection,
    TranscriptSection,
)

__all__ = [
    "CaseSection",
    "ExaminerSection",
    "FeedbackRequestSection",
    "FeedbackSoFarSection",
    "TraineeQuestionSection",
    "TranscriptSection",
]
