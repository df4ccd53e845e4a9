"""What a patient tells of a story: the sentence that answers a question, after yes or no where that is asked for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from apps.simulation.simulator.moods import Mood
from apps.simulation.simulator.openings import FACTORS, VAGUE, WHEN_TOLD, Opening, opening_of
from apps.simulation.simulator.phrases import says
from apps.simulation.simulator.questions import Clause
from apps.simulation.simulator.sayings import AGAIN, CURT_AGAIN, DENIED, FILLERS, NO_MORE, OPENINGS
from apps.simulation.simulator.story import Fact, Story, words_in
from apps.simulation.simulator.tables import ALIKE as ALIKE_WORDS
from apps.simulation.simulator.tables import BACKGROUND, COMPLAINT_LABELS, SYMPTOMS, TOPICS

IN_FULL = frozenset({"Site", "Character", "Course", "Radiation", "Appearance", "Past illnesses", "Family"})
"""Topics of which two sentences are told at a time."""
PURE = frozenset({"Pain", "Onset", "Circumstances", "Site", "Timing", "Course", "Severity", "Character"})
"""Topics of the complaint that sentences about other things touch on, too."""
BESIDES = frozenset(topic.label for topic in (*BACKGROUND, *SYMPTOMS)) - VAGUE | {"Similar episodes before"}
TIMED = (
    "since|for .. day*|week*|hour*|month*|night|morning|yesterday; ago|yesterday|today; this|last .. night|morning|week"
)
"""A complaint that says since when."""
ALIEN = {
    "Family": "house|home|cat|dog",
    "Medicines": "allergic|allergy|allergies",
    "Site": "moves|goes|spreads|radiates|shoots .. into|to|down|in|up",
}
"""Words of sentences that only seem to be about a topic."""
NEAR: dict[str, tuple[str, ...]] = {
    "Aggravating factors": ("Relieving factors",),
    "Relieving factors": ("Aggravating factors",),
    "Impact on daily life": ("Aggravating factors", "Exercise", "occupation"),
}
"""Topics beside another one, whose sentences may answer the question when those of the topic do not."""
APART = frozenset({"Aggravating factors", "Relieving factors", "Site", "Radiation", "Severity"})
"""Sentences about these name symptoms only by the way."""
WHEN_ASKED = "what time; when; since; how long|early|late|old; hours|shift*"
"""Of a background that is asked about by time, the sentence that tells one is meant."""
HURTING = "pain*|ache*|aching|hurt*|sore*|cramp*|tight*|pressure|trouble*|problem*|symptom*|discomfort|anything|feel*"
FRAME = words_in(
    "start begin began happen notice feel felt pain hurt ache problem symptom make anything something sore exactly "
    "get got describe kind type sort long worse better many times time day days week weeks morning evening night "
    "change difference affect effect trigger factor aggravate relieve comfortable cause increase reduce position "
    "first last ever before moment normal usual lately recently nowadays generally usually normally"
)
"""Words of a question that say nothing about which sentence answers it."""
ALIKE: tuple[frozenset[str], ...] = tuple(map(words_in, ALIKE_WORDS))
"""Words that are asked for together: a sentence with the one answers a question for the other."""


@dataclass(frozen=True, slots=True)
class Told:
    """Something that an answer tells, for the records: `value` as the author wrote it."""

    label: str
    kind: str
    value: str


class Telling:
    """Tells what is asked for, once in one answer; `told` is what was told so far."""

    def __init__(self, story: Story, mood: Mood, rng: random.Random) -> None:
        self._story = story
        self._mood = mood
        self._rng = rng
        self.told: list[Told] = []
        self.vague: list[str] = []
        """Answers so far that neither tell nor deny anything."""

    def topic(self, name: str, clause: Clause, others: Sequence[str] = ()) -> str:
        facts = [(part, fact) for part in TOPICS[name].parts or (name,) for fact in self._facts(part, clause, others)]
        if TOPICS[name].parts:
            facts = list({part: (part, fact) for part, fact in reversed(facts)}.values())[::-1]
        if not any(wanted_in(clause) & fact.words for _, fact in facts) and (near := self._near(name, clause)):
            return near
        if not facts:
            return self._denied(name, clause)
        facts = list({fact.written: (part, fact) for part, fact in reversed(facts)}.values())[::-1]
        facts = [(part, fact) for part, fact in facts if fact.written not in {told.value for told in self.told}]
        if not facts:
            return ""
        new = [(part, fact) for part, fact in facts if not self._mood.was_said(fact.on(part))]
        if not new or (facts[0] not in new and wanted_in(clause) & facts[0][1].words):
            part, fact = facts[0]
            self.record(part, fact.written)
            return self.again(fact.on(part))
        count = 2 if name in IN_FULL or TOPICS[name].parts else 1
        texts: list[str] = []
        for part, fact in new[:count]:
            self.record(part, fact.written)
            texts.append(self._opened(fact, part, clause, others) if not texts else fact.on(part))
        return " ".join(dict.fromkeys(texts))

    def knows(self, name: str) -> bool:
        """Whether the story says something about a topic, or there is a plain answer without it."""
        return any(map(self._story.about, TOPICS[name].parts or (name,))) or not TOPICS[name].none[0].startswith("~")

    def _near(self, name: str, clause: Clause) -> str:
        """A sentence about a topic beside the one asked for, which is about what the question names."""
        for near in NEAR.get(name, ()):
            for fact in self._story.about(near):
                if wanted_in(clause) & fact.words and fact.written not in {told.value for told in self.told}:
                    self.record(near, fact.written)
                    opening = "No. " if clause.is_closed and name in FACTORS else self._filler()
                    return joined(opening, fact.on(near))
        return ""

    def _facts(self, name: str, clause: Clause, others: Sequence[str]) -> list[Fact]:
        """The sentences about a topic, the closest to the question first."""
        wanted = wanted_in(clause)
        facts = [fact for fact in self._story.about(name) if name == "Family" or not fact.is_of_family]
        facts = [fact for fact in facts if not says(fact.own, ALIEN.get(name, ""))] or facts
        if name in PURE:
            facts = [fact for fact in facts if not fact.topics & BESIDES] or facts
        if TOPICS[name].tier == 2 and name not in VAGUE:
            facts = [fact for fact in facts if not fact.topics.intersection(FACTORS)]
        timed = name == "Onset" or (name not in COMPLAINT_LABELS and says(clause.text, WHEN_ASKED))
        now = name in {"Site", "Appearance", "Character"} and not says(clause.text, "start*|begin*|began|first")

        symptoms = {other for other in others if TOPICS[other].tier == 2}

        def nearness(fact: Fact) -> tuple[int, bool, int]:
            shared = len(wanted & fact.words) + 2 * len(symptoms & fact.topics)
            shared -= TOPICS[name].tier == 2 and bool(fact.topics & (APART | {"Medicines"}))
            shared += timed and says(fact.own, WHEN_TOLD)
            shared += says(clause.text, "what time") and says(fact.own, "at .. morning|night|evening|noon|seven|eight")
            return shared, now and says(fact.own, "moved .. to; now; settled; became"), -facts.index(fact)

        best = max((nearness(fact)[0] for fact in facts), default=0)
        if name not in IN_FULL:
            facts = [fact for fact in facts if nearness(fact)[0] == best]
        return sorted(facts, key=nearness, reverse=True)

    def _opened(self, fact: Fact, name: str, clause: Clause, others: Sequence[str]) -> str:
        """The fact after yes, no or a filler, as the question asks for it."""
        if fact.topics.intersection(others) and len({part.is_denial for part in fact.parts}) > 1:
            return fact.own
        text = fact.own if fact.topics.intersection(others) else fact.on(name)
        return text if len(self.told) > 1 else joined(self._opening(fact, name, clause, others), text)

    def _opening(self, fact: Fact, name: str, clause: Clause, others: Sequence[str]) -> str:
        opening = opening_of(fact, name, clause, others, wanted_in(clause))
        if opening is Opening.FILLER:
            return self._filler()
        return self._rng.choice(OPENINGS[opening])

    def _filler(self) -> str:
        return "" if self._mood.is_brief else self._rng.choice(FILLERS)

    def _denied(self, name: str, clause: Clause) -> str:
        """For a topic that the story does not mention."""
        if TOPICS[name].tier == 2 and name not in VAGUE and says(self._story.reason, TOPICS[name].asks):
            if clause.is_closed and not says(clause.text, HURTING):
                return self._rng.choice(DENIED)
            return f"{'Yes. ' if clause.is_closed else ''}I have {self._story.reason}."
        if name == "Pain" and says(self._story.reason, "pain*|ach*|hurt*|pressure|sore*|cramp*"):
            return "Yes, it does hurt."
        if name == "Onset" and says(self._story.reason, TIMED):
            return f"I have {self._story.reason}."
        text = self._rng.choice(TOPICS[name].none)
        if text.startswith("~"):
            text = self._rng.choice(DENIED) if name == "Character" and clause.is_closed else text[1:]
            self.vague.append(text)
            return text
        self.record(name, "No." if TOPICS[name].tier == 2 else text)
        if len(self.told) > 1 or not clause.is_closed or clause.is_negated:
            return text
        return joined("No, ", text)

    def record(self, name: str, value: str) -> None:
        topic = TOPICS[name]
        self.told.append(Told(topic.label, topic.kind, value))

    def again(self, text: str) -> str:
        return self._rng.choice(CURT_AGAIN if self._mood.minds_repeats else AGAIN).format(fact=text)

    def referred(self, clause: Clause, topic: str, facts: Sequence[Fact]) -> str:
        """What a sentence that was just talked about says of `it`."""
        wanted = words_in(clause.text) - (FRAME - words_in("normal usual"))
        if clause.top > 2 or not says(clause.text, "it|that|there|them|they") or topic in clause.named(clause.top):
            return ""
        for fact in facts:
            for part in fact.parts:
                if wanted & words_in(part.own):
                    self.record(topic, fact.written)
                    return joined("No, " if part.is_denial else "Yes, ", f"{part.own}.")
        return ""

    def closest(self, clause: Clause, topics: Sequence[str]) -> str:
        """A sentence that shares rare words with the question, where those about its topics share none."""
        wanted = wanted_in(clause)
        if any(wanted & fact.words for topic in topics for fact in self._facts(topic, clause, ())):
            return ""
        named = [alike(word) for word in words_in(clause.meaning) - FRAME]
        shared = [
            (sum(any(self._is_rare(word) for word in words & fact.words) for words in named), fact)
            for fact in self._story.facts
        ]
        most, fact = max(shared, key=lambda pair: pair[0], default=(0, None))
        if most < 2 or fact is None or not topics:
            return ""
        label = next((topic for topic in topics if topic in fact.topics), min(fact.topics, default=""))
        if not label or fact.written in {told.value for told in self.told}:
            return ""
        self.record(label, fact.written)
        return self._opened(fact, label, clause, ())

    def _is_rare(self, word: str) -> bool:
        return sum(word in fact.words for fact in self._story.facts) < 3

    def from_words(self, clause: Clause) -> list[str]:
        """Sentences of the story that share words with a question that belongs to no topic."""
        wanted = words_in(clause.meaning) - FRAME
        known = {told.value for told in self.told}
        left = [fact for fact in self._story.facts if fact.written not in known]
        common = {word for word in wanted if sum(word in fact.words for fact in left) > 1}
        scored = [(2 * len((wanted - common) & fact.words) + len(common & fact.words), fact) for fact in left]
        score, fact = max(scored, key=lambda pair: (pair[0], not self._mood.was_said(pair[1].own)), default=(0, None))
        if fact is None or score < 2 or (clause.is_closed and 2 * len(wanted & fact.words) < len(wanted)):
            return []
        if self._mood.was_said(fact.own):
            return [self.again(fact.own)]
        label = next(iter(sorted(fact.topics)), "")
        if label:
            self.record(label, fact.written)
        return [self._opened(fact, label or "Onset", clause, ())]

    def another_symptom(self) -> str:
        """A complaint that was not mentioned yet."""
        for fact in self._story.facts:
            symptoms = {name for name in fact.topics if TOPICS[name].tier == 2}
            if not symptoms or fact.topics & APART or fact.is_of_family or self._mood.was_said(fact.own):
                continue
            if not all(map(fact.denies, symptoms)):
                self.record(min(symptoms), fact.written)
                return fact.own
        return self._rng.choice(NO_MORE)

    def next_of_complaint(self, count: int) -> str:
        """The next sentences about the complaint that were not told yet."""
        left = [
            fact
            for fact in self._story.facts
            if fact.topics & COMPLAINT_LABELS and not fact.is_of_family and not self._mood.was_said(fact.own)
        ][:count]
        for fact in left:
            self.record(sorted(fact.topics & COMPLAINT_LABELS)[0], fact.written)
        return " ".join(fact.own for fact in left)


def wanted_in(clause: Clause) -> frozenset[str]:
    """The words of a question that say which sentence answers it."""
    return frozenset().union(*map(alike, words_in(clause.meaning) - FRAME))


def alike(word: str) -> frozenset[str]:
    """A stem, and those of words that mean much the same."""
    return frozenset({word}).union(*(group for group in ALIKE if word in group))


def joined(opening: str, text: str) -> str:
    """`Yes, ` before a sentence, which then continues in lower case unless it begins with I or a name."""
    if not opening.endswith(", ") or text.startswith(("I ", "I'")):
        return f"{opening}{text}"
    return f"{opening}{text[:1].lower()}{text[1:]}"
