"""What the simulated patient knows of consultations, read from the tables in `tables/`."""

from __future__ import annotations

import configparser
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).with_name("tables")


class Topic(NamedTuple):
    """A topic of a history, see `tables/complaint.ini`."""

    label: str
    tier: int
    asks: str
    hints: str
    """Words that ask for it where nothing else is named."""
    tells: str
    none: tuple[str, ...]
    kind: str
    """Of the fact that becomes known, see MetadataKind."""
    names: tuple[str, ...]
    parts: tuple[str, ...]
    yields: bool
    """Whether a question that names another topic as well asks for that: `any problems with your heart?`"""


class Intent(NamedTuple):
    """Something said besides questions about the illness, see `tables/talk.ini`."""

    name: str
    tier: int
    asks: str
    answers: tuple[str, ...]
    is_statement: bool
    """Whether it is stated, never asked: `You have an infection.`"""
    yields: bool


class Trait(NamedTuple):
    """How a direction becomes audible, see `tables/traits.ini`."""

    words: str
    remarks: tuple[str, ...]
    on: str = ""


def _sections(file: str) -> list[configparser.SectionProxy]:
    parser = configparser.ConfigParser(delimiters=("=",), comment_prefixes=("#",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    parser.read_string((FOLDER / file).read_text(encoding="utf-8"), source=file)
    return [parser[name] for name in parser.sections()]


def _phrases(section: configparser.SectionProxy, field: str) -> str:
    return re.sub(r"@(\w+)", lambda match: CLASSES[match[1]], "; ".join(_lines(section, field)))


def _lines(section: configparser.SectionProxy, field: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in section.get(field, "").splitlines() if line.strip())


@lru_cache
def topics(file: str) -> tuple[Topic, ...]:
    """The topics of one of `complaint.ini`, `background.ini`, `symptoms.ini`."""
    return tuple(
        Topic(
            label=section.name,
            tier=section.getint("tier", 2),
            asks=_phrases(section, "asks"),
            hints=_phrases(section, "hints"),
            tells=_phrases(section, "tells") or ("" if "parts" in section else _phrases(section, "asks")),
            none=_lines(section, "none"),
            kind=section.get("kind", "history"),
            names=_lines(section, "names"),
            parts=_lines(section, "parts"),
            yields=section.getboolean("yields", fallback=False),
        )
        for section in _sections(file)
    )


def _traits(file: str) -> tuple[Trait, ...]:
    return tuple(
        Trait(_phrases(section, "words"), _lines(section, "remarks"), _phrases(section, "on"))
        for section in _sections(file)
    )


_words = {section.name: section for section in _sections("words.ini")}
CHAT: dict[str, str] = dict(_words["chat"])
CLASSES: dict[str, str] = {name: "|".join(words.split()) for name, words in _words["classes"].items()}
"""Words that mean much the same in a question: `@name` stands for them in a phrase."""
ALIKE: tuple[str, ...] = tuple(_words["alike"].values())
ENGLISH: frozenset[str] = frozenset(_words["english"]["words"].split())
IDIOMS: tuple[tuple[str, str], ...] = tuple(
    (meaning, _phrases(section, meaning)) for section in _sections("idioms.ini") for meaning in section
)
"""Plain words, and the expressions that mean them."""
FOREIGN: tuple[tuple[str, str], ...] = tuple(_words["other languages"].items())
"""Expressions of other languages as patterns, with what they mean in English."""
COMPLAINT = topics("complaint.ini")
BACKGROUND = topics("background.ini")
SYMPTOMS = topics("symptoms.ini")
TOPICS: dict[str, Topic] = {topic.label: topic for topic in (*COMPLAINT, *BACKGROUND, *SYMPTOMS)}
COMPLAINT_LABELS = frozenset(topic.label for topic in COMPLAINT)
INTENTS: dict[str, Intent] = {
    section.name: Intent(
        section.name,
        section.getint("tier", 2),
        _phrases(section, "asks"),
        _lines(section, "answers"),
        section.get("form", "") == "statement",
        section.getboolean("yields", fallback=False),
    )
    for section in _sections("talk.ini")
}
TRAITS = _traits("traits.ini")
EVENTS = _traits("events.ini")
"""Of what happens: words, and what the patient says."""
