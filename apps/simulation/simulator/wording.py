"""What somebody says, in plain words: short forms written out, expressions of everyday speech and jargon replaced."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from apps.simulation.simulator.phrases import Phrase, compiled, plain
from apps.simulation.simulator.tables import CHAT, IDIOMS


class Idioms(NamedTuple):
    """Expressions of several words as patterns, the longest first, and single words."""

    patterns: tuple[tuple[re.Pattern[str], str], ...]
    by_word: dict[str, list[int]]
    """Which patterns may begin with a word, as positions in `patterns`."""
    by_beginning: tuple[tuple[str, int], ...]
    """Which may begin with a word that begins so."""
    words: dict[str, str]


def written_out(text: str) -> str:
    """Plain, with chat abbreviations written out: `wat meds r u on` → `what medicines are you on`."""
    return " ".join(CHAT.get(word, word) for word in plain(text).split())


def in_plain_words(text: str) -> str:
    """A plain text with its idioms replaced: `off to the loo` → `off to the toilet`."""
    idioms = _idioms()
    text = _replaced(text, idioms)
    simpler = " ".join(idioms.words.get(word, word) for word in text.split())
    return simpler if simpler == text else _replaced(simpler, idioms)


def _replaced(text: str, idioms: Idioms) -> str:
    words = text.split()
    possible = {position for word in words for position in idioms.by_word.get(word, ())}
    padded = f" {text}"
    possible.update(position for beginning, position in idioms.by_beginning if beginning in padded)
    for position in sorted(possible):
        pattern, meaning = idioms.patterns[position]
        text = pattern.sub(meaning, text)
    return text


@lru_cache(maxsize=1)
def _idioms() -> Idioms:
    listed: list[tuple[str, Phrase]] = []
    words: dict[str, str] = {}
    for meaning, expressions in IDIOMS:
        for expression in expressions.split(";"):
            for each in filter(None, _alternatives(expression.strip())):
                if each.isalnum():
                    words.setdefault(each, meaning)
                else:
                    listed.append((each, compiled(meaning, 0, each)[0]))
    listed.sort(key=lambda pair: -pair[1].words)
    by_word: dict[str, list[int]] = {}
    by_beginning: list[tuple[str, int]] = []
    for position, (expression, _) in enumerate(listed):
        for first in expression.split(" ")[0].split("|"):
            if re.fullmatch("[a-z0-9_]+", first):
                by_word.setdefault(first.partition("_")[0], []).append(position)
            else:
                by_beginning.append((f" {re.split('[*?]', first)[0]}", position))
    return Idioms(tuple((phrase.pattern, phrase.name) for _, phrase in listed), by_word, tuple(by_beginning), words)


@lru_cache(maxsize=1)
def idiom_words() -> str:
    """All words of idioms and of their meanings, which are not corrected."""
    return " ".join(f"{meaning} {expressions.replace('_', ' ')}" for meaning, expressions in IDIOMS)


def _alternatives(expression: str) -> list[str]:
    """`a|b_c` → `a`, `b c`; what has several words in it stays as it is."""
    return [expression] if " " in expression else [each.replace("_", " ") for each in expression.split("|")]
