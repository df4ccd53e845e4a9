"""What somebody says to a patient: its clauses, and for each what it asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from apps.simulation.simulator.phrases import GAP, Hit, Phrase, Speller, compiled, hits, plain
from apps.simulation.simulator.tables import CHAT, ENGLISH, FOREIGN, INTENTS, TOPICS

ASKERS = (
    "do|does|did|are|is|was|were|have|has|had|can|could|would|will|should|may|any|what|when|where|why|how|which|who|"
    "since|tell|describe|show|don't|doesn't|didn't|haven't|isn't|aren't"
)
CLAUSE = re.compile(rf",? \b(?:and|but)\b (?=(?:{ASKERS})\b)|, (?=(?:{ASKERS})\b)", re.I)
CONDITION = re.compile(r"\W*(?:(?:and|but|so|ok|okay|well)\W+)*(?:if|whenever|while|when (?:you|it|i|we))\b", re.I)
"""A sentence that begins so is one question: `If you jump, is it worse?`"""
OPEN = re.compile(
    r"^(?:(?:for|on|at|in|to|from|by|with|about|since|until|of) )?(?:what|when|where|why|how|which|who|whom|whose)\b"
    r"|\b(?:describe|tell|explain|show)\b"
    r"|\b(?:know|remember|say|recall|wonder\w*|ask) (?:me )?(?:what|when|where|why|how|which|who)\b"
)
TAG = re.compile(
    r",\s*(?:(?:do|did|is|are|have|has|was|can|does)(?:n't| not)? (?:you|it|they|there|he|she)|right|yes|no|eh|huh)"
    r"\s*\?+",
    re.I,
)
"""What makes a question of a statement: `You do not smoke, do you?`"""
NEGATED = re.compile(r"\b(?:not|no|never|without|none|neither)\b")
ASIDES = re.compile(
    r"^(?:(?:and|but|so|ok|okay|well|please|hello|hey|right|good morning|good evening|good afternoon|thanks|thank you|"
    r"i see|all right|alright|also|now|then|maybe|um|eh|sorry|just|sir|madam|maam|mr|mrs|ms|miss|yes|no|great|fine|"
    r"got it|understood|next|what about|how about)\b ?)+"
)
CLOSED = re.compile(rf"^(?:{ASKERS.partition('|what|')[0]}|any|ever)\b")
BIDS = re.compile(r"^(?:tell|describe|show|rate|list|explain|point|give|let|say|name|state|repeat|go)\b")
TELLS = re.compile(
    r"^(?:i|we|you|it|this|that|the|they|he|she|there|your|my|our|stay|avoid|keep|take|come|drink|eat|rest|call|use|"
    r"put|try|do not|remember|make sure|be|please)\b"
)

EXPRESSIONS = [(re.compile(rf"\b(?:{pattern.replace(' ..', GAP)})\b"), english) for pattern, english in FOREIGN]


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of what was said, with the topics and the intents found in it, the most telling first."""

    text: str
    """Plain and corrected."""
    asks: bool
    """It ends with a question mark, begins like a question or a request, or only names something."""
    hits: tuple[Hit, ...]

    @property
    def top(self) -> int:
        """The highest tier in it; -1 when nothing was understood."""
        return max((hit.tier for hit in self.hits), default=-1)

    @property
    def is_closed(self) -> bool:
        """Whether yes or no answers it, and not one of two alternatives."""
        return (
            not OPEN.search(ASIDES.sub("", self.text))
            and not re.search(r"\bstill (?:have|got)\b", self.text)
            and not (" or " in self.text and self.top == 3)
        )

    @property
    def is_negated(self) -> bool:
        return bool(NEGATED.search(self.text))

    def named(self, tier: int) -> list[str]:
        """What of this tier it asks for, each once."""
        return list(dict.fromkeys(hit.name for hit in self.hits if hit.tier == tier))


@lru_cache(maxsize=1)
def phrases() -> tuple[Phrase, ...]:
    """All that can be asked for."""
    topics = [phrase for topic in TOPICS.values() for phrase in compiled(topic.label, topic.tier, topic.asks)]
    talk = [phrase for intent in INTENTS.values() for phrase in compiled(intent.name, intent.tier, intent.asks)]
    return (*talk, *topics)


@lru_cache(maxsize=1)
def told_phrases() -> tuple[Phrase, ...]:
    """By which a sentence of a story is known to be about a topic."""
    return tuple(phrase for topic in TOPICS.values() for phrase in compiled(topic.label, 1, topic.tells))


@lru_cache(maxsize=1)
def speller() -> Speller:
    tables = [*(topic.asks for topic in TOPICS.values()), *(topic.tells for topic in TOPICS.values())]
    return Speller([*tables, *(intent.asks for intent in INTENTS.values())], ENGLISH)


def understood(message: str) -> list[Clause]:
    """The clauses of a message."""
    foreign = in_another_language(message)
    return [_clause(part, asks=asks, foreign=foreign) for part, asks in _parts(message)]


def _parts(message: str) -> Sequence[tuple[str, bool]]:
    """Each clause, and whether its sentence ends with a question mark."""
    found: list[tuple[str, bool]] = []
    for sentence in re.findall(r"[^.?!;\n]+[.?!;\n]*", message.replace("/", ", ")):
        sentence = TAG.sub("?", sentence)
        whole = [sentence] if CONDITION.match(sentence) else CLAUSE.split(sentence)
        parts = [part for part in whole if part and plain(part)]
        found += [(part, "?" in sentence and part is parts[-1]) for part in parts]
    return found


def _clause(part: str, *, asks: bool, foreign: bool) -> Clause:
    words = " ".join(CHAT.get(word, word) for word in plain(part).split())
    if foreign:
        for pattern, english in EXPRESSIONS:
            words = pattern.sub(english, words)
    text = words if foreign else speller().corrected(words)
    begins = ASIDES.sub("", text)
    asks = asks or any(pattern.search(begins) for pattern in (CLOSED, OPEN, BIDS))
    found = tuple(hits(text, phrases()))
    names = len(begins.split()) < 6 or any(hit.name in TOPICS and hit.tier > 1 for hit in found)
    return Clause(text, asks or (names and not TELLS.match(begins)), found)


def in_another_language(message: str) -> bool:
    """Whether few words of a message are English, or two are known to be of another language."""
    words = [CHAT.get(word, word) for word in plain(message).split() if word.isalpha()]
    known = sum(word in ENGLISH or " " in word for word in words)
    text = plain(message)
    marked = sum(bool(pattern.search(text)) for pattern, english in EXPRESSIONS if english not in text)
    return len(words) > 1 and 2 * known < len(words) and (marked > 0 or (len(words) > 3 and 4 * known < len(words)))
