"""Reviews of a proposal: each persona has its own eye, its own words and its own measure."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Any

from apps.consensus.simulator.ideas import Idea, block_of, read_idea
from apps.consensus.simulator.proposals import Proposer
from orchestration.providers.simulator.prompt_reader import Material
from orchestration.providers.simulator.responder import Responder

EXPANDING = "You turn a short idea into a proposal"
REVIEWING = "reviewers of a proposal"
PERSONA = re.compile(r"You review as: [^\n]*\((\w+)\)")
WEEKS = {"S": (1, 3), "M": (4, 8), "L": (8, 16), "XL": (20, 40)}
EFFORTS = {
    "S": "One developer who knows the field can build the first version.",
    "M": "A team of two or three, with one of the future users at the table.",
    "L": "Most of it is the connections to other systems; the core is small.",
    "XL": "It is several projects in one, which have to be planned apart.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Eye:
    """What a persona looks at, and between which scores it judges."""

    low: float
    high: float
    strengths: tuple[str, ...]
    concerns: tuple[str, ...]
    recommendations: tuple[str, ...]


GENERALIST = Eye(
    low=0.66,
    high=0.88,
    strengths=("The problem behind {topic} is real and described from the side of those who have it.",
               "The first step is small enough to learn from."),
    concerns=("How success will be measured is said, but not who decides when the numbers are ambiguous.",
              "The work after the first version is not estimated."),
    recommendations=("Try it with one group for a month before anything else is built.",
                     "Name one person who decides what is left out."),
)  # fmt: skip
EYES: dict[str, Eye] = {
    "architect": Eye(
        low=0.72, high=0.9,
        strengths=("The core of {topic} is separate from its connections to other systems, so either can change alone.",
                   "The first version needs one database and no further services.",
                   "Each step can be used on its own, which keeps the way back open."),
        concerns=("It is open who owns the data when two groups share them; a later change means moving all of it.",
                  "Importing what exists is treated as a single event, but the old source will keep changing."),
        recommendations=("Decide on the owner of each record before the first import, and write it into the model.",
                         "Keep the connections behind one interface, so that the core runs without them."),
    ),
    "critic": Eye(
        low=0.58, high=0.82,
        strengths=("The proposal says what it leaves out.", "It can be stopped after the first step at little cost."),
        concerns=("That one person per group looks after it for an hour a week is a hope; without them {topic} is"
                  " out of date within a month.",
                  "Nothing is said about what happens when two people change the same thing at the same time.",
                  "The old way stays open, so most people will keep to it."),
        recommendations=("Ask three groups who would look after it, by name, before building.",
                         "Set a date on which the old way is closed for the first group."),
    ),
    "optimist": Eye(
        low=0.82, high=0.96,
        strengths=("{topic_capital} solves something that people do every week, so its use is felt at once.",
                   "Everything that it needs exists and is well understood.",
                   "The first group can tell others what it gained, which is the cheapest way to grow."),
        concerns=("The second and third step promise more than the first one needs; they should not delay it.",),
        recommendations=("Show a version that does only the most frequent task after two weeks.",
                         "Let the first group name it, so that it is theirs."),
    ),
    "security_guardian": Eye(
        low=0.7, high=0.9,
        strengths=("Few data are needed, and they are named.", "There are no payments in the first version."),
        concerns=("Who may see what is not written down; the safe default is that people see their own group alone.",),
        recommendations=("Write down the roles, and test that each of them is refused what is not theirs.",
                         "Keep personal data out of logs and of the messages that are sent."),
    ),
    "user_advocate": Eye(
        low=0.7, high=0.93,
        strengths=("People get something back the first time they use {topic}.",
                   "It runs in the browser, so nobody has to install anything."),
        concerns=("People who read with a screen reader or use only the keyboard are not mentioned.",
                  "What somebody sees before there is any content is not described."),
        recommendations=("Have two people who have never seen it do the main task, and watch without helping.",
                         "Write the texts before the pages: each says what happened and what comes next."),
    ),
}  # fmt: skip
EXPOSED = (
    "Data about people are processed, but the proposal says neither who may read them nor how they are protected. Built"
    " like this, one wrong link would expose them."
)
PROTECT = "Add access by role, encryption at rest and a record of who read what, and have them tested before the start."
RISKS = ("The source of the first import may not be allowed to share its data.",
         "A service that sends messages is needed, and its limits are not known.",
         "It depends on one person in each group.")  # fmt: skip


class Reviewer(Responder):
    """One persona's review; without a persona, that of a generalist."""

    def __init__(self, material: Material, rng: random.Random, idea: Idea) -> None:
        super().__init__(material, rng)
        persona = PERSONA.search(material.prompt)
        self._eye = EYES.get(persona[1], GENERALIST) if persona else GENERALIST
        guards = persona is not None and persona[1] == "security_guardian"
        self._exposed = guards and idea.is_sensitive and not idea.is_protected
        words = {"topic": idea.topic, "topic_capital": idea.topic[:1].upper() + idea.topic[1:]}
        eye = self._eye

        def some(texts: tuple[str, ...], most: int) -> list[str]:
            return [text.format(**words) for text in rng.sample(texts, min(most, len(texts)))]

        self._lists: dict[str, list[Any]] = {
            "strengths": some(eye.strengths, 3),
            "concerns": [{"text": text, "is_blocking": False} for text in some(eye.concerns, 2)],
            "recommendations": [*([PROTECT] if self._exposed else []), *some(eye.recommendations, 2)],
            "blocking_issues": [{"text": EXPOSED, "security_critical": True}] if self._exposed else [],
            "dependency_risks": [{"text": rng.choice(RISKS), "severity": rng.choice(("low", "medium"))}],
        }
        self._size = rng.choices(list(WEEKS), weights=(4, 4, 2, 0))[0]
        bonus = 0.06 if block_of(material, "edit_notes") or block_of(material, "edited_proposal") else 0.0
        self._score = round(min(rng.uniform(eye.low, eye.high) + bonus - 0.1 * self._exposed, 0.99), 2)

    def rates(self, name: str, low: float, high: float) -> float | None:
        least, most = WEEKS[self._size]
        known = {"confidence_score": self._score, "weeks_min": least, "weeks_max": most}.get(name)
        return known if known is not None and low <= known <= high else None

    def picks(self, name: str, options: list[Any]) -> Any:
        return self._size if name == "size" and self._size in options else None

    def rows(self, name: str, fields: frozenset[str]) -> list[Any] | None:
        return self._lists.get(name)

    def text(self, name: str) -> str | None:
        return EFFORTS[self._size] if name == "note" else None


def reviewers(material: Material, rng: random.Random) -> Responder | None:
    """The responder for the prompts of the consensus engine."""
    idea = read_idea(material)
    if idea is None:
        return None
    if EXPANDING in material.prompt:
        return Proposer(material, rng, idea)
    return Reviewer(material, rng, idea) if REVIEWING in material.prompt else None
