"""Which lines of an app led to an error."""

from __future__ import annotations

import inspect
import linecache
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, FunctionType
from typing import Any

from persistence.causes.cause import Frame

LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
ENGINE = frozenset({"orchestration", "persistence"})
MOST = 8
LONGEST_LINE = 160


def frames_of(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    """Every frame that the error passed, with its line, the innermost last."""
    return traceback.walk_tb(error.__traceback__)


def app_frames(error: BaseException, handler: str = "") -> tuple[Frame, ...]:
    """The innermost lines that belong neither to a library nor to the engine, the innermost last.

    `handler`: the file of the handler's module, which counts even where the app is installed as a library.
    """
    mine = [(frame, line) for frame, line in frames_of(error) if _is_of_app(frame, handler)]
    return tuple(_shown(frame, line) for frame, line in mine[-MOST:])


def declared_at(persist: Callable[..., Any]) -> tuple[Frame, ...]:
    """Where a handler or codec begins to persist, for errors that none of its lines led to: those of the commit, or of
    what it returned. Empty where that is not a function in Python."""
    function = inspect.unwrap(persist)
    if not isinstance(function, FunctionType):
        return ()
    return (_placed(function.__code__, function.__code__.co_firstlineno, function.__globals__),)


def _is_of_app(frame: FrameType, handler: str) -> bool:
    file = frame.f_code.co_filename
    if file == handler:
        return True
    if file.startswith("<") or _module(frame).partition(".")[0] in ENGINE:
        return False
    origin = str(frame.f_globals.get("__file__", file))  # of compiled modules, whose frames name a file of theirs
    return not file.startswith(LIBRARIES) and not origin.startswith(LIBRARIES)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _shown(frame: FrameType, line: int) -> Frame:
    return _placed(frame.f_code, line, frame.f_globals)


def _placed(code: CodeType, line: int, module: dict[str, Any]) -> Frame:
    file, path = code.co_filename, str(module.get("__name__", "")).replace(".", "/")
    return Frame(
        path=f"{path}/__init__.py" if file.endswith("__init__.py") else f"{path}.py",
        function=code.co_name,
        line=line,
        source=linecache.getline(file, line, module).strip()[:LONGEST_LINE],
    )
