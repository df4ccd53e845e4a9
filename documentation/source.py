"""What the reference reads from source text, because no object holds it: calls with constants, and docstrings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FINDING = re.compile(r"\b[EW]\d{3}\b")
READERS = {
    "choice", "database", "decimal", "flag", "folder", "mail", "number", "storage", "text", "whole", "words",
}  # fmt: skip
"""The functions of config/env.py that read a variable: its name, and what it is when nothing is set."""


def modules(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    """The package and the syntax tree of each module, without migrations and tests' own."""
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield package, ast.parse(path.read_text())


def findings(*packages: str) -> Iterator[tuple[str, str]]:
    """Of each system check and examination: the package, and the ids and meanings that its docstring begins with."""
    for package, tree in modules(*packages):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                said = ast.get_docstring(node) or ""
                if FINDING.match(said):
                    yield package, said


def constants(kind: str, *packages: str) -> Iterator[list[object]]:
    """The constants that each call of `kind` begins with; what a text is filled with is `…`."""
    for _, tree in modules(*packages):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == kind:
                yield list(takewhile(lambda value: value is not None, map(_constant, node.args)))


def _constant(node: ast.expr) -> object:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return node.value if isinstance(node, ast.Constant) else None


def variables(module: str) -> Iterator[tuple[str, str, str]]:
    """Name, default as code, and meaning of each variable that assignments of a module read from the environment.

    The meaning is the text below the assignment.
    """
    body = ast.parse((ROOT / module).read_text()).body
    known: set[str] = set()
    for node, after in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            is_text = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            meaning = str(after.value.value) if is_text else ""  # type: ignore[union-attr]
            yield from ((*found, meaning) for found in _reads(node.value) if found[0] not in known)
            known |= {name for name, _ in _reads(node.value)}


def _reads(value: ast.expr) -> Iterator[tuple[str, str]]:
    for node in ast.walk(value):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in READERS:
            name, *rest = node.args
            given = next((word.value for word in node.keywords if word.arg == "default"), rest[0] if rest else None)
            if isinstance(name, ast.Constant):
                yield str(name.value), ast.unparse(given) if given is not None else ""
