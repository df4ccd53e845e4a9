"""Answers to what is said to a patient."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from apps.simulation.simulator.leading import LEADING, leads
from apps.simulation.simulator.moods import Mood
from apps.simulation.simulator.openings import VAGUE, WHEN_TOLD, contradicts
from apps.simulation.simulator.phrases import plain, says
from apps.simulation.simulator.questions import Clause, in_another_language, understood
from apps.simulation.simulator.sayings import (
    AT_TIMES,
    DENIED,
    FOREIGN,
    HEARD,
    NAMING,
    NO_MORE,
    NOT_ENGLISH,
    NOT_KNOWN,
    NOT_KNOWN_TO,
    NOT_SHOWN,
    NOT_SURE,
    PARDON,
    PICTURES,
    SHOWING,
    SHOWN,
    SUPPOSING,
    SURE,
)
from apps.simulation.simulator.story import Story, words_in
from apps.simulation.simulator.tables import COMPLAINT_LABELS, ENGLISH, INTENTS, TOPICS
from apps.simulation.simulator.telling import Telling, Told
from orchestration.providers.simulator.prompt_reader import Line

COURTESY = re.compile(r"(?:ok|okay|alright|all right|right|yes|please)?")
"""A sentence that says nothing beside others."""
MOST_PARTS = 4
"""Of one answer."""
ILLNESSES = frozenset(
    {"Heart trouble", "Lung disease", "Other conditions", "Diabetes", "Blood pressure", "Cholesterol", "Gynaecology"}
)
"""Who asks `is it …` about one of these names what the patient may have."""
FOLLOW_UP = (
    "which; how|what kind|type|sort; how many|much|often|long|so|come; since when; why; really; sure|certain; how "
    "about; and that|it|then|before|now; for how; when; who; where; what|which one|ones|else; what .. they|it|he|she "
    ".. called; what happen*; how old .. he|she|they|it; what age .. he|she|they; names?; what for; every|each day; "
    "a day; per day|week; always; what did you have|take|eat|drink|do; back then; those|these|that time*; take|taken "
    "them|it; at night; in the morning|evening; during the day|night; of an evening"
)
"""What refers to the topic before, when nothing else is asked."""
FIRST_SAID = frozenset({"offer", "promise", "worry", "expectations", "understood"})
"""What is answered without a look at the topics that the question names: `are you afraid of the operation?`"""
TOLD_OF = COMPLAINT_LABELS - {"Similar episodes before", "Treatment so far"}
"""Topics of the complaint to which nothing refers: what is asked next is about the complaint."""
OWN_MEDICINES = "your|usual|regular .. tablet*|pills|medic*"
AGAINST_IT = "for|against|on it|this|that; for|against the pain|ache|rash|itch*|pressure"
"""What medicines are taken for, when this complaint is meant."""
OF_WOMEN = frozenset({"Contraception", "Periods and pregnancy", "Vaginal discharge or bleeding", "Gynaecology"})
"""What a man is not asked for where something else may be meant."""
YIELDING = 0.6
"""The share of the strongest that a topic needs so that others yield to it."""


@dataclass(slots=True)
class Answer:
    """An answer; `is_remark` when it says nothing about the case."""

    text: str
    told: list[Told] = field(default_factory=list)
    is_remark: bool = False


class Answers:
    """Answers from a story, in the light of what was said before."""

    def __init__(self, story: Story, mood: Mood, before: Sequence[Line], rng: random.Random) -> None:
        self._story = story
        self._mood = mood
        self._rng = rng
        self._heard = [line.text for line in before if line.speaker not in {"patient", "note"}]
        self._before = before
        self._telling = Telling(story, mood, rng)
        self._topic_now = ""

    def to(self, message: str, *, shows: bool = False) -> Answer:
        """The answer to a message; `shows` when the patient shows a picture with it."""
        clauses = list(understood(self._unaddressed(message)))
        clauses = [clause for clause in clauses if not COURTESY.fullmatch(clause.text)] or clauses
        if self._story.person.get("sex") == "male":
            clauses = [clause.without(OF_WOMEN) for clause in clauses]
        first = next((clause for clause in clauses if clause.top == 4), None)
        if first is not None:
            return Answer(self._talk(first.named(4)[0]), is_remark=True)
        if _sums_up(clauses):
            return Answer(self._confirmed(clauses), is_remark=True)
        if shows or any(says(clause.text, PICTURES) for clause in clauses):
            return Answer(self._rng.choice(SHOWN if shows else NOT_SHOWN), is_remark=True)
        parts = self._parts(clauses)
        text = " ".join(dict.fromkeys(parts)) or self._fallback(message, clauses)
        if in_another_language(message) and parts:
            text = self._rng.choice(FOREIGN).format(answer=text)
        return Answer(text, self._telling.told, is_remark=not self._telling.told)

    def _unaddressed(self, message: str) -> str:
        """A message without the name of the patient, unless it is about the name."""
        names = "|".join(re.escape(name) for name in self._story.name.split())
        if not names or says(message, "name*|call*|spell*|mr|mrs|miss right|correct"):
            return message
        return re.sub(rf"(?i)(?:, )?\b(?:(?:mr|mrs|ms|miss)\.? )?(?:{names})\b(?!')", "", message)

    def _confirmed(self, clauses: Sequence[Clause]) -> str:
        """Whether a summary is right: it is, unless it says the opposite of something."""
        for clause in clauses:
            for name in (hit.name for hit in clause.hits if hit.name in TOPICS):
                for fact in self._story.about(name):
                    if contradicts(clause.text, plain(fact.own)):
                        return f"No, not quite. {fact.own}"
        return self._rng.choice(INTENTS["confirm"].answers)

    # --- one clause after the other ---------------------------------------------------------------

    def _parts(self, clauses: Sequence[Clause]) -> list[str]:
        """The answers to the clauses that ask for something; else to the weightiest thing that was said."""
        parts: list[str] = []
        for clause in clauses:
            if len(parts) >= MOST_PARTS:
                break
            if self._names_secret(clause):
                parts.append(self._rng.choice(NAMING))
            elif clause.asks:
                parts += self._asked(clause)
            else:
                self._topic_now = next((hit.name for hit in clause.hits if hit.name in TOPICS), self._topic_now)
        if parts:
            return self._weightiest(parts)
        said = max((clause for clause in clauses if clause.top >= 0), key=lambda clause: clause.top, default=None)
        return [] if said is None else self._said(said)

    def _weightiest(self, parts: Sequence[str]) -> list[str]:
        """Without what a patient says who has nothing to tell, beside what is told, and the reason only once."""
        weighty = [part for part in parts if part not in self._telling.vague] or list(parts)
        reason = self._story.reason
        named = [part for part in weighty if reason and reason in part]
        return [part for part in weighty if part not in named[1:]]

    def _names_secret(self, clause: Clause) -> bool:
        return clause.top < 3 and bool(words_in(clause.text) & self._story.secrets)

    def _asked(self, clause: Clause) -> list[str]:
        follows = self._followed_up(clause)
        if follows is not None:
            return [follows] if follows else []
        if clause.top < 2:
            return self._said(clause) if clause.top == 1 else []
        names = self._meant(clause)
        talk = [name for name in names if name in INTENTS]
        prior = next((name for name in talk if name in FIRST_SAID), None)
        if prior:
            return [self._talk(prior, clause)]
        beside = [hit.name for hit in clause.hits if hit.name in TOPICS and hit.name not in names]
        others = [name for name in beside if not self._is_own(name)]
        topics = self._foremost(clause.text, [name for name in names if name in TOPICS])
        if topics and ILLNESSES.issuperset(topics) and says(clause.text, "is|could|might|may|can it|this|that"):
            return [self._rng.choice(NAMING)]
        topics = list(filter(self._telling.knows, topics)) or topics
        if closest := self._telling.closest(clause, topics):
            return [closest]
        answers = [text for topic in topics[:MOST_PARTS] if (text := self._telling.topic(topic, clause, others))]
        if topics:
            self._topic_now = topics[-1]
        if answers or not talk:
            return answers or self._telling.from_words(clause)
        talk = [name for name in talk if name not in {"consent", "may I ask"}] or talk
        talk = ["reason"] if "reason" in talk and "more" in talk else talk
        return [self._talk(name, clause, others) for name in talk[:2]]

    def _meant(self, clause: Clause) -> list[str]:
        """What a question is about: what yields only where nothing else is named, besides the complaint itself."""
        names = self._certain(clause)
        strongest = {name: max(hit.strength for hit in clause.hits if hit.name == name) for name in names}
        most = max(strongest.values(), default=0.0)
        closer = [name for name in names if not _yields(name) and strongest[name] >= YIELDING * most]
        first = next((name for name in names if any(leads(name, other) for other in closer) and _yields(name)), None)
        if first is not None and strongest[first] >= YIELDING * most:
            return [first]
        if closer == ["Aggravating factors"]:
            return self._before_conditions(clause) or closer
        if closer:
            return closer
        named = [
            name for name in clause.named(2) if not _yields(name) and name not in VAGUE - {"Sleep", "Itching", "Warmth"}
        ]
        return [name for name in named if name in TOPICS and not self._is_own(name)] or names

    def _certain(self, clause: Clause) -> list[str]:
        """What is named at the highest tier, without what the words only hint at when something else is named."""
        hinted = {hit.name for hit in clause.hits if hit.is_hint} - {hit.name for hit in clause.hits if not hit.is_hint}
        names = clause.named(clause.top)
        certain = [name for name in names if name not in hinted]
        if certain and all(map(_yields, certain)):
            return names
        lower = [name for name in clause.named(2) if name in TOPICS and name not in VAGUE and not self._is_own(name)]
        return certain or (lower if clause.top > 2 else []) or names

    def _before_conditions(self, clause: Clause) -> list[str]:
        """Symptoms that are named before when they come: `are you dizzy when you stand up?`"""
        named: list[str] = []
        for hit in clause.hits:
            if hit.name == "Aggravating factors":
                return named
            if hit.tier == 2 and hit.name in TOPICS and hit.name not in VAGUE and not self._is_own(hit.name):
                named.append(hit.name)
        return []

    def _is_own(self, topic: str) -> bool:
        """Whether it is the complaint itself."""
        return TOPICS[topic].tier == 2 and says(self._story.reason, TOPICS[topic].asks)

    def _foremost(self, text: str, topics: list[str]) -> list[str]:
        """Without the topics that others in the question only qualify: `allergies to medicines` asks for allergies."""
        if says(text, OWN_MEDICINES):
            topics = ["Medicines" if topic == "Treatment so far" else topic for topic in topics]
        for first, qualifying in LEADING:
            if first in topics:
                topics = [topic for topic in topics if topic not in qualifying and (qualifying or topic == first)]
        topics = [name for name in topics if name not in VAGUE] or topics
        topics = [name for name in topics if not self._is_own(name)] or topics
        if "Radiation" in topics and not self._story.about("Radiation") and self._story.about("Rash"):
            return ["Rash"]
        if "Medicines" in topics and says(text, AGAINST_IT) and not says(text, OWN_MEDICINES):
            topics = ["Treatment so far" if topic == "Medicines" else topic for topic in topics]
        if "Allergies" in topics and says(text, "allerg*|reaction* .. to|from"):
            return ["Allergies"]
        return topics

    def _said(self, clause: Clause) -> list[str]:
        """A reaction to a statement, a greeting, a courtesy."""
        said = [hit for hit in clause.hits if hit.name in INTENTS]
        talk = max(said, key=lambda hit: (hit.tier > 0, hit.strength), default=None)
        if talk is not None:
            return [self._talk(talk.name, clause)]
        return [] if clause.asks else [self._rng.choice(HEARD)]

    # --- what refers to something -------------------------------------------------------------------

    def _followed_up(self, clause: Clause) -> str | None:
        """The answer to what makes sense only after the question before: `Since when?`, `Was there blood in it?`"""
        topic = self._topic_now or self._last_topic()
        facts = self._story.about(topic) if topic and topic not in TOLD_OF else []
        last = next((line.text for line in reversed(self._before) if line.speaker == "patient"), "")
        facts.sort(key=lambda fact: plain(fact.on(topic)) not in plain(last))
        if not facts:
            return None
        if not _refers(clause):
            return self._telling.referred(clause, topic, facts) or None
        if {fact.written for fact in facts} & {each.value for each in self._telling.told}:
            return ""
        if says(clause.text, "how long; since when; when"):
            dated = next((fact for fact in facts if fact.since or says(fact.own, WHEN_TOLD)), None)
            return None if dated is None else dated.since or self._telling.again(dated.on(topic))
        if says(clause.text, "sure|certain|really|definitely|positive"):
            return self._rng.choice(SURE)
        if says(clause.text, "why; how come"):
            return "I do not know why, to be honest."
        if says(clause.text, "night|morning|evening; the day") and not says(facts[0].own, "night|morning|evening"):
            return self._rng.choice(AT_TIMES)
        return self._telling.again(facts[0].on(topic))

    def _last_topic(self) -> str:
        """What was last asked about."""
        for text in reversed(self._heard):
            for clause in reversed(understood(text)):
                names = [] if _refers(clause) else [name for name in clause.named(clause.top) if name in TOPICS]
                if names:
                    return names[-1]
        return ""

    # --- talk ---------------------------------------------------------------------------------------

    def _talk(self, name: str, clause: Clause | None = None, others: Sequence[str] = ()) -> str:
        """What a patient says to something that is not a question about the case, or to an open one."""
        match name:
            case "more":
                return self._more(clause)
            case "anything else":
                return self._telling.another_symptom()
            case "reason":
                return self._reason()
            case "consent" if clause is not None and says(clause.text, SHOWING) and not others:
                return self._rng.choice(NOT_SHOWN)
            case "age" | "sex" if name not in self._story.person:
                return "Does that matter?"
        choice = self._rng.choice(INTENTS[name].answers)
        person = self._story.person
        if name in {"age", "sex"}:
            self._telling.told.append(Told(name, "demographics", person[name]))
        return choice.format(
            name=self._story.name or "the patient",
            first=self._story.first_name or "just me",
            reason=self._story.reason or "how I feel",
            job=person.get("occupation", "patient"),
            age=person.get("age", ""),
            sex={"female": "a woman", "male": "a man"}.get(person.get("sex", ""), person.get("sex", "")),
        )

    def _reason(self) -> str:
        reason = self._rng.choice(INTENTS["reason"].answers).format(reason=self._story.reason or "how I feel")
        said = sum(self._story.reason in line.text for line in self._before if self._story.reason)
        return (
            reason
            if said < 2 and not self._mood.is_talkative
            else f"{reason} {self._telling.next_of_complaint(1)}".strip()
        )

    def _more(self, clause: Clause | None) -> str:
        """The story from where it stands: about what was named, else the complaint."""
        named = [hit.name for hit in clause.hits if hit.name in TOPICS] if clause else []
        for name in named:
            if TOPICS[name].tier >= 2 and name not in {"Pain", "Rash"}:
                return self._telling.topic(name, clause) if clause else ""
        return self._telling.next_of_complaint(1 if self._mood.is_brief else 2) or self._rng.choice(NO_MORE)

    def _fallback(self, message: str, clauses: Sequence[Clause]) -> str:
        if in_another_language(message):
            return self._rng.choice(NOT_ENGLISH)
        if not any(word in ENGLISH for word in plain(message).split()) and all(clause.top < 0 for clause in clauses):
            return self._rng.choice(PARDON)
        for clause in clauses:
            if found := self._telling.from_words(clause):
                return found[0]
        asking = next((clause for clause in clauses if clause.asks), None)
        return self._rng.choice(HEARD if asking is None else _unknown(asking))


def _unknown(clause: Clause) -> Sequence[str]:
    """What may be said to a question of which the story says nothing."""
    if says(clause.text, SUPPOSING):
        return NAMING
    if not clause.is_closed:
        return next((texts for words, texts in NOT_KNOWN_TO if says(clause.text, words)), NOT_KNOWN)
    return NOT_SURE if says(clause.text, "it|that|they|them|those") else DENIED


def _sums_up(clauses: Sequence[Clause]) -> bool:
    """Whether something is said to be confirmed, and nothing is asked for after it."""
    named = [{hit.name for hit in clause.hits} for clause in clauses]
    last = max((number for number, names in enumerate(named) if "confirm" in names), default=None)
    return last is not None and not any(
        clauses[number].asks and named[number] & TOPICS.keys() for number in range(last + 1, len(clauses))
    )


def _refers(clause: Clause) -> bool:
    """Whether a question makes sense only after another one."""
    vague = {"Onset", "Site", "Timing", "more", "ideas"} | ({"age"} if says(clause.text, "he|she|they") else set())
    asked = any(hit.tier >= 2 and hit.name not in vague for hit in clause.hits)
    return not asked and len(clause.text.split()) < 7 and says(clause.text, FOLLOW_UP)


def _yields(name: str) -> bool:
    return TOPICS[name].yields if name in TOPICS else INTENTS[name].yields
