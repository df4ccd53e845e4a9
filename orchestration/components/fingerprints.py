"""What the code of a component is, as a short mark: it differs when what the component says or does may differ."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable, Iterator
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from orchestration.components.source_lines import source_lines

DIGITS = 16
BESIDE = {"builtins", "orchestration", "persistence"}
"""Packages whose classes do not count as a component's own code."""
PLAIN = (str, bytes, int, float, tuple, list, dict, frozenset)


def fingerprint(component: type) -> str:
    """16 hex digits of the source of a class and its bases, of the functions of their modules that it calls, and of the
    constants that it names; without a source, of its name. Bases that are ours do not count.

    Text that it reads from elsewhere, such as a file or the functions of a library, does not count. Counted once in a
    process.
    """
    known = _known.get(component)
    if known is None:
        known = _known[component] = _counted(component)
    return known


_known: dict[type, str] = {}


def _counted(component: type) -> str:
    own = [component, *(base for base in component.__mro__[1:] if base.__module__.partition(".")[0] not in BESIDE)]
    text = "\n".join(part for each in own for part in _parts(each, set()))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:DIGITS]


def _parts(found: Any, seen: set[int]) -> Iterator[str]:
    """The source of a class or function, and what it names of its module."""
    if id(found) in seen:
        return
    seen.add(id(found))
    yield _source(found)
    names = {name for function in _functions(found) for name in _names(function.__code__)}
    module: ModuleType | None = inspect.getmodule(found)
    own: dict[str, Any] = vars(module) if module else {}
    for name in sorted(names & own.keys()):
        value = own[name]
        if isinstance(value, FunctionType | type) and value.__module__ == found.__module__:
            yield from _parts(value, seen)
        elif isinstance(value, PLAIN):
            yield f"{name} = {_plain(value)}"


@cache
def _source(found: Any) -> str:
    try:
        return "".join(source_lines(found)[0])
    except (OSError, TypeError):
        return f"{found.__module__}.{found.__qualname__}"


def _functions(found: Any) -> Iterator[FunctionType]:
    """The function itself, or those of a class, whatever decorates them."""
    members: Iterable[Any] = [found] if isinstance(found, FunctionType) else vars(found).values()
    for value in members:
        if isinstance(value, classmethod | staticmethod):
            value = value.__func__
        elif isinstance(value, property):
            value = value.fget
        inner = inspect.unwrap(value)
        if isinstance(inner, FunctionType):
            yield inner


def _names(code: CodeType) -> Iterator[str]:
    """The names that code may look up in its module, in functions within it, too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _plain(value: Any) -> str:
    """As text that is the same in every process: sets have no order of their own, and objects would show where they are
    in memory."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_plain(key)}: {_plain(item)}' for key, item in value.items())}}}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, frozenset):
        return f"<{', '.join(sorted(map(_plain, value)))}>"
    return repr(value) if isinstance(value, str | bytes | int | float | None) else type(value).__qualname__
