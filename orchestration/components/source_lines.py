"""The source of a class, as `inspect` finds it, with each module parsed once.

Before Python 3.13 a class does not know its line: for every class `inspect` parses the whole module and looks at each
expression in it, which took a tenth of a process's start with a few handlers in a file.
"""

from __future__ import annotations

import ast
import inspect
from functools import lru_cache
from typing import Any


def source_lines(found: Any) -> tuple[list[str], int]:
    """The lines of a class or function with its decorators, and the number of the first.

    OSError or TypeError when it has no source, as `inspect.getsourcelines`.
    """
    if not isinstance(found, type):
        return inspect.getsourcelines(found)
    lines, _ = inspect.findsource(inspect.getmodule(found))  # type: ignore[arg-type]  # TypeError without a module
    line = _classes("".join(lines)).get(found.__qualname__)
    if line is None:
        raise OSError("could not find class definition")
    return inspect.getblock(lines[line - 1 :]), line


@lru_cache(maxsize=1)
def _classes(source: str) -> dict[str, int]:
    """Where each class begins, by its qualified name. The last module's are kept: its classes come in a row."""
    found: dict[str, int] = {}
    _look(ast.parse(source), "", found)
    return found


def _look(node: ast.AST, prefix: str, found: dict[str, int]) -> None:
    """Of several classes of one name the first counts, as for `inspect`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            first: ast.stmt | ast.expr = child.decorator_list[0] if child.decorator_list else child
            found.setdefault(prefix + child.name, first.lineno)
            _look(child, f"{prefix}{child.name}.", found)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            _look(child, f"{prefix}{child.name}.<locals>.", found)
        elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            _look(child, prefix, found)
