"""What an examiner looks for in a consultation."""

from __future__ import annotations

from typing import NamedTuple

from apps.simulation.simulator.tables import SYMPTOMS


class Criterion(NamedTuple):
    """A criterion by the topics that count for it: `met` of them are good, `partly` are a start."""

    name: str
    topics: tuple[str, ...]
    met: int
    partly: int
    missing: str
    """What to do next time, as a sentence."""


CRITERIA: tuple[Criterion, ...] = (
    Criterion(
        "Opening",
        ("introduction", "greeting", "reason", "how are you", "may I ask", "more", "name"),
        2,
        1,
        "Begin by greeting, saying who you are, and an open question such as “What brings you here?”.",
    ),
    Criterion(
        "History of the complaint",
        (
            *("Onset", "Onset mode", "Site", "Radiation", "Character", "Severity", "Timing", "Course"),
            *("Aggravating factors", "Relieving factors", "Modifying factors", "Similar episodes before"),
        ),
        4,
        2,
        "Work through the complaint: onset, site, character, radiation, timing, severity, what changes it.",
    ),
    Criterion(
        "Associated symptoms",
        (*(symptom.label for symptom in SYMPTOMS), "anything else"),
        3,
        1,
        "Ask for the symptoms that go with it, and for those that would speak against your idea.",
    ),
    Criterion(
        "Past illnesses, medicines, allergies",
        (
            *("Past illnesses", "Operations and hospital stays", "Medicines", "Allergies", "Treatment so far"),
            *("Contraception", "Periods and pregnancy", "Vaccinations", "Diabetes", "Blood pressure"),
        ),
        3,
        1,
        "Ask for earlier illnesses, operations, medicines and allergies before you decide on a treatment.",
    ),
    Criterion(
        "Family and daily life",
        (
            *("Family", "Smoking", "Alcohol", "Smoking and alcohol", "Drugs", "occupation", "Home"),
            *(
                "Outdoors and travel",
                "Sick contacts",
                "Exercise",
                "Diet",
                "Stress and mood",
                "Sexual history",
                "Animals",
            ),
        ),
        2,
        1,
        "Ask about the family, work, smoking and alcohol: they change how likely an illness is.",
    ),
    Criterion(
        "The patient's view",
        ("ideas", "worry", "expectations", "your questions", "understood", "Impact on daily life"),
        2,
        1,
        "Ask what the patient thinks, fears and hopes for, and whether there are questions.",
    ),
    Criterion(
        "Manner",
        ("comfort", "pity", "thanks", "may I ask", "consent", "understood", "introduction", "goodbye", "offer"),
        2,
        1,
        "Show that you understand: a word about how it must feel, and asking before you touch, cost seconds.",
    ),
)
"""By what was asked. Tests, diagnosis and plan are judged by the case."""
WELL = ("{name}: you covered {topics}.", "{name}: {topics} were asked for.")
START = ("{name}: a start with {topics}, but there was more to ask.",)
NONE = ("{name}: nothing of it came up.",)
TESTS, DIAGNOSIS, PLAN = "Examination and tests", "Diagnosis", "Treatment plan"
FURTHER = (
    "Say aloud what you think and why, and let the patient ask back.",
    "Sum up at the end what was agreed, and check that it was understood.",
    "Ask one question at a time, and leave time for the answer.",
)
"""For those who missed little."""
