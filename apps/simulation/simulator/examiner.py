"""The examiner evaluates a conversation: what was asked and missed, what was ordered, whether the diagnosis was named
and the plan was right, and what to do next time."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from apps.simulation.clinical.findings import FindingIndex
from apps.simulation.clinical.naming import known_names, named, points_made
from apps.simulation.models.cases import Finding
from apps.simulation.simulator.criteria import Evidence, Judged, Rating, judge
from apps.simulation.simulator.phrases import says
from apps.simulation.simulator.questions import understood
from apps.simulation.simulator.records import findings_in
from apps.simulation.simulator.rubric_data import (
    CRITERIA,
    DIAGNOSIS,
    FURTHER,
    NONE,
    PLAN,
    START,
    TESTS,
    WELL,
    Criterion,
)
from orchestration.providers.simulator.prompt_reader import Line, Material
from orchestration.providers.simulator.responder import Responder

JUDGING = re.compile(r"(?i)\b(?:debrief|assess|examine|judge|give feedback to)\b(?: an?| the)? (\w+)")
ORDERED = "Ordered: "
MOST_TOPICS = 6
"""That are named in a sentence."""
LONGEST_QUOTE = 160


class Examiner(Responder):
    """Gives feedback to the person whose part of the conversation is evaluated."""

    def __init__(self, material: Material, rng: random.Random) -> None:
        super().__init__(material, rng)
        judged = JUDGING.search(material.instructions)
        speakers = [line.speaker for line in material.before]
        who = judged[1] if judged and judged[1] in speakers else next(iter(speakers), "")
        theirs = [line for line in material.before if line.speaker == who]
        self._lines = [line for line in theirs if not line.text.startswith(ORDERED)]
        self._orders = [line for line in theirs if line.text.startswith(ORDERED)]
        self._texts = [line.text for line in self._lines]
        self._questions = [text for text in self._texts if "?" in text]
        self._asked = _topics(self._lines)
        self._named = named(self._texts, known_names(self._block("diagnosis"), self._rows_of("accepted_diagnoses")))
        self._points = self._rows_of("treatment_points")
        self._made = points_made([*self._texts, *(line.text for line in self._orders)], self._points)
        self._rubric = [*map(self._criterion, CRITERIA), self._tests(), self._diagnosis(), self._plan()]
        self._shown = [self._authors(criterion) for criterion in self._rows_of("criteria")] or self._rubric

    # --- what the schema asks for -------------------------------------------------------------------

    def reply(self) -> str:
        """The answer to a question about the feedback."""
        question = self._material.said
        for words, names in REFERS:
            if says(question, words):
                rows = [row for row in self._rubric if row.criterion in names]
                return " ".join(f"{row.comment} {row.advice}".strip() for row in rows)
        if says(question, "well|good|right|best|strength*"):
            good = [row.comment for row in self._rubric if row.rating == "met"]
            return f"What went well: {' '.join(good[:3])}" if good else "Keep going: the next one will be better."
        return f"Next time: {' '.join(self._advice()[:2])}"

    def text(self, name: str) -> str | None:
        if name == "diagnosis_named":
            return "" if self._named is None else self._texts[self._named][:LONGEST_QUOTE]
        return self._feedback() if name.endswith(("feedback", "assessment", "summary")) else None

    def decides(self, name: str) -> bool | None:
        """Whether the diagnosis was named, or the plan was right; without a diagnosis in the prompt none was."""
        match name:
            case "correct_diagnosis":
                return self._named is not None
            case "correct_treatment_plan":
                return self._plan().rating == "met"
        return None

    def rates(self, name: str, low: float, high: float) -> float:
        """As the patient experienced it: by manner, interest and insults."""
        rude = sum("insult" in topics for topics in _by_line(self._lines).values())
        warm = min(len(self._asked.keys() & WARM), 3)
        interested = min(len(self._asked.keys() & INTERESTED), 2)
        share = 0.45 + 0.12 * warm + 0.08 * interested + 0.02 * min(len(self._questions), 8) - 0.35 * rude
        return min(high, max(low, low + round((high - low) * share)))

    def rows(self, name: str, fields: frozenset[str]) -> list[Any] | None:
        if name == "rubric":
            return [
                {"criterion": row.criterion, "rating": row.rating, "comment": row.comment, "messages": row.messages}
                for row in self._shown
            ]
        if name == "next_time":
            return self._advice()[:3]
        if not {"key", "value"} <= fields:
            return None
        return [{"key": key, "value": self._metric(key)} for key in self._material.listed(name)]

    # --- judgements ---------------------------------------------------------------------------------

    def _criterion(self, criterion: Criterion) -> Judged:
        found = [topic for topic in criterion.topics if topic in self._asked]
        messages = sorted({number for topic in found for number in self._asked[topic]})
        rating: Rating = (
            "met" if len(found) >= criterion.met else "partly" if len(found) >= criterion.partly else "missed"
        )
        forms = {"met": WELL, "partly": START, "missed": NONE}[rating]
        topics = _joined([_spoken(topic) for topic in found[:MOST_TOPICS]])
        comment = self._rng.choice(forms).format(name=criterion.name, topics=topics)
        advice = "" if rating == "met" else criterion.missing
        return Judged(criterion=criterion.name, rating=rating, comment=comment, messages=messages, advice=advice)

    def _authors(self, criterion: str) -> Judged:
        """One that the author of the case wrote."""
        for words, judged in (("diagnos*", self._diagnosis), ("plan|treatment|management", self._plan)):
            if says(criterion, words):
                return replace(judged(), criterion=criterion)
        ordered = [(part, line.number) for line in self._orders for part in _ordered(line)]
        findings = list(findings_in(self._material))
        return judge(criterion, Evidence(asked=self._asked, lines=self._lines, orders=ordered, findings=findings))

    def _tests(self) -> Judged:
        """Whether the orders found what is abnormal in this case."""
        findings = [finding for finding in findings_in(self._material) if finding.kind != "vital"]
        telling = [finding for finding in findings if finding.flag != "normal"] or findings
        lines = [part for line in self._orders for part in _ordered(line)]
        seen = {finding.key for finding in FindingIndex(findings).ordered(lines)}
        missed = [finding for finding in telling if finding.key not in seen]
        messages = [line.number for line in self._orders if line.number is not None]
        found = [finding.key for finding in telling if finding.key in seen]
        if not self._orders:
            advice = f"Order what decides it: {_joined([each.key for each in missed[:2]])}." if missed else ""
            return Judged(criterion=TESTS, rating="missed", comment="Nothing was ordered or examined.", advice=advice)
        if not telling:
            return Judged(criterion=TESTS, rating="met", comment="You ordered tests.", messages=messages)
        rating: Rating = "met" if 2 * len(found) >= len(telling) else "partly" if found else "missed"
        comment = f"Your orders found {_joined(found[:4])}." if found else "Your orders found nothing that decides it."
        advice = "" if rating == "met" or not missed else f"{missed[0].key} would have shown: {_shown(missed[0])}."
        return Judged(criterion=TESTS, rating=rating, comment=comment, messages=messages, advice=advice)

    def _diagnosis(self) -> Judged:
        if self._named is None:
            advice = "Commit to a diagnosis: say what you think it is, and why."
            return Judged(criterion=DIAGNOSIS, rating="missed", comment="You did not name what it is.", advice=advice)
        comment = f"You named it: “{self._texts[self._named][:LONGEST_QUOTE]}”"
        return Judged(criterion=DIAGNOSIS, rating="met", comment=comment, messages=_numbers([self._lines[self._named]]))

    def _plan(self) -> Judged:
        lines = [*self._lines, *self._orders]
        places = [place for place in self._made if place is not None]
        messages = _numbers(lines[place] for place in places)
        missed = [point for point, place in zip(self._points, self._made, strict=True) if place is None]
        if not self._points:
            said = [line for line in self._lines if any(says(line.text, words) for words in PLANNING)]
            rating: Rating = "met" if len(said) > 1 else "partly" if said else "missed"
            comment = "You said what happens next." if said else "You did not say what happens next."
            advice = "" if rating == "met" else "Say what you do now, what the patient gets, and what comes after it."
            return Judged(criterion=PLAN, rating=rating, comment=comment, messages=_numbers(said), advice=advice)
        rating = "met" if 2 * len(places) >= len(self._points) else "partly" if places else "missed"
        made = [point for point, place in zip(self._points, self._made, strict=True) if place is not None]
        comment = f"Right in your plan: {_joined(made)}." if made else "The plan had nothing of what helps here."
        advice = f"To the plan belongs: {_joined(missed[:2])}." if missed else ""
        return Judged(criterion=PLAN, rating=rating, comment=comment, messages=messages, advice=advice)

    def _advice(self) -> list[str]:
        """What to do next time: first what was missed, then what was only begun, then what always helps."""
        order = {"missed": 0, "partly": 1, "met": 2}
        rows = sorted(self._shown, key=lambda row: (order[row.rating], row.criterion not in {DIAGNOSIS, PLAN, TESTS}))
        advice = [row.advice for row in rows if row.advice]
        return [*advice, *(text for text in FURTHER if len(advice) < 3)]

    # --- words --------------------------------------------------------------------------------------

    def _feedback(self) -> str:
        counts = f"You wrote {_counted(len(self._lines), 'message')} with {_counted(len(self._questions), 'question')}"
        orders = f", and ordered tests {_counted(len(self._orders), 'time')}" if self._orders else ""
        good = [row.comment for row in self._shown if row.rating == "met"]
        missed = [_spoken(row.criterion) for row in self._shown if row.rating == "missed"]
        parts = [f"{counts}{orders}."]
        if good:
            parts.append(f"What went well: {' '.join(good[:3])}")
        if missed and self._shown is self._rubric:
            parts.append(f"What was missing: {_joined(missed)}.")
        elif missed:  # whole sentences, which are read below
            parts.append(f"{len(missed)} of {_counted(len(self._shown), 'criterion', 'criteria')} were missed.")
        parts.append(f"Next time: {self._advice()[0]}")
        return " ".join(parts)

    def _metric(self, key: str) -> str:
        rows = {row.criterion: row for row in self._rubric}
        for words, names in METRICS:
            if says(key, words):
                met = sum(rows[name].rating == "met" for name in names)
                return f"{met} of {len(names)} areas well covered" if len(names) > 1 else rows[names[0]].comment
        return self._rng.choice(("good", "could be more systematic", "solid"))

    def _block(self, label: str) -> str:
        return next((block.text for block in self._material.blocks if block.label == label), "")

    def _rows_of(self, label: str) -> list[str]:
        return [line.strip() for line in self._block(label).splitlines() if line.strip()]


WARM = frozenset({"comfort", "pity", "thanks", "consent", "may I ask", "introduction", "greeting"})
INTERESTED = frozenset({"ideas", "worry", "expectations", "your questions", "how are you"})
HISTORY = tuple(criterion.name for criterion in CRITERIA[1:5])
METRICS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("histor*|question*|taking|anamnes*", HISTORY),
    ("empath*|kind*|warm*|manner|communicat*|rapport", ("Manner",)),
    ("test*|order*|result*|investigat*|examin*", (TESTS,)),
    ("diagnos*|reason*", (DIAGNOSIS,)),
    ("plan|treat*|manag*", (PLAN,)),
)
"""Which criteria a metric sums up, by its name."""
REFERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("diagnos*|illness|disease; what was it", (DIAGNOSIS,)),
    ("plan|treat*|therapy|medicine*|operat*", (PLAN,)),
    ("test*|order*|examin*|lab|scan|x_?ray|imaging", (TESTS,)),
    ("empath*|manner|tone|friendly|patient feel|experience", ("Manner", "The patient's view")),
    ("pain|complaint|symptom*", ("History of the complaint", "Associated symptoms")),
    ("famil*|social|smok*|alcohol|lifestyle", ("Family and daily life",)),
    ("allerg*|medicat*|past|histor*", ("Past illnesses, medicines, allergies",)),
)
"""Which criteria a question about the feedback is about."""
PLANNING = (
    "treat*|operat*|surg*|admit*|antibiotic*|fluids|drip|hospital|prescribe|therapy",
    "give|giving .. you; need .. medicine*|tablet*|operation; go home; follow up; come back",
)


def examiner(material: Material, rng: random.Random) -> Examiner | None:
    """The responder for prompts that ask to evaluate the conversation they contain."""
    return Examiner(material, rng) if material.before and JUDGING.search(material.instructions) else None


def _by_line(lines: Sequence[Line]) -> dict[int, set[str]]:
    """What each line asks for or says, by its position."""
    return {
        position: {hit.name for clause in understood(line.text) for hit in clause.hits}
        for position, line in enumerate(lines)
    }


def _topics(lines: Sequence[Line]) -> dict[str, list[int]]:
    """Everything that was asked for or said, with the numbers of the messages."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for position, topics in _by_line(lines).items():
        for topic in topics:
            found[topic] += _numbers([lines[position]])
    return dict(found)


def _numbers(lines: Iterable[Line]) -> list[int]:
    return sorted({line.number for line in lines if line.number is not None})


def _ordered(line: Line) -> list[str]:
    """What a line with an order asks for."""
    return line.text.removeprefix(ORDERED).split(", ")


def _spoken(topic: str) -> str:
    return topic[:1].lower() + topic[1:]


def _shown(finding: Finding) -> str:
    return f"{finding.value} {finding.unit}".strip()


def _counted(number: int, noun: str, many: str = "") -> str:
    return f"{number} {noun if number == 1 else many or f'{noun}s'}"


def _joined(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""
