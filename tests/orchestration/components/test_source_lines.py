"""Where the source of a class is."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from orchestration.components.fingerprints import fingerprint
from orchestration.components.source_lines import _classes, source_lines

CODE = '''
import functools

"""
class Said: not one
"""


def plain(*_):
    return lambda cls: cls


class First:
    """Alone."""

    class Within:
        x = 1  # a remark

        # the last line of it
    # of the outer one


# before it
@plain(
    "several", "lines"
)
@functools.cache
@plain()
class Decorated: pass


try:
    class Tried(First):
        def method(self):
            class Local:
                y = """
class Tried: in a text
"""
            return Local
except ValueError as error:
    class Tried: other = True
else:
    match 1:
        case 1:
            class Matched: pass


async def made():
    if True:
        class Inner: z = 3
        return Inner


class Decorated2(functools.cache(First).__wrapped__): pass
'''


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "module_with_classes.py").write_text(CODE)
    importlib.invalidate_caches()
    yield importlib.import_module("module_with_classes")
    del sys.modules["module_with_classes"]


def classes_of(module: ModuleType) -> list[type]:
    with pytest.raises(StopIteration) as inner:
        module.made().send(None)
    named = (module.First, module.First.Within, module.Tried, module.Matched, module.Decorated2)
    return [*named, module.Decorated.__wrapped__, module.Tried().method(), inner.value.value]


def test_it_is_found_as_the_standard_library_finds_it(module: ModuleType) -> None:
    for found in classes_of(module):
        assert source_lines(found) == inspect.getsourcelines(found), found
    assert source_lines(module.plain) == inspect.getsourcelines(module.plain)


def test_a_module_is_parsed_once_for_all_its_classes(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    classes, parsed, parse = classes_of(module), [], ast.parse
    _classes.cache_clear()  # another test may have asked for them
    with monkeypatch.context() as watched:
        watched.setattr(ast, "parse", lambda source, *how: parsed.append(source) or parse(source, *how))
        for found in classes:
            source_lines(found)
            fingerprint(found)
    assert len(parsed) == 1


@pytest.mark.parametrize("made", [type("Made", (), {}), type("Lost", (), {"__module__": "nowhere"}), int])
def test_a_class_without_a_source_has_no_lines(made: type) -> None:
    with pytest.raises((OSError, TypeError)):
        source_lines(made)
