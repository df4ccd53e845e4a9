"""Words in a form in which spellings of the same word are equal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

TOKEN = re.compile(r"[a-z0-9]+")
QUOTES = str.maketrans(dict.fromkeys("\u2018\u2019\u00b4`", "'"))
POSSESSIVE = re.compile(r"(?<=\w)'s?\b")
SHORT = 3
"""Words of at most so many letters stay as they are: abbreviations are not inflected."""
KEPT = frozenset({"bloods"})
"""Plurals that mean something else."""


def folded(text: str) -> str:
    """In lower case, without accents, with plain quotes: `Röntgen` → `rontgen`, `ß` → `ss`."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(QUOTES).replace("&", " and "))
    return "".join(character for character in plain if not unicodedata.combining(character))


def tokens(text: str) -> list[str]:
    """The words and numbers of a text, folded."""
    return TOKEN.findall(POSSESSIVE.sub("", folded(text)))


def stem(word: str) -> str:
    """A folded word without plural, and spelled one way: `haemoglobins` → `hemoglobin`, `kreatinin` → `creatinin`."""
    spelled = word.replace("k", "c")
    if len(spelled) <= SHORT or word in KEPT:
        return spelled
    spelled = spelled.replace("ae", "e").replace("oe", "e").replace("ph", "f").replace("yz", "ys").replace("ize", "ise")
    if spelled.endswith("s") and not spelled.endswith(("ss", "us", "is")):
        spelled = spelled[:-1]
    return spelled.rstrip("e") if len(spelled) > SHORT else spelled


def stems(text: str) -> list[str]:
    """The stems of a text's words, in order."""
    return [stem(token) for token in tokens(text)]


def distance(first: str, second: str, most: int) -> int:
    """Letters to add, leave out, change or swap to get from one to the other; `most + 1` when it takes more."""
    if abs(len(first) - len(second)) > most:
        return most + 1
    before, row = [0] * (len(second) + 1), list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        before, row, earlier = row, [i] + [0] * len(second), before
        for j, other in enumerate(second, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == second[j - 2] and first[i - 2] == other:
                row[j] = min(row[j], earlier[j - 2] + 1)
        if min(row) > most:
            return most + 1
    return row[-1]


def allowed_errors(word: str) -> int:
    """How many letters of a word may be wrong: none of a short one."""
    return 0 if len(word) < 5 else 1 if len(word) < 8 else 2


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that this one misspells; None when none is near, or two are equally near."""
    most = allowed_errors(word)
    found: list[tuple[int, str]] = []
    for each in known if most else ():
        away = distance(word, each, min(most, allowed_errors(each)))
        if away <= min(most, allowed_errors(each)):
            found.append((away, each))
    found.sort()
    if not found or (len(found) > 1 and found[0][0] == found[1][0]):
        return None
    return found[0][1]
