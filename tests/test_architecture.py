"""The import arrows of docs: who may import whom, where the two foreign libraries live, and no cycle anywhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("orchestration", "persistence", "apps", "config")
FORBIDDEN_NAMES = {"utils", "helpers", "common"}
DOMAIN_WORDS = re.compile(r"\b(simulations?|personas?|patients?|trainees?|chats?|chatlab)\b", re.IGNORECASE)
TECHNICAL = {
    "orchestration.providers": re.compile(r"simulations?|\bchat\b", re.IGNORECASE),  # of a provider; a wire format
    "orchestration.management.commands.simulated_provider": re.compile(r"simulation", re.IGNORECASE),
    "orchestration.conf": re.compile(r'"chat"'),
}
"""Where a domain word means something else, by prefix of the module's name."""

DJANGO_Q = {
    "orchestration.engine.submit",
    "orchestration.tasks",
    "persistence.tasks",
    "orchestration.management.commands.qcluster",
}
OPENAI = {"orchestration.providers.openai"}


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: `target` is the module as written, or `module.name` for `from module import name`."""

    target: str
    line: int
    typing_only: bool


@dataclass(slots=True)
class Module:
    """A module of the project."""

    name: str
    path: Path
    tree: ast.Module
    imports: list[Import] = field(default_factory=list)
    inner_imports: list[int] = field(default_factory=list)

    @property
    def owner(self) -> str:
        """The unit that the arrows are about: `orchestration`, `apps.chatlab`."""
        parts = self.name.split(".")
        return ".".join(parts[:2]) if parts[0] == "apps" else parts[0]


@lru_cache(maxsize=1)
def modules() -> dict[str, Module]:
    found = {}
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        if "migrations" in path.parts:
            continue
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        module = Module(name, path, ast.parse(path.read_text()))
        _collect(module, module.tree, inside=False, typing_only=False)
        found[name] = module
    return found


def _collect(module: Module, node: ast.AST, *, inside: bool, typing_only: bool) -> None:
    """Walk the tree; `inside` a function, where only AppConfig.ready() may import."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            module.imports += [Import(target, child.lineno, typing_only) for target in _targets(child)]
            if inside:
                module.inner_imports.append(child.lineno)
        else:
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            is_ready = is_function and child.name == "ready" and module.path.name == "apps.py"
            _collect(
                module,
                child,
                inside=(inside or is_function) and not is_ready,
                typing_only=typing_only or _is_typing_block(child),
            )


def _targets(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif node.level:
        yield "relative"
    else:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_typing_block(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def may_import(owner: str) -> set[str]:
    """The owners that an owner may import, besides itself."""
    if owner == "orchestration":
        return set()
    if owner == "persistence":
        return {"orchestration"}
    if owner == "config":
        return {module.owner for module in modules().values()}
    if owner == "apps.training":  # the pages, on top of what they show
        return {"apps", "orchestration", "apps.accounts", "apps.simulation", "apps.chatlab", "apps.trainerlab"}
    simulation = {"apps.simulation"} if owner in {"apps.chatlab", "apps.trainerlab"} else set()
    return {"apps", "orchestration", "persistence", "apps.accounts"} | simulation


def within(target: str, package: str) -> bool:
    return target == package or target.startswith(f"{package}.")


def places(wanted: str, allowed: set[str]) -> list[str]:
    """Modules outside `allowed` (and outside config, for django_q) that import `wanted`."""
    return [
        f"{module.name}:{item.line}"
        for module in modules().values()
        for item in module.imports
        if within(item.target, wanted) and module.name not in allowed
    ]


def test_imports_follow_the_arrows():
    wrong = [
        f"{module.name}:{item.line} imports {item.target}"
        for module in modules().values()
        for item in module.imports
        if item.target.split(".")[0] in {*PACKAGES, "tests", "benchmarks"}
        and owner_of(item.target) not in may_import(module.owner) | {module.owner}
    ]
    assert not wrong, "\n".join(wrong)


def owner_of(target: str) -> str:
    parts = target.split(".")
    return ".".join(parts[:2]) if parts[0] == "apps" and len(parts) > 1 else parts[0]


def test_django_q_is_imported_only_at_its_doors():
    config = {name for name, module in modules().items() if module.owner == "config"}
    assert places("django_q", DJANGO_Q | config) == []


def test_openai_is_imported_in_one_place():
    assert places("openai", OPENAI) == []


def test_imports_are_absolute():
    assert places("relative", set()) == []


def test_nothing_is_imported_inside_functions_except_when_an_app_is_ready():
    wrong = [f"{module.name}:{line}" for module in modules().values() for line in module.inner_imports]
    assert not wrong, "\n".join(wrong)


def graph() -> dict[str, set[str]]:
    """Who imports whom when it is loaded; imports for type checkers only do not count."""
    return {
        module.name: {found for item in module.imports if not item.typing_only and (found := resolve(item.target))}
        - {module.name}
        for module in modules().values()
    }


def resolve(target: str) -> str | None:
    """The project's module behind `a.b.name`: `a.b.name` itself or `a.b`."""
    known = modules()
    return target if target in known else next((part for part in [target.rpartition(".")[0]] if part in known), None)


def cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """One cycle through each back edge of a depth-first walk."""
    found: list[list[str]] = []
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> None:
        if node in path:
            found.append([*path[path.index(node) :], node])
        elif node not in done:
            for target in sorted(edges.get(node, ())):
                walk(target, [*path, node])
            done.add(node)

    for start in sorted(edges):
        walk(start, [])
    return found


def test_there_is_no_import_cycle():
    wrong = [" -> ".join(cycle) for cycle in cycles(graph())]
    assert not wrong, "\n".join(wrong)


def test_a_cycle_would_be_found():
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c", "a"]]
    assert cycles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_module_has_a_name_that_says_nothing():
    wrong = [name for name in modules() if FORBIDDEN_NAMES & set(name.split("."))]
    assert wrong == []


@pytest.mark.parametrize("package", ["orchestration", "persistence"])
def test_the_engine_knows_no_domain_word(package):
    wrong = [
        f"{module.name}:{number}: {line.strip()}"
        for module in modules().values()
        if module.owner == package
        for number, line in enumerate(module.path.read_text().splitlines(), start=1)
        if DOMAIN_WORDS.search(without_technical(module.name, line))
    ]
    assert not wrong, "\n".join(wrong)


def without_technical(name: str, line: str) -> str:
    for prefix, words in TECHNICAL.items():
        if within(name, prefix):
            line = words.sub("", line)
    return line
