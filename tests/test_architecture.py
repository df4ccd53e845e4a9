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
MOST_EXPORTS = 10
MOST_MODULES = 22
DOMAIN_WORDS = re.compile(
    r"\b(simulations?|personas?|patients?|trainees?|chats?|chatlab"
    r"|diagnos\w+|allerg\w+|x-?rays?|radio(?:log|graph)\w*|ultrasounds?|medic\w+|symptom\w*|examiners?|nurs(?:es?|ing)"
    r"|doctors|physicians?|clinic\w*|hospitals?|illness\w*|diseases?|therap\w+|treatments?|surger\w+|surgical"
    r"|laborator\w+|anamnes[ei]s|patholog\w+|prescri(?:be|bed|ption)s?|vital signs?)\b",
    re.IGNORECASE,
)
TECHNICAL = {
    "orchestration.providers": re.compile(r"simulations?|\bchat\b", re.IGNORECASE),  # of a provider; a wire format
    "orchestration.testing.scripted": re.compile(r"simulations?", re.IGNORECASE),
    "orchestration.management.commands.simulated_provider": re.compile(r"simulation", re.IGNORECASE),
    "orchestration.conf": re.compile(r'"chat"'),
}
"""Where a domain word means something else, by prefix of the module's name."""

DJANGO_Q = {
    "orchestration.engine.queue.transport",
    "orchestration.tasks",
    "persistence.tasks",
    "orchestration.management.commands.qcluster",
    "orchestration.admin.django_q_pages",
}
VENDORS = ("openai", "anthropic", "google", "azure", "boto3")
"""What vendors of models publish: wire formats are ours. Tokens of Azure are imported by name, where installed."""


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
    if owner == "apps.devtools":  # starts and fills all of it
        return {module.owner for module in modules().values()} - {"config"}
    if owner == "apps.training":  # the pages, on top of what they show
        labs = {"apps.simulation", "apps.chatlab", "apps.trainerlab"}
        return {"apps", "orchestration", "apps.accounts", "apps.shell"} | labs
    simulation = {"apps.simulation"} if owner in {"apps.chatlab", "apps.trainerlab"} else set()
    return {"apps", "orchestration", "persistence", "apps.accounts"} | simulation


def within(target: str, package: str) -> bool:
    return target == package or target.startswith(f"{package}.")


def places(wanted: str, allowed: set[str]) -> list[str]:
    """Modules outside `allowed` that import `wanted`."""
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


BY_NAME = re.compile(r"""["'](?:config|apps)(?:\.[a-z_0-9]+)+(?::\w+)?["']""")
EXAMPLES = {"config.orca:get_orca", "apps.support.simulator:answer_tickets"}
"""Of what a setting may hold, in messages."""


@pytest.mark.parametrize("package", ["orchestration", "persistence"])
def test_the_package_names_nothing_of_the_example_project(package):
    """Neither in a text that is imported nor in a template: whoever installs the two has neither config nor apps."""
    paths = [path for kind in ("*.py", "*.html") for path in (ROOT / package).rglob(kind)]
    templates = {
        str(path.relative_to(folder))
        for folder in [ROOT / "templates", *ROOT.glob("apps/*/templates")]
        for path in folder.rglob("*.html")
        if not path.is_relative_to(ROOT / "templates" / "admin")  # of the same name as Django's own
    }
    wrong = []
    for path in paths:
        text = path.read_text()
        named = {found.strip("\"'") for found in BY_NAME.findall(text)} - EXAMPLES
        named |= {name for name in templates if f'"{name}"' in text}
        wrong += [f"{path.relative_to(ROOT)} names {name}" for name in sorted(named)]
    assert not wrong, "\n".join(wrong)


def owner_of(target: str) -> str:
    parts = target.split(".")
    return ".".join(parts[:2]) if parts[0] == "apps" and len(parts) > 1 else parts[0]


def test_django_q_is_imported_only_where_it_is_wired():
    wired = {name for name in modules() if within(name, "orchestration.django_q")}
    assert places("django_q", DJANGO_Q | wired) == []


@pytest.mark.parametrize("package", VENDORS)
def test_no_vendors_sdk_is_imported(package):
    assert places(package, set()) == []


def test_imports_are_absolute():
    assert places("relative", set()) == []


def test_nothing_is_imported_inside_functions():
    """The ready() of an app may."""
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


def rooms() -> dict[str, set[str]]:
    """Which folder imports which, also for types. Modules beside other folders stand for themselves."""
    packages = {name for name, module in modules().items() if module.path.name == "__init__.py"}
    floors = {name.rpartition(".")[0] for name in packages}

    def room(name: str) -> str:
        folder = name if name in packages else name.rpartition(".")[0]
        return name if folder in floors else folder

    edges: dict[str, set[str]] = {}
    for module in modules().values():
        targets = {room(found) for item in module.imports if (found := resolve(item.target))}
        edges.setdefault(room(module.name), set()).update(targets - {room(module.name)})
    return edges


def test_there_is_no_circle_between_folders():
    wrong = [" -> ".join(cycle) for cycle in cycles(rooms())]
    assert not wrong, "\n".join(wrong)


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


LONGEST_NAME = 60
LONGEST_TEST = 50


def functions_of_tests(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    body = ast.parse(path.read_text()).body
    functions = [node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [function for function in functions if function.name.startswith("test_")]


def test_names_of_tests_are_short_and_unique_in_their_module():
    wrong = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        names = [function.name for function in functions_of_tests(path)]
        wrong += [f"{path.name}: {name}" for name in names if len(name) > LONGEST_NAME or names.count(name) > 1]
    assert not wrong, "\n".join(wrong)


def test_a_test_that_is_long_is_cut_into_steps():
    wrong = [
        f"{path.name}: {function.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for function in functions_of_tests(path)
        if (function.end_lineno or 0) - function.lineno >= LONGEST_TEST
    ]
    assert not wrong, "\n".join(wrong)


def test_tests_are_in_the_folders_of_what_they_test():
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    mirrored = {folder for folder in folders if folder.parts and folder.parts[0] in PACKAGES}
    assert [str(folder) for folder in sorted(mirrored) if not any((ROOT / folder).glob("*.py"))] == []


ELSEWHERE = re.compile(r"^([\w/]+(?:, [\w/]+)*): ([\w/]+(?:, [\w/]+)*)$", re.MULTILINE)
"""A line in the docstring of a folder of tests: modules, and where they are tested; both by their paths from there, or
the tests by their path from tests/."""


def places_of_tests() -> Iterator[tuple[Path, Path, str]]:
    """(folder of tests, module, test module without its suffix) for each line in the docstrings of those folders."""
    for path in sorted((ROOT / "tests").rglob("__init__.py")):
        folder = path.parent.relative_to(ROOT / "tests")
        for modules_, tests in ELSEWHERE.findall(ast.get_docstring(ast.parse(path.read_text())) or ""):
            yield from (
                (folder, folder / f"{module}.py", test) for module in modules_.split(", ") for test in tests.split(", ")
            )


def own_test_of(module: Path) -> Path:
    return ROOT / "tests" / module.parent / f"test_{module.name}"


def test_the_tests_of_a_module_are_found_by_its_name():
    named = {module for _, module, _ in places_of_tests()}
    wrong = [
        f"{path}: write {own_test_of(path).relative_to(ROOT)}, or say in tests/{path.parent}/__init__.py where it is"
        f" tested: `{path.stem}: test_…`"
        for module in modules().values()
        for path in [module.path.relative_to(ROOT)]
        if any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in ast.walk(module.tree))
        and path.name not in {"__init__.py", "apps.py"}
        and not own_test_of(path).exists()
        and path not in named
    ]
    assert not wrong, "\n".join(wrong)


def test_what_folders_of_tests_say_of_modules_is_so():
    wrong = []
    for folder, module, test in places_of_tests():
        if not (ROOT / module).exists():
            wrong.append(f"tests/{folder}/__init__.py: there is no {module}")
        elif own_test_of(module).exists():
            wrong.append(f"tests/{folder}/__init__.py: {module} has a test module of its own name")
        elif not any((ROOT / "tests" / f"{place}.py").exists() for place in (folder / test, Path(test))):
            wrong.append(f"tests/{folder}/__init__.py: there is no test module {test}")
    assert not wrong, "\n".join(sorted(set(wrong)))


def test_packages_say_what_they_are_for_and_export_few_names():
    packages = [module for module in modules().values() if module.path.name == "__init__.py"]
    assert [package.name for package in packages if not ast.get_docstring(package.tree)] == []
    exported = {package.name: len(_exports(package.tree)) for package in packages}
    assert {name: count for name, count in exported.items() if count > MOST_EXPORTS} == {}


def _exports(tree: ast.Module) -> list[ast.expr]:
    listed = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    return [name for value in listed if isinstance(value, ast.List | ast.Tuple) for name in value.elts]


@pytest.mark.parametrize("package", ["orchestration", "persistence"])
def test_a_package_has_few_modules_at_its_top(package):
    assert len([path for path in (ROOT / package).glob("*.py") if path.name != "__init__.py"]) <= MOST_MODULES


def test_attributes_are_rarely_looked_up_by_name():
    """A protocol or a type says what an object has; `getattr` hides from readers and mypy who has what."""
    calls = [node for module in modules().values() for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    named = [call.func.id for call in calls if isinstance(call.func, ast.Name)]
    assert named.count("getattr") + named.count("hasattr") <= 25
