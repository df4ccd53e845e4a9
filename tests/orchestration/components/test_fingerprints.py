"""The mark of what a component's code is."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestration.components.fingerprints import DIGITS, fingerprint

CODE = """
from functools import wraps

GREETING = "Hello"
KINDS = frozenset({"a", "b", "c"})
UNUSED = "x"


def kept(function):
    @wraps(function)
    def inner(*args):
        return function(*args)

    return inner


def said(name):
    return f"{GREETING}, {name}"


class Base:
    def ask(self):
        return "base"


class Section(Base):
    @kept
    def say(self):
        return [said(kind) for kind in KINDS]
"""


@pytest.fixture
def marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """The mark of `Section` in a module with this code."""
    monkeypatch.syspath_prepend(tmp_path)
    names: list[str] = []

    def mark(code: str) -> str:
        names.append(f"fingerprinted_{len(names)}")
        (tmp_path / f"{names[-1]}.py").write_text(code)
        importlib.invalidate_caches()
        return fingerprint(importlib.import_module(names[-1]).Section)

    yield mark
    for name in names:
        del sys.modules[name]


def test_the_same_code_has_the_same_mark(marked: Callable[[str], str]) -> None:
    first = marked(CODE)
    assert len(first) == DIGITS
    assert marked(CODE) == first
    assert marked(CODE.replace('UNUSED = "x"', 'UNUSED = "y"')) == first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[said(kind)", "(said(kind)"),
        ('GREETING = "Hello"', 'GREETING = "Good day"'),
        ('f"{GREETING}, {name}"', 'f"{GREETING}; {name}"'),
        ('return "base"', 'return "other"'),
        ('"b", "c"', '"b", "d"'),
    ],
)
def test_what_it_says_or_calls_changes_the_mark(marked: Callable[[str], str], old: str, new: str) -> None:
    """Its own code, a constant that it names, a function of its module, its bases."""
    changed = CODE.replace(old, new).replace("(said(kind) for kind in KINDS]", "(said(kind) for kind in KINDS)")
    assert marked(changed) != marked(CODE)


def test_a_class_without_a_source_is_known_by_its_name() -> None:
    made = type("Made", (), {})
    assert len(fingerprint(made)) == DIGITS
    assert fingerprint(made) != fingerprint(type("Other", (), {}))
