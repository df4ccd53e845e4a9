"""Phrases of the tables as patterns, and text in the form in which they are looked for.

A phrase is a few words: `a|b` are alternatives, `word*` begins so, `..` stands for up to three words, `s?` may be
missing, `_` is a blank. Phrases are divided by semicolons. Of several that match the same words the one that says most
counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from apps.simulation.clinical.words import distance, folded

SHORT_FORMS: tuple[tuple[str, str], ...] = (
    (r"\b(ca|wo|sha)n't\b", r"\1n not"),
    (r"n't\b", " not"),
    (r"\b(what|that|it|he|she|who|where|when|how|there|here|everything)'s\b", r"\1 is"),
    (r"(?<=ing)'s\b", " is"),
    (r"'re\b", " are"),
    (r"'ve\b", " have"),
    (r"'ll\b", " will"),
    (r"'d\b", " would"),
    (r"\bi'm\b", "i am"),
    (r"\bcannot\b", "can not"),
)
GAP = r"((?: \w+){0,3})"
"""A group: what stands in it is not part of what the phrase says."""
WORD_END = r"\w*"
FIRST = 4


@dataclass(frozen=True, slots=True)
class Phrase:
    """A compiled phrase: what it stands for, and how much it says."""

    name: str
    tier: int
    pattern: re.Pattern[str]
    words: int
    """Whoever yields counts for a word less."""
    is_hint: bool


class Hit(NamedTuple):
    """A phrase that was found, and the stretches of text that its own words cover."""

    name: str
    tier: int
    covers: tuple[tuple[int, int], ...]
    is_hint: bool = False
    """Whether the words may well be said of something else: `at home` says little about who lives there."""
    words: int = 1
    """How much it says."""
    strength: float = 0.0
    """The same, with how near the examples are that say so."""

    def overlaps(self, other: Hit) -> bool:
        return any(start < end and begin < stop for start, stop in self.covers for begin, end in other.covers)


def plain(text: str) -> str:
    """Folded words with single blanks, short forms written out, without punctuation."""
    spelled = folded(text)
    for short, written in SHORT_FORMS:
        spelled = re.sub(short, written, spelled)
    return " ".join(re.findall(r"[a-z0-9]+", spelled.replace("'", "")))


def compiled(name: str, tier: int, phrases: str, *, yields: bool = False, is_hint: bool = False) -> list[Phrase]:
    """The phrases of one line of a table."""
    found = (_phrase(name, tier, each.split()) for each in phrases.split(";") if each.strip())
    return [replace(phrase, words=phrase.words - (yields or is_hint), is_hint=is_hint) for phrase in found]


def _phrase(name: str, tier: int, words: list[str]) -> Phrase:
    pattern = ""
    if any("" in word.split("|") for word in words):
        raise ValueError(f"{name}: an empty alternative in {' '.join(words)!r} would match everything.")
    for word in words:
        if word == "..":
            pattern += GAP
        elif re.fullmatch(r"\w\?", word):
            pattern += f"(?: {word[0]})?"
        else:
            alternatives = word.replace("_", " ").replace("*", WORD_END)
            pattern += f"{' ' if pattern else ''}(?:{alternatives})"
    return Phrase(name, tier, re.compile(rf"\b{pattern}\b"), sum(word != ".." for word in words), False)


def hits(text: str, phrases: Iterable[Phrase]) -> list[Hit]:
    """What is found in a plain text, in order.

    Where phrases overlap, the one of more words counts, then the higher tier; the tier FIRST comes before all others.
    """
    found = [
        (
            (phrase.tier == FIRST, phrase.words, phrase.tier, match.end() - match.start()),
            Hit(phrase.name, phrase.tier, _covered(match), phrase.is_hint, phrase.words),
        )
        for phrase in phrases
        for match in phrase.pattern.finditer(text)
    ]
    taken: list[Hit] = []
    for _, hit in sorted(found, reverse=True):
        if not any(hit.overlaps(other) for other in taken):
            taken.append(hit)
    return sorted(taken, key=lambda hit: hit.covers)


def _covered(match: re.Match[str]) -> tuple[tuple[int, int], ...]:
    """A match without its gaps."""
    edges = [match.start(), *(edge for gap in range(1, match.re.groups + 1) for edge in match.span(gap)), match.end()]
    return tuple(zip(edges[::2], edges[1::2], strict=True))


def says(text: str, words: str) -> bool:
    """Whether one of these phrases is in a text."""
    return any(phrase.pattern.search(plain(text)) for phrase in _once(words))


@lru_cache(maxsize=512)
def _once(words: str) -> tuple[Phrase, ...]:
    return tuple(compiled("", 0, words))


def literals(phrases: str) -> Iterator[tuple[str, bool]]:
    """The words of phrases, and whether each is only the beginning of a word."""
    for word in re.findall(r"[a-z][a-z?*]*", phrases):
        if "?" not in word and "*" not in word.removesuffix("*"):
            yield word.removesuffix("*"), word.endswith("*")


class Speller:
    """Corrects words that are a letter or two off a word that is known."""

    def __init__(self, tables: Iterable[str], known: Iterable[str]) -> None:
        listed = [pair for table in tables for pair in literals(table)]
        self._known = {word for word, _ in listed} | set(known)
        self._beginnings = tuple(sorted({word for word, is_begin in listed if is_begin and len(word) > 2}))
        self._wanted = sorted({word for word, is_begin in listed if not is_begin and len(word) > 3})
        self._wanted_beginnings = [word for word in self._beginnings if len(word) > 4]

    def corrected(self, text: str) -> str:
        """A plain text with its misspelled words replaced."""
        return " ".join(self._word(word) for word in text.split())

    def knows(self, word: str) -> bool:
        return word in self._known or _singular(word) in self._known

    def _word(self, word: str) -> str:
        if len(word) < 4 or not word.isalpha() or word in self._known or word.startswith(self._beginnings):
            return word
        if _singular(word) in self._known:
            return word
        near = []
        for other in self._wanted:
            swapped = (
                len(word) < 6 and len(word) == len(other) and sorted(word) != sorted(other)
            )  # more likely another word
            if (
                other[0] == word[0]
                and not swapped
                and (away := distance(word, other, _errors(other))) <= _errors(other)
            ):
                near.append((away, 0, other))
        for begin in self._wanted_beginnings:
            if begin[0] == word[0]:
                near += self._with_beginning(word, begin)
        best = min((each for each in near if each[0] <= _errors(word)), default=None)
        return best[2] if best else word

    @staticmethod
    def _with_beginning(word: str, begin: str) -> Iterator[tuple[int, int, str]]:
        most = _errors(begin)
        for size in (len(begin), len(begin) + 1, len(begin) - 1):
            away = distance(word[:size], begin, most) if size <= len(word) else most + 1
            if away <= most:
                yield away, 1, begin + word[size:]


def _errors(word: str) -> int:
    """How many letters of a word may be wrong."""
    return 1 if len(word) < 8 else 2


def _singular(word: str) -> str:
    return word[:-2] if word.endswith("es") else word.removesuffix("s")
