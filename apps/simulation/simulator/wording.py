"""What somebody says, in plain words: short forms written out, expressions of everyday speech and jargon replaced."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from apps.simulation.simulator.phrases import compiled, plain
from apps.simulation.simulator.tables import CHAT, IDIOMS


class Idioms(NamedTuple):
    """Expressions of several words as patterns, the longest first, and single words."""

    patterns: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...]
    """With how their first word may begin, which is looked for before the pattern."""
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
    for beginnings, pattern, meaning in idioms.patterns:
        padded = f" {text}"
        if any(beginning in padded for beginning in beginnings):
            text = pattern.sub(meaning, text)
    return text


@lru_cache(maxsize=1)
def _idioms() -> Idioms:
    patterns: list[tuple[int, tuple[str, ...], re.Pattern[str], str]] = []
    words: dict[str, str] = {}
    for meaning, expressions in IDIOMS:
        for expression in expressions.split(";"):
            for each in _alternatives(expression.strip()):
                if each.isalnum():
                    words.setdefault(each, meaning)
                elif each:
                    phrase = compiled(meaning, 0, each)[0]
                    first = each.split(" ")[0].replace("_", " ")
                    beginnings = tuple(f" {word.partition('*')[0]}" for word in first.split("|"))
                    patterns.append((-phrase.words, beginnings, phrase.pattern, meaning))
    patterns.sort(key=lambda row: row[0])
    return Idioms(tuple(row[1:] for row in patterns), words)


@lru_cache(maxsize=1)
def idiom_words() -> str:
    """All words of idioms and of their meanings, which are not corrected."""
    return " ".join(f"{meaning} {expressions.replace('_', ' ')}" for meaning, expressions in IDIOMS)


def _alternatives(expression: str) -> list[str]:
    """`a|b_c` → `a`, `b c`; what has several words in it stays as it is."""
    return [expression] if " " in expression else [each.replace("_", " ") for each in expression.split("|")]
