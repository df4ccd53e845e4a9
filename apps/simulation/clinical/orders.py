"""What an order asks for, and which of a case's findings answer it.

An order is what somebody types: `CRP, FBC + trop please`, `C reactive protein`, `ultrasound of the belly`. Known
phrases are looked up longest first; what is left is compared letter by letter, so that a typing error
still finds its test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from apps.simulation.clinical.vocabulary import (
    EXAMINE,
    EXAMINE_ALL,
    EXAMS,
    HOW,
    IGNORED,
    LONGEST,
    MEMBERS,
    ORDERS,
    SPECIMENS,
    TREATING,
    WHERE,
    WHOLE_PHRASES,
    Concept,
    joined,
)
from apps.simulation.clinical.words import nearest, stem, tokens

PART = re.compile(r"[,;/+|•\n]|\band\b|\bund\b|\bet\b|\bplus\b|&")
Lookup = dict[str, Concept]


@dataclass(slots=True)
class Part:
    """A piece of an order between separators. What was recognized is taken out of `left`."""

    text: str
    words: list[str]
    left: list[str | None] = field(default_factory=list)
    found: list[Concept] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = list(self.words)

    @property
    def unread(self) -> list[str]:
        """The stems that mean something but were not recognized."""
        return [word for word in self.left if word is not None and word not in IGNORED]


def read_order(text: str, known: Lookup | None = None) -> list[tuple[str, list[Concept]]]:
    """Each thing that is ordered, as it was written, with what it means; with nothing when that is not known.

    `known` are phrases besides those of the catalogue.
    """
    lookup = ORDERS | (known or {})
    whole = lookup.get(joined(map(stem, tokens(text))))
    if whole is not None:
        return [(text.strip(), [whole])]
    parts = [
        Part(piece.strip(), [stem(token) for token in tokens(piece)])
        for piece in PART.split(_with_plain_and(text))
        if tokens(piece)
    ]
    return list(_meanings(_together(parts, lookup), lookup))


def _with_plain_and(text: str) -> str:
    return text.replace("&", " and ")


def _together(parts: list[Part], lookup: Lookup) -> list[Part]:
    """Parts that are one phrase (`U & E`, `PT/INR`), or one image of several regions, joined again."""
    merged: list[Part] = []
    for part in parts:
        before = merged[-1] if merged else None
        if before is not None:
            one = joined(before.words + part.words)
            regions_only = all(word in IGNORED or word in WHERE for word in part.words)
            if one in lookup or (regions_only and _modality(before.words) and not _tests_in(part, lookup)):
                merged[-1] = Part(f"{before.text} {part.text}", before.words + part.words)
                continue
        merged.append(part)
    return merged


def _meanings(parts: Sequence[Part], lookup: Lookup) -> Iterator[tuple[str, list[Concept]]]:
    for part in parts:
        _read(part, lookup)
        if any(word in TREATING for word in part.words) or _is_of_another_specimen(part):
            yield part.text, []
        elif part.found or part.unread:
            yield part.text, list(dict.fromkeys(part.found))


def _is_of_another_specimen(part: Part) -> bool:
    """A test of the blood was recognized, but it is asked for in something else."""
    return any(word in SPECIMENS for word in part.unread) and not any(each.kind == "exam" for each in part.found)


def _read(part: Part, lookup: Lookup) -> None:
    joined_words = joined(part.words)
    if joined_words in EXAMINE_ALL:
        part.found.append(Concept("exam", ""))
        part.left = []
        return
    _take(part, lookup, shortest=2)
    _take_image(part)
    _take(part, lookup, shortest=1)
    if not part.found or any(word in EXAMINE for word in part.words):
        _take_exam(part)
    if not part.found:
        _take_misspelled(part, lookup)


def _take(part: Part, lookup: Lookup, *, shortest: int) -> None:
    """Take out every phrase of at least `shortest` words that is known, the longest first."""
    for start, size in _spans(part, shortest):
        piece = part.left[start : start + size]
        if None in piece:
            continue
        concept = lookup.get(joined(filter(None, piece)))
        if concept is not None and not (size == 1 and _means_little(piece[0]) and _others(part, start)):
            part.found.append(concept)
            part.left[start : start + size] = [None] * size


def _means_little(word: str | None) -> bool:
    """Whether a word is an order only when nothing else is: `urine`, `T`, `K`."""
    return word is not None and (word in SPECIMENS or len(word) == 1)


def _others(part: Part, position: int) -> bool:
    """Whether more was ordered than the word at this position."""
    return bool(part.found) or any(
        word is not None and word not in IGNORED for place, word in enumerate(part.left) if place != position
    )


def _spans(part: Part, shortest: int = 1) -> Iterator[tuple[int, int]]:
    for size in range(min(LONGEST, len(part.left)), shortest - 1, -1):
        for start in range(len(part.left) - size + 1):
            yield start, size


def _tests_in(part: Part, lookup: Lookup) -> bool:
    beside = Part(part.text, part.words)
    _take(beside, lookup, shortest=1)
    return bool(beside.found)


def _modality(words: Sequence[str]) -> str:
    beside = Part("", list(words))
    return next((HOW[phrase] for phrase, _, _ in _phrases_in(beside, HOW)), "")


def _phrases_in(part: Part, table: dict[str, str]) -> Iterator[tuple[str, int, int]]:
    """The phrases of a table that are left in a part, the longest first; the caller takes them out."""
    for start, size in _spans(part):
        piece = part.left[start : start + size]
        phrase = joined(filter(None, piece))
        if None not in piece and phrase in table:
            yield phrase, start, size


def _take_image(part: Part) -> None:
    how, where, taken = "", set(), []
    for phrase, start, size in _phrases_in(part, HOW):
        if not how or phrase not in WHOLE_PHRASES:
            how = how or HOW[phrase]
        if phrase in WHERE:
            where.add(WHERE[phrase])
        taken.append((start, size))
        part.left[start : start + size] = [None] * size
    if not how:
        return
    for phrase, start, size in _phrases_in(part, WHERE):
        where.add(WHERE[phrase])
        part.left[start : start + size] = [None] * size
    for position, word in enumerate(part.left):
        near = nearest(word, WHERE) if word is not None and word not in IGNORED else None
        if near is not None:
            where.add(WHERE[near])
            part.left[position] = None
    part.found.append(Concept("image", how, frozenset(where)))


def _take_exam(part: Part) -> None:
    systems = dict.fromkeys(EXAMS[phrase] for phrase, start, size in _taken(part, {**EXAMS}))
    part.found += [Concept("exam", system) for system in systems]
    part.left = [None if word in EXAMINE else word for word in part.left]


def _taken(part: Part, table: dict[str, str]) -> list[tuple[str, int, int]]:
    found = []
    for phrase, start, size in _phrases_in(part, table):
        part.left[start : start + size] = [None] * size
        found.append((phrase, start, size))
    return found


def _take_misspelled(part: Part, lookup: Lookup) -> None:
    """Phrases with a wrong letter or two, where nothing was recognized."""
    tables: tuple[dict[str, Concept], ...] = (
        lookup,
        {phrase: Concept("image", how) for phrase, how in HOW.items()},
        {phrase: Concept("exam", system) for phrase, system in EXAMS.items()},
    )
    for start, size in _spans(part):
        piece = part.left[start : start + size]
        phrase = joined(filter(None, piece))
        if None in piece or phrase in IGNORED:
            continue
        for table in tables:
            near = nearest(phrase, table)
            if near is not None:
                part.found.append(_with_regions(table[near], part))
                part.left[start : start + size] = [None] * size
                break


def _with_regions(concept: Concept, part: Part) -> Concept:
    if concept.kind != "image":
        return concept
    return concept._replace(regions=frozenset(WHERE[phrase] for phrase, _, _ in _phrases_in(part, WHERE)))


def as_tests(concept: Concept) -> list[Concept]:
    """A set as its tests, anything else as itself."""
    if concept.kind != "set":
        return [concept]
    return [ORDERS[joined(map(stem, tokens(member)))] for member in MEMBERS[concept.name]]
