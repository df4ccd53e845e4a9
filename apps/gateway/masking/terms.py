"""Finds names and addresses that a key's policy lists, whatever their case, their accents, and the signs between their
words."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from functools import cache, lru_cache

from apps.gateway.masking.numbers import CJK

WIDEST_GAP = 3
"""Characters between two words of one term."""
UNSPACED = re.compile(f"[{CJK}]")
Words = tuple[str, ...]


@cache
def _word() -> re.Pattern[str]:
    """Letters and digits, with the marks that belong to them, which `\\w` leaves out."""
    marks = "".join(sign for sign in map(chr, range(0x300, 0x10000)) if unicodedata.category(sign).startswith("M"))
    return re.compile(f"(?:[^\\W_]|[{marks}])+")


@lru_cache(maxsize=64)
def _by_first_word(terms: tuple[str, ...]) -> dict[str, list[Words]]:
    """The terms' words by the first one, longest terms first."""
    table: defaultdict[str, list[Words]] = defaultdict(list)
    for words in sorted({tuple(words_of(term)) for term in terms if not UNSPACED.search(term)}, key=len, reverse=True):
        if words:
            table[words[0]].append(words)
    return dict(table)


@lru_cache(maxsize=64)
def _unspaced(terms: tuple[str, ...]) -> re.Pattern[str] | None:
    """Those in scripts without spaces between words, wherever they stand; None when there are none."""
    found = ("".join(_word().findall(unicodedata.normalize("NFC", term))) for term in terms if UNSPACED.search(term))
    patterns = [r"[\s.]?".join(map(re.escape, term)) for term in sorted(found, key=len, reverse=True)]
    return re.compile("|".join(patterns), re.IGNORECASE) if patterns else None


def words_of(term: str) -> list[str]:
    return [_folded(match[0]) for match in _word().finditer(term)]


def _folded(word: str) -> str:
    """In one case, without accents."""
    if word.isascii():
        return word.casefold()
    letters = unicodedata.normalize("NFKD", word)
    return unicodedata.normalize("NFC", "".join(each for each in letters if not unicodedata.combining(each))).casefold()


def terms_in(text: str, terms: tuple[str, ...]) -> Iterator[tuple[int, int, bool]]:
    """Where terms are in a plain text, and whether the term has digits, as addresses have."""
    unspaced = _unspaced(terms)
    for match in unspaced.finditer(text) if unspaced is not None else ():
        yield *match.span(), any(map(str.isdigit, match[0]))
    table = _by_first_word(terms)
    if not table:
        return
    found = [(match.start(), match.end(), _folded(match[0])) for match in _word().finditer(text)]
    for place, (start, _, first) in enumerate(found):
        for words in table.get(first, ()):
            there = found[place : place + len(words)]
            if tuple(word for *_, word in there) == words and _are_neighbours(there):
                yield start, there[-1][1], any(map(str.isdigit, "".join(words)))
                break


def _are_neighbours(words: list[tuple[int, int, str]]) -> bool:
    return all(after[0] - before[1] <= WIDEST_GAP for before, after in itertools.pairwise(words))
