"""The patient: knows the facts of the prompt, keeps its secrets, and answers what is asked.

A prompt casts a role when its instructions say `you play …`, `stay in the role …`. What stands between tags in it are
facts, unless the line above says that they are secret (`never name it`) or how to behave (`how …`).
"""

from __future__ import annotations

import random
import re
from typing import Any

from apps.simulation.simulator.answers import Answer, Answers
from apps.simulation.simulator.moods import Mood
from apps.simulation.simulator.phrases import says
from apps.simulation.simulator.sayings import SHOWING
from apps.simulation.simulator.story import read_story
from orchestration.providers.simulator.prompt_reader import Line, Material
from orchestration.providers.simulator.responder import Responder

CASTING = re.compile(r"(?i)\b(?:you play|play the role|in the role of|stay in (?:the |your )?(?:role|character))\b")
FACT = frozenset({"key", "value"})
OPENINGS = (
    "Hello, thank you for seeing me. I am here because of {reason}.",
    "Good day. It is about {reason}, it really bothers me.",
    "Hi. I came because of {reason} and I am worried.",
    "Thank you for taking the time. I have {reason}.",
)
OPENINGS_UNTOLD = (
    "Hello, thank you for seeing me. I do not feel well at all.",
    "Good day. I feel that something is wrong.",
)


class Patient(Responder):
    """A role with a name, a reason for the visit, a mood, and facts as sentences in the first person."""

    most_items = 1

    def __init__(self, material: Material, rng: random.Random) -> None:
        super().__init__(material, rng)
        self.story = read_story(material)
        self._mood = Mood(self.story.directions, material.before, rng)
        self._answer: Answer | None = None
        self._replies = 0

    def reply(self) -> str:
        """The next text of this role: first the answer to what was said, then remarks."""
        self._replies += 1
        if self._replies > 1:
            return self._mood.another_remark()
        if not self._material.said and not self._material.before:
            opening = self._rng.choice(OPENINGS if self.story.reason else OPENINGS_UNTOLD)
            return self._mood.styled(opening.format(reason=self.story.reason))
        return self._mood.coloured(self._answered(), self._said())

    def decides(self, name: str) -> bool | None:
        """Whether the role was asked to show something, for `…_requested`."""
        if not name.endswith("_requested"):
            return None
        return self.story.can_show and says(self._said(), SHOWING)

    def rows(self, name: str, fields: frozenset[str]) -> list[Any] | None:
        """Who the role is, where the prompt asks for it by names; else what this answer told."""
        if not fields >= FACT:
            return None
        wanted = self._material.listed(name) if name != "facts" else []
        if wanted:
            person = self.story.person
            return [{"kind": "demographics", "key": key, "value": person[key]} for key in wanted if key in person]
        if "kind" not in fields:
            return None
        return [
            {"kind": told.kind, "key": told.label, "value": told.value} for told in self._answered().told if told.kind
        ]

    def _said(self) -> str:
        """What is said now; without it the last thing that was said."""
        return self._material.said or next((line.text for line in reversed(self._material.before)), "")

    def _answered(self) -> Answer:
        if self._answer is None:
            answers = Answers(self.story, self._mood, earlier(self._material), self._rng)
            self._answer = answers.to(self._said(), shows=bool(self.decides("picture_requested")))
        return self._answer


def patient(material: Material, rng: random.Random) -> Patient | None:
    """The responder for prompts that assign a role."""
    return Patient(material, rng) if CASTING.search(material.instructions) else None


def earlier(material: Material) -> list[Line]:
    """What was said before what is said now."""
    return list(material.before if material.said else material.before[:-1])
