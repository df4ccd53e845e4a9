"""The words of orders, each phrase with what it means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from apps.simulation.clinical.examination_data import EVERYTHING, EXAMINING, NAMES
from apps.simulation.clinical.examination_data import WORDS as EXAMINED
from apps.simulation.clinical.imaging_data import MODALITIES, REGIONS, WHOLE
from apps.simulation.clinical.tests_data import SETS, TESTS
from apps.simulation.clinical.vitals import EVERY_ONE, VITALS
from apps.simulation.clinical.words import folded, stems
from apps.simulation.models.cases import SYSTEMS

FILLERS = frozenset(
    stems(
        "a an the of for to and und et avec mit with plus or on in by from his her their patient please pls can could "
        "you i we would like get need want let do run take send request order ordering repeat urgent urgently stat now "
        "again some me also der die das von le la les de des du un une new another both left right bilateral then"
    )
)
"""Words that change nothing, wherever they are."""
IGNORED = FILLERS | frozenset(
    stems(
        "level levels test tests value values result results measurement count blood serum plasma venous lab "
        "laboratory screen check checks panel profile imaging image study scan view views pa ap lateral standing erect "
        "supine sample portable bedside emergency contrast iv rapid quick baseline today work up workup series analysis"
    )
)
"""Words that stand beside a test's name without changing which test it is."""
SPECIMENS = frozenset(
    stems(
        "urine urinary csf stool faecal fecal faeces pleural ascitic synovial saliva salivary sweat hair joint fluid "
        "peritoneal cerebrospinal drain"
    )
)
"""A name beside one of these is another test than the one from blood."""
TREATING = frozenset(stems("give administer infusion bolus tablet injection dose prescribe inject drip transfuse"))
"""An order with one of these is a treatment."""
LONGEST = 6
"""Words of the longest phrase."""


class Concept(NamedTuple):
    """What a phrase means: `kind` is `test`, `set`, `vital`, `vitals`, `exam`, `image` or `finding`."""

    kind: str
    name: str
    regions: frozenset[str] = frozenset()
    """Of an image; empty when none is said."""


def joined(words: Iterable[str]) -> str:
    """A phrase as it is looked up: without fillers, in one word, so that hyphens and blanks do not matter."""
    kept = list(words)
    return "".join(word for word in kept if word not in FILLERS) or "".join(kept)


def phrases(text: str) -> list[str]:
    """Names divided by commas, as they are looked up."""
    return [joined(stems(name)) for name in text.split(",") if name.strip()]


def _tests() -> dict[str, Concept]:
    found: dict[str, Concept] = {}
    for name, synonyms, _ in SETS:
        for phrase in phrases(f"{name},{synonyms}"):
            found[phrase] = Concept("set", name)
    for entry in TESTS:
        for phrase in phrases(f"{entry.name},{entry.synonyms}"):
            found[phrase] = Concept("test", entry.name)
    for vital in VITALS:
        for phrase in phrases(f"{vital.label},{vital.synonyms}"):
            found.setdefault(phrase, Concept("vital", vital.label))
    for system, name in NAMES.items():  # as the menu orders it; between names of an order, "and" divides
        for phrase in phrases(f"examine {name},examine {name.replace(' and ', ' ')}"):
            found[phrase] = Concept("exam", system)
    return found | dict.fromkeys(phrases(EVERY_ONE), Concept("vitals", ""))


def _places(table: dict[str, str]) -> dict[str, str]:
    return {phrase: name for name, words in table.items() for phrase in phrases(f"{name},{words}")}


ORDERS = _tests()
"""Tests, sets and vital signs by phrase."""
HOW = _places(MODALITIES) | {joined(stems(short)): how for short, how in WHOLE.items()}
"""How an image is made, by phrase."""
WHERE = _places(REGIONS)
"""Of what, by phrase."""
WHOLE_PHRASES = frozenset(joined(stems(short)) for short in WHOLE)
EXAMS = {phrase: system for system in SYSTEMS for phrase in phrases(EXAMINED[system])}
"""What is examined, by phrase."""
EXAMINE = frozenset(phrases(EXAMINING))
EXAMINE_ALL = frozenset(phrases(EVERYTHING))
MEMBERS: dict[str, tuple[str, ...]] = {
    name: tuple(member.strip() for member in members.split(",")) for name, _, members in SETS
}
"""The tests of each set."""
ENTRIES = {entry.name: entry for entry in TESTS}


def spelled(text: str) -> str:
    """A name in a form in which it is compared with others."""
    return joined(stems(folded(text)))
