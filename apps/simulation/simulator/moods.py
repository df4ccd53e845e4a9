"""How a patient sounds: remarks that follow from directions, reactions to what happens, and the manner of speaking."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from apps.simulation.simulator.english import as_mine
from apps.simulation.simulator.phrases import plain, says
from apps.simulation.simulator.tables import EVENTS, TRAITS, Trait
from orchestration.providers.simulator.prompt_reader import Line

if TYPE_CHECKING:
    from apps.simulation.simulator.answers import Answer

BRIEF = "answers .. brief*|short*; brief*|curt|terse|monosyllab*|few_words|taciturn|laconic|quiet|sparing"
TWICE = "twice|again|repeat*|same_question"
TALKATIVE = "talkative|chatty|rambl*|talks_a_lot|detail*"
BREATHLESS = "breathless*|gasp*|panting|pants; short of breath"
"""Styles that change how an answer is said."""

VOICED: tuple[tuple[str, str], ...] = (
    (r"asks? (?:whether|if) (?:he|she|they) (?:can|could|may|might) (.+)", "Can I {}?"),
    (r"asks? (?:whether|if) (.+)", "Do you know whether {}?"),
    (r"asks? for (.+)", "Can I have {}?"),
    (r"(?:wants|would like|wishes|needs) to (.+)", "I want to {}."),
    (r"(?:wants|would like|needs|demands) (.+)", "I want {}."),
    (r"refuses? to (.+)", "I will not {}."),
    (r"refuses? (.+)", "I do not want {}."),
    (r"(?:is|becomes|gets|grows) (?:afraid|scared|frightened|terrified) of (.+)", "I am afraid of {}."),
    (r"(?:is|becomes|gets|grows) worried about (.+)", "I am worried about {}."),
    (r"(?:complains|mentions|says|insists|believes|thinks|claims|tells|reports|repeats|keeps saying) that (.+)", "{}."),
    (r"complains (?:of|about) (.+)", "I have {}."),
    (r"(?:hopes|hoping) (?:for|that) (.+)", "I hope {}."),
    (r"(?:has|develops|gets|feels|notices|is having) (.+)", "I have {}."),
)
"""Directions that name what is to be said → the words."""

SURPRISED = ("What is happening?", "What was that? Is it about me?")
"""To an event of which no table knows."""
REMARKING = 0.3
"""How often a remark is added that nothing calls for."""
LONGEST_QUIET = 4
"""Answers without a remark, after which the mood is heard again."""
RESULTS = re.compile(r", (?:normal|low|high|critical|abnormal)$", re.M)
"""What laboratories report: patients do not see it."""
REMARKS = (
    "Is it something bad?",
    "It worries me, to be honest.",
    "Will you be able to help me?",
    "I just want it to get better.",
    "I have been thinking about it the whole time.",
    "What happens now?",
)


class Mood:
    """The mood of a patient at this point of the conversation."""

    def __init__(self, directions: Sequence[str], before: Sequence[Line], rng: random.Random) -> None:
        self._before = before
        self._rng = rng
        self._directions = directions
        self._traits = [trait for direction in directions if (trait := _trait_of(direction))]
        self._made: list[str] = []
        self.is_brief = _any_says(directions, BRIEF) and not _any_says(directions, TALKATIVE)
        self.is_talkative = _any_says(directions, TALKATIVE)
        self.is_breathless = _any_says(directions, BREATHLESS)
        self.minds_repeats = _any_says(directions, TWICE)

    def coloured(self, answer: Answer, message: str) -> str:
        """An answer as this patient gives it: after a reaction to what has just happened, and with a remark."""
        parts = [self._reaction(), answer.text, self._remark(answer, message)]
        return self.styled(" ".join(part for part in parts if part))

    def styled(self, text: str) -> str:
        """A text in the manner of speaking."""
        if not self.is_breathless:
            return text
        pause = next(re.finditer(r"(?<=\w{3})(?:, (?=\w)| (?=and |but |because |while ))", text[12:]), None)
        if pause is None or self._rng.random() < 0.3:
            return text
        return f"{text[: 12 + pause.start()]}... {text[12 + pause.end() :]}"

    def another_remark(self) -> str:
        """A remark that was not made before, at least not in this answer."""
        known = [*(text for trait in self._traits for text in trait.remarks), *REMARKS]
        return self._chosen([text for text in known if text not in self._made] or known)

    def was_said(self, text: str) -> bool:
        words = plain(text)
        return any(words in plain(line.text) for line in self._before)

    def _reaction(self) -> str:
        """To what has happened since the patient last spoke."""
        happened = []
        for line in reversed(self._before):
            if line.speaker == "patient":
                break
            if line.speaker == "note" and not RESULTS.search(line.text):
                happened.append(line.text)
        if not happened:
            return ""
        newest = happened[0]
        for event in EVENTS:
            if says(newest, event.words):
                return self._chosen(event.remarks)
        return self._chosen(SURPRISED)

    def _remark(self, answer: Answer, message: str) -> str:
        """What the message calls for, what a new direction wants said, or now and then something about the mood."""
        called = [trait for trait in self._traits if trait.on and says(message, trait.on)]
        for trait in called:
            if left := self._unsaid(trait.remarks):
                return self._chosen(left)
        unvoiced = [trait for trait in reversed(self._traits) if not any(map(self.was_said, trait.remarks))]
        if unvoiced and (self._is_quiet(2) or self._rng.random() < REMARKING):
            return self._chosen(list(unvoiced[0].remarks))
        known = [text for trait in self._traits for text in trait.remarks]
        if known and self._is_quiet(LONGEST_QUIET) and not answer.is_remark:
            return self._chosen(self._unsaid(known) or known)
        if answer.is_remark or self.is_brief or self._rng.random() >= REMARKING:
            return ""
        left = self._unsaid(known or list(REMARKS))
        return self._chosen(left) if left else ""

    def _is_quiet(self, count: int) -> bool:
        """Whether so many answers have been given, and the last ones were without a remark."""
        answers = [line.text for line in self._before if line.speaker == "patient"][-count:]
        remarks = [text for trait in self._traits for text in trait.remarks]
        return len(answers) == count and not any(remark in answer for answer in answers for remark in remarks)

    def _unsaid(self, texts: Sequence[str]) -> list[str]:
        return [text for text in texts if not self.was_said(text) and text not in self._made]

    def _chosen(self, texts: Sequence[str]) -> str:
        text = self._rng.choice(list(texts))
        self._made.append(text)
        return text


def _trait_of(direction: str) -> Trait | None:
    """How a direction becomes audible: by its words, else as it says itself."""
    text = direction.strip().rstrip(".")
    for trait in TRAITS:
        if says(text, trait.words):
            return trait
    for pattern, spoken in VOICED:
        found = re.fullmatch(
            rf"(?:(?:he|she|they|the patient)\s+)?(?:also |now |suddenly |often )?{pattern}", text, re.I
        )
        if found and len(found[1].split()) <= 12:
            own = as_mine(re.sub(r"\b(?:he|she)\b", "I", re.sub(r"\b(?:his|her)\b", "my", found[1])))
            words = spoken.format(own)
            return Trait(plain(own), (words[:1].upper() + words[1:],), "")
    return None


def _any_says(directions: Sequence[str], words: str) -> bool:
    return any(says(direction, words) for direction in directions)
