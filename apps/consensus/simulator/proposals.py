"""An idea as a proposal."""

from __future__ import annotations

import json
import random
from typing import Any

from apps.consensus.simulator.ideas import Idea, block_of
from orchestration.providers.simulator.prompt_reader import Material
from orchestration.providers.simulator.responder import Responder

PROBLEMS = (
    "Without {topic} the people concerned help themselves with messages, sheets and memory. What one of them knows does"
    " not reach the others, and mistakes are noticed when they have already cost time.",
    "What {topic} would do is done by hand today. It depends on few people who know how, it takes their evenings, and"
    " nobody can say afterwards what was decided and why.",
    "There is no single place for what {topic} would offer. People ask each other again and again, get different"
    " answers, and give up on the cases that are not ordinary.",
)
STEPS = (
    "It starts small: a first version for one group of people who have asked for it, with the task that they do most"
    " often. What they do with it in the first month decides what comes next.",
    "It is built in three steps: the core that works for one group, the connections to what they use already, and only"
    " then what makes it comfortable. Each step can be used on its own.",
)
CHECKS = (
    "Whether it helps is measured by how long the task takes before and after, and by how many people come back in the"
    " second month.",
    "Success means that the first group no longer needs its old way after six weeks, and says so unasked.",
)
ASSUMPTIONS = (
    "The people concerned have a phone or a computer and the right to use it for this.",
    "One person in each group is willing to look after it for an hour a week.",
    "What it needs to know exists already and can be imported once.",
    "A short outage is a nuisance, and no danger.",
    "The first group has at most a few hundred people.",
)
NON_GOALS = (
    "Replacing the systems that are in use for other purposes.",
    "An app for each platform: the first version runs in the browser.",
    "Payments and contracts.",
    "Translations before the first group is content.",
)


class Proposer(Responder):
    """Expands an idea; of a revision, with what was edited."""

    def __init__(self, material: Material, rng: random.Random, idea: Idea) -> None:
        super().__init__(material, rng)
        self._idea = idea
        self._edit = _edited_text(block_of(material, "edited_proposal"))
        self._lists = {"assumptions": rng.sample(ASSUMPTIONS, 3), "scope_non_goals": rng.sample(NON_GOALS, 2)}

    def text(self, name: str) -> str | None:
        idea = self._idea
        match name:
            case "title":
                return idea.title
            case "summary":
                told = " ".join(idea.sentences[:2])
                return f"{told} It begins with one group of people, and grows with what they need."
            case "problem_statement":
                return self._rng.choice(PROBLEMS).format(topic=idea.topic)
            case "proposed_solution":
                features = " ".join(idea.features) or f"The proposal is {idea.topic}."
                return " ".join(filter(None, [self._edit, features, self._rng.choice(STEPS), self._rng.choice(CHECKS)]))
        return None

    def rows(self, name: str, fields: frozenset[str]) -> list[Any] | None:
        return self._lists.get(name)


def _edited_text(edited: str) -> str:
    """An edit that is text; edits of single fields are stored as they are, whatever the model says."""
    try:
        return "" if isinstance(json.loads(edited), dict) else edited
    except ValueError:
        return edited
