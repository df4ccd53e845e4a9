"""What a patient knows: the sentences of the case in the first person, each with the topics that it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from apps.simulation.clinical.words import stem
from apps.simulation.simulator.english import as_own_story, sentences
from apps.simulation.simulator.phrases import plain
from apps.simulation.simulator.questions import told_phrases
from apps.simulation.simulator.stems import root
from orchestration.providers.simulator.prompt_reader import Block, Material

NOUN = re.compile(r"(?i)\byou play an? ((?:\w+ )*?\w+)(?= who\b| in\b| for\b|[,.\n])")
SECRET = re.compile(r"(?i)\bnever (?:name|reveal|tell|mention|say|give)|\bdo not (?:name|reveal|tell|mention|say)")
MANNER = re.compile(r"(?i)\bhow\b|\bbehav|\bdifficult|\bmood|\bstyle")
RELATIVE = re.compile(
    r"\bmy (?:mother|father|brother|sister|parents|aunt|uncle|grand\w+|mum|dad|son|daughter)s? "
    r"(?:has|had|have|died|is|was|were|suffers?|takes?|got)\b"
)
PARTS = re.compile(r",? but |, which |, and |, | and ")
NEGATIVE = re.compile(r"\b(?:no|not|never|none|nothing|nobody|neither|without)\b")
LISTED = re.compile(r"(?:the|a|an|any|or|my)\b")
VERB = re.compile(r"\b(?:am|is|are|was|were|have|has|had|do|does|did|can|could|feel|makes?|\w+ed)\b")
SUBJECT = re.compile(r"(?:I|It)\b")
GOES_ON = re.compile(r"(?:\w{3,}(?:es|[^s]s|ed)|feel|take|took|had|sit|drink|go)\b")
"""A verb that continues with the subject of the sentence."""
SINCE = re.compile(r"\b(?:since|for) [^,.;]+?(?= and | but |[,.;]|$)", re.I)
SHORT = 12
"""Words of a fact that is a topic rather than a sentence."""
WEAK = frozenset(
    map(
        stem,
        "a about acute after all also am an and any are as at be been before but by can chronic could did "
        "disease do does doing early else ever feel for from get go got had has have he her him his how i if "
        "in into is it its just late like me my no not now of on or our out over please really severe she so "
        "some syndrome tell than that the their them then there these they thing think this to too up us very "
        "was we were what when where which who why will with would yes you your yourself take taking taken "
        "much many often long since still right now today".split(),
    )
)
"""Words that say little about what is meant."""


HELPING = frozenset(map(root, "help helped better".split()))
"""Stems of what treatment does."""


class Part(NamedTuple):
    """A part of a sentence, as the patient says it."""

    own: str
    topics: frozenset[str]
    is_denial: bool


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence of the case: as it is written, and as the patient says it."""

    written: str
    own: str
    topics: frozenset[str]
    words: frozenset[str]
    """The stems that carry meaning."""
    parts: tuple[Part, ...]

    @property
    def has_commas(self) -> bool:
        return "," in self.own

    @property
    def is_of_family(self) -> bool:
        """Whether it is about somebody else's health."""
        return bool(RELATIVE.search(plain(self.own)))

    def denies(self, topic: str, wanted: frozenset[str] = frozenset()) -> bool:
        """Whether what it says about a topic, or rather about the wanted words of it, is a denial."""
        about = [part for part in self.parts if topic in part.topics]
        if HELPING & wanted & self.words:
            about = [part for part in self.parts if HELPING & words_in(part.own)] or about
        said = frozenset().union(*(words_in(part.own) for part in about))
        closer = [part for part in self.parts if not part.topics and (wanted - said) & words_in(part.own)]
        named = max(closer or about or self.parts, key=lambda part: len(wanted & words_in(part.own)))
        return named.is_denial

    def on(self, topic: str) -> str:
        """What it says about a topic: a part that is a sentence of its own, else all of it."""
        for position, part in enumerate(self.parts):
            said = part.own
            if topic in part.topics and position:
                if said.lower().startswith(("i ", "it ", "my ")[: 2 + self.has_commas]):
                    return f"{said[:1].upper()}{said[1:]}."
                if len(self.parts) == 2 and GOES_ON.match(said) and (subject := SUBJECT.match(self.own)):
                    return f"{subject[0]} {said}."
            if topic in part.topics:
                break
        return self.own

    @property
    def since(self) -> str:
        """Since when, if it says so: `Since I was 20 years old.`"""
        found = SINCE.search(self.own)
        return f"{found[0][:1].upper()}{found[0][1:].strip()}." if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The case as the prompt states it."""

    name: str
    reason: str
    """Why the patient came; empty when the prompt does not say."""
    person: dict[str, str]
    """Age, sex and occupation, as far as the prompt states them."""
    facts: tuple[Fact, ...]
    secrets: frozenset[str]
    """Stems of what is never named."""
    directions: tuple[str, ...]
    """How to behave, the newest last."""
    can_show: bool

    @property
    def first_name(self) -> str:
        return self.name.partition(" ")[0]

    def about(self, topic: str) -> list[Fact]:
        return [fact for fact in self.facts if topic in fact.topics]


def read_story(material: Material) -> Story:
    """The story in a prompt."""
    noun = NOUN.search(material.instructions)
    name = next((block.text for block in material.blocks if block.label.endswith("name")), "")
    names = (name, name.partition(" ")[0], noun[1].split()[-1] if noun else "")
    secrets = words_in(" ".join(block.text for block in material.blocks if SECRET.search(block.lead)))
    told = [block.text for block in material.blocks if _is_told(block)]
    topics = [text for text in told if _is_topic(text)]
    written = [sentence for text in told if not _is_topic(text) for sentence in sentences(text)]
    reason = _lowered(topics[-1].rstrip(".")) if topics else ""
    facts = [_fact(sentence, names) for sentence in written if not _gives_away(sentence, secrets)]
    if reason and not facts:
        facts = [_fact(f"I have {reason}.", names)]
    return Story(
        name=name,
        reason=reason,
        person=_person(material.blocks, facts),
        facts=tuple(facts),
        secrets=secrets,
        directions=tuple(_directions(material.blocks)),
        can_show=any("picture" in block.label for block in material.blocks),
    )


def words_in(text: str) -> frozenset[str]:
    """The stems of a text that carry meaning."""
    return frozenset(short for word in plain(text).split() if (short := root(word)) not in WEAK)


@lru_cache(maxsize=4096)  # every prompt of a conversation tells the same story
def _fact(sentence: str, names: tuple[str, ...]) -> Fact:
    own = as_own_story(sentence, names)
    parts = tuple(_parts(own, sentence))
    return Fact(sentence, own, _topics(sentence), words_in(sentence), parts)


def _parts(own: str, sentence: str) -> Iterator[Part]:
    """Both texts part by part; a part without a verb continues the denial before it: `not in the arm, the neck`."""
    denies = False
    for said, written in zip(PARTS.split(own), PARTS.split(sentence), strict=False):
        words = plain(said)
        denies = bool(NEGATIVE.search(words)) or (denies and bool(LISTED.match(words)) and not VERB.search(words))
        yield Part(said.strip(" ."), _topics(written), denies)


def _topics(text: str) -> frozenset[str]:
    """Every topic with a phrase in a text."""
    words = plain(text)
    return frozenset(phrase.name for phrase in told_phrases() if phrase.pattern.search(words))


def _gives_away(sentence: str, secrets: frozenset[str]) -> bool:
    """Whether a sentence names most of a secret."""
    return bool(secrets) and len(secrets & words_in(sentence)) * 2 > len(secrets)


def _person(blocks: Iterable[Block], facts: Iterable[Fact]) -> dict[str, str]:
    """From the block that states it (`age: 34, sex: female`), else from the story."""
    stated = next((block.text for block in blocks if block.label == "person"), "")
    person = dict(pair.split(": ", 1) for pair in stated.split(", ") if ": " in pair)
    text = " ".join(fact.own for fact in facts)
    age = re.search(r"\b(\d{1,3})[ -]years?[ -]old\b|\baged? (\d{1,3})\b", text)
    job = re.search(r"(?i)\bwork(?:s|ed|ing)? as an? ([a-z]+(?: [a-z]+)?)\b", text)
    if age:
        person.setdefault("age", next(filter(None, age.groups())))
    if job or re.search(r"(?i)\bstud(?:y|ies)\b", text):
        person.setdefault("occupation", job[1] if job else "student")
    sex = _sex(blocks)
    if sex:
        person.setdefault("sex", sex)
    return person


def _sex(blocks: Iterable[Block]) -> str:
    text = " ".join(block.text for block in blocks)
    women = len(re.findall(r"(?i)\b(?:she|her|woman|girl|female|husband)\b", text))
    men = len(re.findall(r"(?i)\b(?:he|his|him|man|boy|male|wife)\b", text))
    return "" if women == men else ("female" if women > men else "male")


def _directions(blocks: Iterable[Block]) -> list[str]:
    lines: list[str] = []
    for block in blocks:
        if MANNER.search(block.lead) and not SECRET.search(block.lead) and "picture" not in block.label:
            parts = (part for line in block.text.splitlines() for part in re.split(r"(?<=[.;])\s+|,\s+", line))
            lines += [part.strip(" -.;") for part in parts if part.strip(" -.;")]
    return lines


def _is_told(block: Block) -> bool:
    """Whether a text is neither a name, nor a secret, nor a direction, nor what a monitor shows."""
    hidden = block.label.endswith(("name", "signs")) or block.label == "person" or block.rows
    return not (hidden or SECRET.search(block.lead) or MANNER.search(block.lead) or "picture" in block.label)


def _is_topic(text: str) -> bool:
    """A few words that are not a sentence."""
    return len(text.split()) <= SHORT and "\n" not in text and text[-1:] not in "!?." and ". " not in text


def _lowered(text: str) -> str:
    first = text.split(" ")[0]
    return text if first.isupper() or first == "I" else text[:1].lower() + text[1:]
