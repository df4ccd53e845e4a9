"""The debrief of a session: transcript with notes, metrics, feedback, commands."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from apps.simulation.history import HistoryEntry, collect_history
from apps.simulation.models import FeedbackQuestion, MetadataKind, SimulationFeedback, SimulationMetadata
from apps.trainerlab.models import CommandKind, InstructorNote, SessionEvent

if TYPE_CHECKING:
    from apps.simulation.models import Simulation, SimulationImage

ORDER = "order"
SPEAKERS = {"user": "Trainee", "assistant": "Patient", "system": "Instructor"}
KINDS = {"event": "Event", "results": "Results"}
"""What an entry is called whose sender is beside the point."""
RESULT_KINDS = (MetadataKind.LAB_RESULT, MetadataKind.RADIOLOGY_RESULT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry of the transcript with its notes; `sequence` is the number of the message, None for other entries."""

    entry: HistoryEntry
    sequence: int | None
    notes: list[InstructorNote]

    @property
    def role(self) -> str:
        """Who or what this is, for people: `Trainee`, `Patient`, `Instructor`, `Event`, `Results`."""
        return KINDS.get(self.entry.get("kind", ""), SPEAKERS.get(self.entry["role"], "Event"))

    @property
    def name(self) -> str:
        """The name of who spoke."""
        return self.entry.get("name") or self.entry["sender"]

    @property
    def text(self) -> str:
        """What was said, without the descriptions of `pictures`."""
        return self.entry.get("text", self.entry["content"])

    @property
    def pictures(self) -> list[SimulationImage]:
        return self.entry.get("pictures", [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Figures of the session, from the stored transcript. Where a field says so, durations exclude pauses."""

    duration: timedelta | None
    """From the patient's first words to the end, without pauses; None when it never started."""
    messages: int
    """Of the trainee, without orders."""
    questions: int
    """Of those, the ones that ask something, as the feedback counts them."""
    answers: int
    words_of_trainee: int
    words_of_patient: int
    orders: int
    results: int
    events_injected: int
    paused: timedelta
    median_thinking: timedelta | None
    """Between a message of the patient and the trainee's next one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Debrief:
    simulation: Simulation
    lines: list[Line]
    missing: list[str]
    """Parts of the transcript that could not be read, by source."""
    metrics: Metrics
    feedback: SimulationFeedback | None
    questions: list[FeedbackQuestion]
    results: list[SimulationMetadata]
    commands: list[SessionEvent]
    notes: list[InstructorNote] = field(default_factory=list)
    """On the session as a whole."""


def debrief(simulation: Simulation) -> Debrief:
    """The debrief of a simulation, in a fixed number of queries."""
    history = collect_history(simulation)
    notes = list(InstructorNote.objects.filter(session__simulation=simulation).select_related("author"))
    commands = list(SessionEvent.objects.filter(session__simulation=simulation).select_related("actor").order_by("id"))
    results = list(simulation.metadata.filter(kind__in=RESULT_KINDS))
    return Debrief(
        simulation=simulation,
        lines=[_line(entry, notes) for entry in history.entries],
        missing=history.failed,
        metrics=metrics(simulation, history.entries, commands, len(results)),
        feedback=simulation.feedback.order_by("-id").first(),
        questions=list(FeedbackQuestion.objects.filter(simulation=simulation).select_related("asked_by")),
        results=results,
        commands=commands,
        notes=[note for note in notes if note.message_sequence is None],
    )


def figures_of(simulation: Simulation) -> Metrics:
    """The figures of a session, without the rest of its debrief."""
    commands = list(SessionEvent.objects.filter(session__simulation=simulation).order_by("id"))
    results = simulation.metadata.filter(kind__in=RESULT_KINDS).count()
    return metrics(simulation, collect_history(simulation).entries, commands, results)


def metrics(simulation: Simulation, entries: list[HistoryEntry], commands: list[SessionEvent], results: int) -> Metrics:
    posted = [entry for entry in entries if entry["role"] == "user"]
    said = [entry for entry in posted if entry.get("kind") != ORDER]
    answered = [entry for entry in entries if entry["role"] == "assistant"]
    paused = pauses(simulation, commands)
    ended = simulation.ended_at
    started = simulation.started_at
    return Metrics(
        duration=None if started is None or ended is None else max(ended - started - paused, timedelta(0)),
        messages=len(said),
        questions=sum("?" in entry["content"] for entry in said),
        answers=len(answered),
        words_of_trainee=sum(len(entry["content"].split()) for entry in said),
        words_of_patient=sum(len(entry["content"].split()) for entry in answered),
        orders=len(posted) - len(said),
        results=results,
        events_injected=sum(event.kind in {CommandKind.EVENT, CommandKind.FINDING} for event in commands),
        paused=paused,
        median_thinking=_median_thinking(entries),
    )


def pauses(simulation: Simulation, commands: list[SessionEvent]) -> timedelta:
    """How long the session was paused; a pause that was not resumed lasts until the end of the session."""
    total, since = timedelta(0), None
    for event in commands:
        if event.kind == CommandKind.PAUSE:
            since = event.created_at
        elif event.kind == CommandKind.RESUME and since is not None:
            total, since = total + (event.created_at - since), None
    if since is not None and simulation.ended_at is not None:
        total += simulation.ended_at - since
    return total


def _median_thinking(entries: list[HistoryEntry]) -> timedelta | None:
    talk = [entry for entry in entries if entry["role"] in {"user", "assistant"}]
    seconds = [
        _between(before["timestamp"], after["timestamp"])
        for before, after in pairwise(talk)
        if (before["role"], after["role"]) == ("assistant", "user")
    ]
    return timedelta(seconds=median(seconds)) if seconds else None


def _between(before: datetime, after: datetime) -> float:
    return max((after - before).total_seconds(), 0.0)


def _line(entry: HistoryEntry, notes: list[InstructorNote]) -> Line:
    sequence = entry.get("sequence")
    on_it = [note for note in notes if sequence is not None and note.message_sequence == sequence]
    return Line(entry=entry, sequence=sequence, notes=on_it)
