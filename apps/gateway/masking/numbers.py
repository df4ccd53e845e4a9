"""Numbers that are written in groups: where they are, and every few groups of one that could be a whole value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

CJK = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Scripts without spaces between words."""
FREE_BEFORE = rf"(?<![^\W{CJK}])"
FREE_AFTER = rf"(?![^\W{CJK}])"
"""Not within a word."""


def begins(kind: str) -> str:
    """The beginning of a pattern: a character of this kind, not within a word. A pattern that begins with a character
    is searched for several times as fast as one that begins with what must not stand before it."""
    return rf"{kind}(?<![^\W{CJK}]{kind})"


DIGIT = begins(r"\d")
GROUP = rf"\d++{FREE_AFTER}"
LINE = re.compile(r"(?<=\d)_(?=\d)")
"""Between digits, where it is what a hyphen is elsewhere."""
RUN = re.compile(rf"{DIGIT}\d*+{FREE_AFTER}(?:[ \n./()-]{{1,3}}{GROUP})*+")
DIGITS = re.compile(r"\d+")
LEAST_DIGITS, MOST_DIGITS = 7, 19
DENSE = re.compile(r"\d(?:[ \n./()-]{0,4}\d){5}")
"""What every number of a telephone, a card or a person contains; searched for first, because it takes little time."""
MOST_GROUPS, MOST_SINGLE = 9, 2
"""Groups of a number, and those of one digit: more make a list."""
ISLAND = re.compile(r"\d++(?:\D{1,40}+\d++)*+")
"""Digits with no more than forty other characters between them, which no number has."""
CONTEXT = 64
"""Characters around digits that what they are depends on."""
LONGEST_WORD = 300
LOOK_BACK = 48
"""Characters before a number in which its name is looked for."""
LEAST_OF_CARD = 13
Span = tuple[int, int]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """Some groups of digits of a text: `text[start:end]` with what is between them."""

    text: str
    start: int
    end: int
    digits: str
    shape: Shape
    """How many digits each group has."""
    is_first: bool
    """Whether no other group stands before it."""
    is_whole: bool
    """Whether no other group stands before or after it."""

    @property
    def written(self) -> str:
        return self.text[self.start : self.end]

    @property
    def is_international(self) -> bool:
        """Whether it is the number after the plus sign of a telephone number."""
        return self.before.rstrip(" (").endswith("+")

    @property
    def before(self) -> str:
        return self.text[max(0, self.start - LOOK_BACK) : self.start]


def islands_in(text: str) -> Iterator[tuple[int, str]]:
    """The parts of a text in which numbers are, with what is around them, from one space to another, and where each
    begins.

    Most of a text has no digits, and the patterns of numbers take a hundred times as long as a search for digits.
    """
    for start, end in _islands(text):
        island = text[start:end]
        yield start, LINE.sub("-", island) if "_" in island else island


def _islands(text: str) -> list[Span]:
    found: list[Span] = []
    for match in ISLAND.finditer(text):
        before, after = match.start() - CONTEXT, match.end() + CONTEXT
        start = _space_before(text, before) if before > 0 else 0
        end = _space_after(text, after) if after < len(text) else len(text)
        if start is None or end is None:  # a script without spaces, or one long word
            return [(0, len(text))]
        if found and start < found[-1][1]:
            start = found.pop()[0]
        found.append((start, end))
    return found


def _space_before(text: str, place: int) -> int | None:
    least = max(0, place - LONGEST_WORD)
    found = max(text.rfind(space, least, place) for space in " \n")
    return found if found >= 0 else None if least else 0


def _space_after(text: str, place: int) -> int | None:
    most = min(len(text), place + LONGEST_WORD)
    found = min((at for at in (text.find(space, place, most) for space in " \n") if at >= 0), default=-1)
    return found + 1 if found >= 0 else None if most < len(text) else most


def numbers_in(text: str, shapes: frozenset[Shape]) -> Iterator[Number]:
    """The numbers of 7 to 19 digits that neighbouring groups could be, longest first from each place: those with one of
    these shapes, of one group, at the beginning of a run, or written as cards are. Linear in the text's length."""
    for run in RUN.finditer(text):
        groups = [match.span() for match in DIGITS.finditer(text, *run.span())]
        for first in range(len(groups)):
            yield from reversed(list(_from(text, groups, first, shapes)))


def _from(text: str, groups: list[Span], first: int, shapes: frozenset[Shape]) -> Iterator[Number]:
    total, single = 0, 0
    shape: Shape = ()
    for last in range(first, min(first + MOST_GROUPS, len(groups))):
        size = groups[last][1] - groups[last][0]
        total, shape, single = total + size, (*shape, size), single + (size == 1)
        if total > MOST_DIGITS or single > MOST_SINGLE:
            return
        if total >= LEAST_DIGITS and (first == 0 or len(shape) == 1 or shape in shapes or _is_card_like(shape, total)):
            digits = "".join(text[start:end] for start, end in groups[first : last + 1])
            ends = (first == 0, first == 0 and last == len(groups) - 1)
            yield Number(text, groups[first][0], groups[last][1], digits, shape, *ends)


def _is_card_like(shape: Shape, total: int) -> bool:
    return total >= LEAST_OF_CARD and shape[0] >= 4 and min(shape[:-1]) >= 3
