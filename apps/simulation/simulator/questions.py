"""What somebody says to a patient: its clauses, and for each what it asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from apps.simulation.simulator.examples import Guess, examples, labelled_texts
from apps.simulation.simulator.leading import leads
from apps.simulation.simulator.phrases import FIRST, GAP, Hit, Phrase, Speller, compiled, hits, plain
from apps.simulation.simulator.tables import CHAT, ENGLISH, FOREIGN, INTENTS, TOPICS, Intent, Topic
from apps.simulation.simulator.wording import idiom_words, in_plain_words, written_out

ASKERS = (
    "do|does|did|are|is|was|were|have|has|had|can|could|would|will|should|may|any|what|when|where|why|how|which|who|"
    "since|tell|describe|show|don't|doesn't|didn't|haven't|isn't|aren't"
)
CLAUSE = re.compile(
    rf",? \b(?:and|but)\b (?=(?:{ASKERS})\b)|, (?=(?:{ASKERS})\b)"
    r"|,? \bor (?=(?:have|had|are|is|do|did|has) (?:you|your|there|anyone|anybody|any)\b)",
    re.I,
)
CONDITION = re.compile(r"\W*(?:(?:and|but|so|ok|okay|well)\W+)*(?:if|whenever|while|when (?:you|it|i|we))\b", re.I)
"""A sentence that begins so is one question: `If you jump, is it worse?`"""
OPEN = re.compile(
    r"^(?:(?:for|on|at|in|to|from|by|with|about|since|until|of) )?(?:what|when|where|why|how|which|who|whom|whose)\b"
    r"|\b(?:describe|tell|explain|show)\b"
    r"|\b(?:know|remember|say|recall|wonder\w*|ask) (?:me )?(?:what|when|where|why|how|which|who)\b"
)
ASKING = re.compile(r"\b(?:what|when|where|why|how|which|who|whose)\b")
TAG = re.compile(
    r",\s*(?:(?:do|did|is|are|have|has|was|can|does)(?:n't| not)? (?:you|it|they|there|he|she)|right|yes|no|eh|huh)"
    r"\s*\?+",
    re.I,
)
"""What makes a question of a statement: `You do not smoke, do you?`"""
NEGATED = re.compile(r"\b(?:not|no|never|without(?! \w+ing)|none|neither)\b")
ASIDES = re.compile(
    r"^(?:(?:and|but|so|ok|okay|well|please|hello|hey|right|good morning|good evening|good afternoon|thanks|thank you|"
    r"i see|all right|alright|also|now|then|maybe|um|eh|sorry|just|sir|madam|maam|mr|mrs|ms|miss|yes|no|great|fine|"
    r"got it|understood|next|what about|how about)\b ?)+"
)
CLOSED = re.compile(rf"^(?!do not (?!you\b))(?:{ASKERS.partition('|what|')[0]}|any|ever)\b")
BIDS = re.compile(r"^(?:tell|describe|show|rate|list|explain|point|give|let|say|name|state|repeat|go)\b")
TELLS = re.compile(
    r"^(?:you (?:are|were|have|need|will|would|can|could|may|might|must|should|did|do|look|sound|seem|said|told|"
    r"mentioned|get|probably|just|also|poor|both|all|really|know|see)|i|we|it|this|that|the|they|he|she|there|your|my|our|stay|avoid|keep|"
    r"take|come|drink|eat|rest|call|use|"
    r"put|try|do not|remember|make sure|be|please)\b"
)

FRAGMENT = re.compile(
    r"(?:and |but |so |ok |okay |right |now |what about |how about )*"
    r"(?:your|the|with|about|since|besides|apart from|during|after|before|at|in|on|as for|any|other than)\b"
    r"(?: (?!am|is|are|was|were|has|have|do|does|did|can|will)\w+){1,5}$"
)
"""A few words without a verb."""
SUGGESTED = 0.38
"""From here on the examples count where no phrase was found."""
PHRASED = (0.1, 0.15, 0.28, 0.4)
"""How much a phrase of none, one, two, or more words counts beside the nearness of examples."""
RIVALS = 0.85
"""The share of the strength of a suggestion that phrases need to count beside it."""
CLOSE = 0.5
"""From here on examples suggest a topic beside one that it leads, or beside another one of a list."""
LED = 0.7
"""The share of the strength of a phrase that a suggested topic needs to lead the topic of the phrase."""
LISTING = 0.7
"""The share of the nearness of the best that another one of a list needs."""
STRAY = 0.62
"""Phrases of less than this share of the strongest were not meant."""
EXPRESSIONS = [(re.compile(rf"\b(?:{pattern.replace(' ..', GAP)})\b"), english) for pattern, english in FOREIGN]


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of what was said, with the topics and the intents found in it, the most telling first."""

    text: str
    """Plain and corrected."""
    meaning: str
    """The same without idioms and jargon."""
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
        begins = ASIDES.sub("", self.text)
        if OPEN.search(begins) or re.search(r"\bstill (?:have|got)\b", self.text):
            return False
        return bool(CLOSED.search(begins)) or not ASKING.search(begins)

    @property
    def is_put_as_question(self) -> bool:
        """Whether it begins as a question for yes or no, and does not only name something."""
        return bool(CLOSED.search(ASIDES.sub("", self.text)))

    @property
    def is_negated(self) -> bool:
        return bool(NEGATED.search(self.text))

    def without(self, names: frozenset[str]) -> Clause:
        """The same without some topics, unless it names nothing else."""
        left = tuple(hit for hit in self.hits if hit.name not in names)
        return replace(self, hits=left) if left else self

    def named(self, tier: int) -> list[str]:
        """What of this tier it asks for, each once."""
        return list(dict.fromkeys(hit.name for hit in self.hits if hit.tier == tier))


@lru_cache(maxsize=1)
def phrases() -> tuple[Phrase, ...]:
    """All that can be asked for."""
    named: list[tuple[str, Topic | Intent]] = [*INTENTS.items(), *TOPICS.items()]
    told = [phrase for name, each in named for phrase in compiled(name, each.tier, each.asks, yields=each.yields)]
    topics = TOPICS.values()
    hints = [phrase for topic in topics for phrase in compiled(topic.label, topic.tier, topic.hints, is_hint=True)]
    return (*told, *hints)


@lru_cache(maxsize=1)
def asked_phrases() -> tuple[Phrase, ...]:
    """What a question can be about: all that is not only stated."""
    return tuple(each for each in phrases() if each.name not in INTENTS or not INTENTS[each.name].is_statement)


@lru_cache(maxsize=1)
def told_phrases() -> tuple[Phrase, ...]:
    """By which a sentence of a story is known to be about a topic."""
    return tuple(phrase for topic in TOPICS.values() for phrase in compiled(topic.label, 1, topic.tells))


@lru_cache(maxsize=1)
def speller() -> Speller:
    tables = [*(topic.asks for topic in TOPICS.values()), *(topic.tells for topic in TOPICS.values())]
    said = [plain(text.replace("_", " ")) for texts in labelled_texts().values() for text in texts]
    return Speller([*tables, *(intent.asks for intent in INTENTS.values()), *said, idiom_words()], ENGLISH)


@lru_cache(maxsize=512)
def understood(message: str) -> tuple[Clause, ...]:
    """The clauses of a message."""
    foreign = in_another_language(message)
    return tuple(_clause(part, asks=asks, foreign=foreign) for part, asks in _parts(message))


def _parts(message: str) -> Sequence[tuple[str, bool]]:
    """Each clause, and whether its sentence ends with a question mark."""
    found: list[tuple[str, bool]] = []
    for sentence in re.findall(r"[^.?!;\n]+[.?!;\n]*", message.replace("/", ", ")):
        sentence = TAG.sub("?", sentence)
        whole = [sentence] if CONDITION.match(sentence) else CLAUSE.split(sentence)
        parts = _joined([part for part in whole if part and plain(part)])
        found += [(part, "?" in sentence and (part is parts[-1] or _names(part))) for part in parts]
    return found


def _names(part: str) -> bool:
    """Whether a part only names something: `The two beers a night, or do you have more?`"""
    return not TELLS.match(ASIDES.sub("", plain(part))) and len(part.split()) < 9


def _joined(parts: Sequence[str]) -> list[str]:
    """The parts of a sentence; what only names something belongs to what follows: `And the waterworks, any burning?`"""
    joined: list[str] = []
    for part in parts:
        if joined and FRAGMENT.match(plain(joined[-1])):
            joined[-1] = f"{joined[-1]} {part}"
        else:
            joined.append(part)
    return joined


NOISE = re.compile(
    r"\b(?:before anything else|first of all|to (?:start|begin) with|by the way|at all|for me|(?:that )?you know of|"
    r"(?:that )?you are aware of|(?:on|along) the way (?:in|here)|would you say|do you find that|do you happen to|"
    r"(?:would|do) you mind (?:telling|showing|explaining to) (?:me|us)(?= what| where| when| how)|"
    r"(?:can|could|would) you (?:please )?tell (?:me|us)(?: please)? (?=if|whether|when|where|what|how|who|which|why)|"
    r"do you (?:know|remember|recall) (?=if|whether)|(?:i|we) (?:hear|gather|understand|see) (?:that )?(?=you)|"
    r"if you do not mind(?: me asking)?|if i may ask|roughly|exactly|approximately|please|a bit|"
    r"would you (?:describe|call|consider|class) yourself (?:as )?(?:an? )?|"
    r"^(?:sir|madam|maam|mate|buddy|pal|love|dear|darling|duck|chuck|hen|champ|sweetheart|honey|mister|man|guys)(?= )|"
    r"(?:sir|madam|maam|mate|buddy|pal|love|dear|darling|duck|chuck|hen|champ|sweetheart|mister|then|innit|eh)$|"
    r"just out of interest|as well|actually|really|quite|particularly|in particular|specifically|kindly) ?\b"
)
"""What does not change what is asked."""


def _clause(part: str, *, asks: bool, foreign: bool) -> Clause:
    words = written_out(part)
    if foreign:
        for pattern, english in EXPRESSIONS:
            words = pattern.sub(english, words)
    text = NOISE.sub(" ", words if foreign else speller().corrected(words)).strip()
    begins = ASIDES.sub("", text)
    asks = asks or any(pattern.search(begins) for pattern in (CLOSED, OPEN, BIDS))
    is_question = any(pattern.search(begins) for pattern in (CLOSED, OPEN, BIDS)) or asks
    meaning = in_plain_words(text)
    guesses = [guess for guess in examples().guesses(meaning) if not (is_question and _is_statement(guess.name))]
    found = weighed(text, hits(text, asked_phrases() if is_question else phrases()), guesses)
    names = len(begins.split()) < 6 or any(hit.name in TOPICS and hit.tier > 1 for hit in found)
    states = TELLS.match(begins) or any(hit.name in INTENTS and INTENTS[hit.name].is_statement for hit in found)
    return Clause(text, meaning, asks or (names and not states), found)


def _is_statement(name: str) -> bool:
    return name in INTENTS and INTENTS[name].is_statement


def weighed(text: str, found: Sequence[Hit], guesses: Sequence[Guess]) -> tuple[Hit, ...]:
    """What phrases found and what the examples suggest: the one corrects the other."""
    nearness = {guess.name: guess.nearness for guess in guesses}

    def strength(hit: Hit) -> float:
        parts = TOPICS[hit.name].parts if hit.name in TOPICS else ()
        near = max(nearness.get(name, 0.0) for name in (hit.name, *parts))
        return PHRASED[min(hit.words, len(PHRASED) - 1)] + near

    named = {name for hit in found for name in (hit.name, *(TOPICS[hit.name].parts if hit.name in TOPICS else ()))}
    strongest = max((strength(hit) for hit in found if hit.tier >= 2), default=0.0)
    best = guesses[0] if guesses else Guess("", 0.0)
    suggests = best.nearness >= max(SUGGESTED, strongest) and best.name not in named
    least = RIVALS * best.nearness if suggests else STRAY * strongest
    led = any(leads(best.name, hit.name) and best.nearness >= max(CLOSE, LED * strength(hit)) for hit in found)
    added = [best.name] if suggests or (led and best.name not in named) else []
    if best.name in TOPICS and re.search(r" (?:and|or|nor|plus) ", text):
        near = [guess.name for guess in guesses[1:3] if guess.nearness >= max(CLOSE, LISTING * best.nearness)]
        added += [name for name in near if name in TOPICS and name not in named]
    suggested = [Hit(name, (TOPICS.get(name) or INTENTS[name]).tier, (), strength=nearness[name]) for name in added]
    weighted = [hit._replace(strength=strength(hit)) for hit in found]
    kept = [hit for hit in weighted if hit.tier in {0, FIRST} or hit.strength >= least]
    return (*kept, *suggested)


def in_another_language(message: str) -> bool:
    """Whether few words of a message are English, or two are known to be of another language."""
    words = [CHAT.get(word, word) for word in plain(message).split() if word.isalpha()]
    known = sum(word in ENGLISH or " " in word or speller().knows(word) for word in words)
    text = plain(message)
    marked = sum(bool(pattern.search(text)) for pattern, english in EXPRESSIONS if english not in text)
    return len(words) > 1 and 2 * known < len(words) and (marked > 0 or (len(words) > 3 and 4 * known < len(words)))
