"""The criteria that the author of a case wants to have assessed, judged by what was ordered, asked for or said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from apps.simulation.clinical.findings import Asked, FindingIndex
from apps.simulation.clinical.words import stems
from apps.simulation.models.cases import Finding
from apps.simulation.simulator.english import as_advice
from apps.simulation.simulator.phrases import plain, says
from apps.simulation.simulator.questions import understood
from apps.simulation.simulator.tables import TOPICS
from orchestration.providers.simulator.prompt_reader import Line

Rating = Literal["met", "partly", "missed"]
ORDERING = "order*|request*|examin*|measur*|auscultat*|palpat*|percuss*; listens to|for; takes .. blood|swab"
"""A criterion with one of these is about what is ordered or examined."""
MANNERS = frozenset({"introduction", "greeting", "consent", "comfort", "ideas", "worry", "expectations", "goodbye"})
"""What is said besides questions, and may be assessed."""
LONG = 4
"""Letters of a word that says something."""
VERBS = frozenset(
    stems("asks about tells says explains gives makes takes names checks with that the patient her his and for whether")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One row of the rubric, and what to do about it."""

    criterion: str
    rating: Rating
    comment: str
    messages: list[int] = field(default_factory=list)
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a conversation holds."""

    asked: Mapping[str, Sequence[int]]
    """Topics, with the numbers of the messages that asked for them."""
    lines: Sequence[Line]
    orders: Sequence[tuple[str, int | None]]
    """Each thing that was ordered, with the number of its message."""
    findings: Sequence[Finding]


def judge(criterion: str, evidence: Evidence) -> Judged:
    """How far one criterion was met."""
    for found in (_orders_of(criterion, evidence), _topics_of(criterion, evidence)):
        if found:
            return _judged(criterion, found)
    return _judged(criterion, _words_of(criterion, evidence), names=False)


def _judged(criterion: str, found: Mapping[str, Sequence[int]], *, names: bool = True) -> Judged:
    """By the parts of a criterion, each with the messages that are about it; `names`: they are named to the trainee."""
    done, missing = [part for part in found if found[part]], [part for part in found if not found[part]]
    rating: Rating = "met" if not missing else "partly" if 2 * len(done) >= len(found) else "missed"
    if rating == "missed":
        comment = "This did not come up."
    elif not names:
        comment = "You did this." if rating == "met" else "You made a start with this."
    else:
        comment = f"You covered {_told(done)}." + (f" Not covered: {_told(missing)}." if missing else "")
    messages = sorted({number for part in done for number in found[part] if number}) if rating != "missed" else []
    advice = "" if rating == "met" else as_advice(criterion)
    return Judged(criterion=criterion, rating=rating, comment=comment, messages=messages, advice=advice)


def _told(names: Sequence[str]) -> str:
    """`Onset`, `C-reactive protein` → `onset, C-reactive protein`."""
    return ", ".join(name[:1].lower() + name[1:] if name[1:2].islower() else name for name in names)


def _orders_of(criterion: str, evidence: Evidence) -> dict[str, list[int]]:
    """Tests and examinations that a criterion names."""
    if not says(criterion, ORDERING):
        return {}
    index = FindingIndex(evidence.findings)
    wanted = {_name(asked) for asked in index.read(criterion) if asked.findings or asked.concept}
    ordered = [(_name(asked), number) for text, number in evidence.orders for asked in index.read(text)]
    return {name: [number or 0 for other, number in ordered if other == name] for name in sorted(wanted)}


def _name(asked: Asked) -> str:
    if asked.findings:
        return ", ".join(finding.key for finding in asked.findings)
    return asked.concept.name if asked.concept else asked.text


def _topics_of(criterion: str, evidence: Evidence) -> dict[str, list[int]]:
    """Topics of a consultation that a criterion names: in the words of a question, or by their own names."""
    said = f" {plain(criterion)} "
    hits = [hit.name for clause in understood(criterion) for hit in clause.hits]
    topics = [name for name in hits if name in TOPICS or name in MANNERS]
    topics += [label for label in TOPICS if f" {plain(label)} " in said]
    return {topic: list(evidence.asked.get(topic, ())) for topic in dict.fromkeys(topics)}


def _words_of(criterion: str, evidence: Evidence) -> dict[str, list[int]]:
    """Its own long words, in what was said and ordered."""
    words = [word for word in stems(criterion) if len(word) >= LONG and word not in VERBS] or stems(criterion)
    said = [(line.text, line.number) for line in evidence.lines] + list(evidence.orders)
    return {word: list(_numbers(word, said)) for word in dict.fromkeys(words)}


def _numbers(word: str, said: Iterable[tuple[str, int | None]]) -> Iterable[int]:
    return (number or 0 for text, number in said if word in stems(text))
