"""Whether somebody has named an illness, or a treatment: by all its names, whatever else shares a word with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from apps.simulation.clinical.diagnoses_data import SAME_ILLNESS, SAME_TREATMENT
from apps.simulation.clinical.words import nearest, stem, tokens

SENTENCE = re.compile(r"[^.?!;\n]+[.?!;\n]*")
CLAUSE = re.compile(r",|\bbut\b|\brather\b|\band not\b")
ADJECTIVES = frozenset(
    map(
        stem,
        "a an the of in to your my his her their acute early late chronic severe mild suspected probable likely "
        "typical uncomplicated left right upper lower inferior anterior posterior stage type with without and or due "
        "at on possible possibly beginning classic clear simple".split(),
    )
)
"""Words of a name that need not be said."""
DENYING = re.compile(
    r"\b(?:not|no|never|nothing|without|unlikely|rule[sd]? out|exclude[sd]?|excluding|isn|doesn|don|aren|against"
    r"|instead)\b"
)
ASKING = re.compile(
    r"^\W*(?:(?:and|so|but|ok|okay|well)\W+)*(?:do|does|did|have|has|had|is there|are there|any|ever|anyone|anybody|"
    r"when|where|what|who|how|why|which)\b",
    re.I,
)
THINKING = re.compile(r"\b(?:think|believe|suspect|diagnos\w+|looks? like|sounds? like|points? to|suggests?)\b", re.I)
OTHERS = re.compile(
    r"\b(?:family|mother|father|brother|sister|parents?|relatives?|history of|ever had|in the past)\b", re.I
)
WINDOW = 3
"""Words that may stand between those of a name."""
LONGEST_GAP = 5
"""Words between a denial and what it denies."""


def known_names(diagnosis: str, accepted: Iterable[str] = ()) -> list[str]:
    """A diagnosis under all its names: those that a case accepts, and those that everybody knows."""
    names = list(dict.fromkeys(filter(None, map(str.strip, (diagnosis, *accepted)))))
    for line in SAME_ILLNESS:
        same = [name.strip() for name in line.split(",")]
        keys = [_key(name) for name in same]
        if any(_is_same(_key(name), key) for name in names for key in keys):
            names += [name for name in same if name not in names]
    return names


def named(texts: Sequence[str], names: Iterable[str]) -> int | None:
    """The position of the last text that says the illness is one of these, None when none does.

    A question about it, another person's illness and a denial say nothing; misspelled names count.
    """
    keys = [key for name in names if (key := _key(name))]
    others = [key for key in ALL_NAMES if any(set(key) > set(own) for own in keys) and key not in keys]
    found = None
    for position, text in enumerate(texts):
        if any(_says(sentence, keys, others) for sentence in SENTENCE.findall(text)):
            found = position
    return found


def points_made(texts: Sequence[str], points: Iterable[str]) -> list[int | None]:
    """For each point of a plan the position of the first text that makes it, None when none does."""
    return [_made(texts, point) for point in points]


def _says(sentence: str, keys: Sequence[tuple[str, ...]], others: Sequence[tuple[str, ...]]) -> bool:
    """`others` are longer names of other illnesses that contain one of `keys`: heat stroke is not a stroke."""
    if OTHERS.search(sentence):
        return False
    if "?" in sentence and ASKING.match(sentence) and not THINKING.search(sentence):
        return False
    return any(
        _stands(clause, key)
        for clause in CLAUSE.split(sentence)
        if not any(_stands(clause, other) for other in others)
        for key in keys
    )


def _stands(clause: str, key: tuple[str, ...]) -> bool:
    """Whether the words of a name stand near each other in a clause, in any order, and are not denied."""
    said = [stem(token) for token in tokens(clause)]
    places = [_place(word, said) for word in key]
    if None in places:
        return False
    at = sorted(place for place in places if place is not None)
    if at[-1] - at[0] > len(key) - 1 + WINDOW:
        return False
    before = " ".join(tokens(clause)[max(0, at[0] - LONGEST_GAP) : at[0]])
    return not DENYING.search(before)


def _place(word: str, said: Sequence[str]) -> int | None:
    if word in said:
        return said.index(word)
    near = next((other for other in said if len(other) > 4 and nearest(other, [word])), None)
    return None if near is None else said.index(near)


@lru_cache(maxsize=4096)  # the known names are compared again and again
def _key(name: str) -> tuple[str, ...]:
    words = [stem(token) for token in tokens(name)]
    return tuple(word for word in words if word not in ADJECTIVES) or tuple(words)


ALL_NAMES = [_key(name) for line in SAME_ILLNESS for name in line.split(",")]


def _is_same(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    return set(first) == set(second)


def _made(texts: Sequence[str], point: str) -> int | None:
    wanted = _ways(point)
    for position, text in enumerate(texts):
        said = " ".join(stem(token) for token in tokens(text))
        if any(re.search(rf"\b{way}\b", said) for way in wanted):
            return position
    return None


def _ways(point: str) -> set[str]:
    """All words for what a point asks for: those of the treatment that it names first, else its own long ones."""
    text = " ".join(stem(token) for token in tokens(point))
    first, ways = len(text), set()
    for line in SAME_TREATMENT:
        words = [" ".join(stem(token) for token in tokens(word)) for word in line.split(",")]
        at = min((match.start() for word in words if (match := re.search(rf"\b{word}\b", text))), default=len(text))
        if at < first:
            first, ways = at, set(words)
    return ways or {word for word in text.split() if len(word) > 5 and word not in ADJECTIVES}
