"""Judging a conversation: what was asked, what was missed, and whether the right words fell."""

from __future__ import annotations

import random
import re

from orchestration.providers.material import Material
from orchestration.providers.players import Player
from orchestration.providers.speech import about, stems
from orchestration.types import JsonObject

JUDGING = re.compile(r"(?i)\b(?:debrief|assess|examine|judge|give feedback to)\b(?: an?| the)? (\w+)")
ASPECTS: dict[str, frozenset[str]] = {
    "when it began": frozenset({"when", "star", "begi", "bega", "long", "sinc"}),
    "where it is": frozenset({"wher", "loca"}),
    "how strong it is": frozenset({"stro", "seve", "scal", "bad"}),
    "what makes it better or worse": frozenset({"bett", "wors", "reli"}),
    "medicines and allergies": frozenset({"medi", "drug", "tabl", "alle", "pill"}),
    "earlier illnesses and operations": frozenset({"hist", "oper", "illn", "dise", "surg", "earl"}),
    "daily life and family": frozenset({"work", "live", "smok", "drin", "fami", "home", "alon"}),
}
"""What a thorough conversation touches → stems by which it is recognised."""
PLANS = frozenset({"trea", "oper", "surg", "anti", "flui", "admi", "medi", "ther", "pres", "give", "hosp"})
NAMED = "You named what it is."
NOT_NAMED = "You did not say what you think it is: commit to it, and tell why."
KIND_WORDS = frozenset({"sorr", "than", "unde", "help", "plea", "worr"})


class Judge(Player):
    """Addresses the one whose part of the conversation is judged."""

    def __init__(self, material: Material, rng: random.Random) -> None:
        super().__init__(material, rng)
        judged = JUDGING.search(material.instructions)
        speakers = [line.speaker for line in material.before]
        who = judged[1] if judged and judged[1] in speakers else next(iter(speakers), "")
        self._lines = [line.text for line in material.before if line.speaker == who]
        self._questions = [text for text in self._lines if "?" in text]
        self._stems = _all_stems(" ".join(self._lines))
        self._touched = [aspect for aspect, signs in ASPECTS.items() if signs & self._stems]
        self._missed = [aspect for aspect in ASPECTS if aspect not in self._touched]

    def reply(self) -> str:
        topic = about(self._material.said)
        opening = f"About your question, {topic}: " if topic else "Good that you ask. "
        advice = f"next time ask about {self._missed[0]} early." if self._missed else "keep this order of questions."
        example = f' Your question "{self._questions[0][:120]}" was a good one to build on.' if self._questions else ""
        return f"{opening}{advice}{example}"

    def text(self, name: str) -> str | None:
        return self._feedback() if name.endswith(("feedback", "assessment", "summary")) else None

    def decides(self, name: str) -> bool | None:
        """`correct_x`: whether what the data call `x` was named; without such data, whether a plan was."""
        if not name.startswith("correct_"):
            return None
        label = name.removeprefix("correct_")
        wanted = next((stems(block.text) for block in self._material.blocks if block.label == label), None)
        if wanted is None:
            return len(PLANS & self._stems) >= 2
        return bool(wanted) and 2 * len(wanted & self._stems) >= len(wanted)

    def rates(self, low: int, high: int) -> int:
        gained = len(self._touched) + (2 if KIND_WORDS & self._stems else 0)
        return min(high, low + round((high - low) * min(1.0, 0.3 + gained / 10)))

    def rows(self, name: str, fields: frozenset[str]) -> list[JsonObject]:
        if not {"key", "value"} <= fields:
            return super().rows(name, fields)
        return [{"key": key, "value": self._metric(key)} for key in self._material.listed(name)]

    def _feedback(self) -> str:
        asked = f"You wrote {_counted(len(self._lines), 'message')} with {_counted(len(self._questions), 'question')}."
        parts = [asked]
        if self._touched:
            parts.append(f"You found out about {_joined(self._touched)}.")
        if self._questions:
            parts.append(f'"{self._questions[0][:160]}" was a good way to begin.')
        if self._missed:
            parts.append(f"What was missing: {_joined(self._missed[:3])}. Plan for it: leave it to no chance.")
        parts.append(NAMED if self.decides("correct_diagnosis") else NOT_NAMED)
        return " ".join(parts)

    def _metric(self, key: str) -> str:
        match stems(key):
            case found if found & {"hist", "taki", "ques"}:
                return f"{len(self._touched)} of {len(ASPECTS)} areas were touched"
            case found if found & {"empa", "kind", "warm"}:
                return "warm and attentive" if KIND_WORDS & self._stems else "correct, but rather cool"
            case found if found & {"test", "orde", "resu"}:
                return "tests were spoken of" if {"test", "bloo", "x-ra", "ultr", "lab"} & self._stems else "no tests"
        return self._rng.choice(("good", "could be more systematic", "solid"))


def judges(material: Material) -> bool:
    return bool(material.before) and JUDGING.search(material.instructions) is not None


def _all_stems(text: str) -> set[str]:
    """As `stems`, with the words that say little."""
    return {word[:4] for word in re.findall(r"[a-z][a-z-]*", text.lower())}


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _joined(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
