"""What the documents claim about the tree is true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.seedapp.models import Message
from tests.seedapp.orca.readme import GenerateTicketAnswer

ROOT = Path(__file__).resolve().parent.parent
README, CONTRIBUTING = (ROOT / "README.md").read_text(), (ROOT / "CONTRIBUTING.md").read_text()
DOCUMENTS = [path for name in ("README.md", "CONTRIBUTING.md") if (path := ROOT / name).exists()]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))


def shown(document: Path) -> str:
    return str(document.relative_to(ROOT))


def code(language: str, document: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)


def test_the_example_of_the_readme_is_run_by_the_tests():
    (example,) = code("python")
    assert example.replace("yourapp.", "tests.seedapp.") in (ROOT / "tests/seedapp/orca/readme.py").read_text()
    statements = [line for line in example.splitlines() if line.strip()]
    assert len(statements) <= 30


@pytest.mark.django_db
def test_the_example_of_the_readme_makes_its_row():
    GenerateTicketAnswer.using(context={"ticket": "The export button does nothing."}).enqueue_now()
    with scripted(Fault(kind="json", data={"answer": "We are on it.", "urgent": True})):
        drain()
    message = Message.objects.get()
    assert (message.text, message.meta) == ("We are on it.", {"urgent": True})


def test_the_commands_of_the_readme_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z]+)", README))
    assert {"run", "test", "check"} <= named
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_what_a_document_links_to_exists(document):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    generated = ("reference/", "../reference/")  # from the code; the strict build of the site checks links to them
    links = [link for link in links if not (link.startswith(generated) and document.parent.name in ("docs", "howto"))]
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("package", ["orchestration", "persistence"])
def test_the_page_of_the_architecture_has_every_package(package):
    page = (ROOT / "docs/architecture.md").read_text()
    folders = [path.parent.relative_to(ROOT) for path in sorted((ROOT / package).glob("*/__init__.py"))]
    unlisted = {"migrations", "templatetags"}
    assert [str(folder) for folder in folders if f"`{folder}/" not in page and folder.name not in unlisted] == []


NAMED = re.compile(r"`([a-z0-9_/]+\.py)`((?:,? `[A-Za-z0-9_.]+`)*)")
"""`folder/file.py`, and the names behind it, with or without commas between them."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_the_code_that_a_document_names_exists(document):
    """`folder/file.py` `name`, `name`: the file is there and defines the names, be they columns or constants."""
    bases = [ROOT, ROOT / "orchestration", ROOT / "persistence"]
    for path, names in NAMED.findall(document.read_text()):
        files = [base / path for base in bases if (base / path).exists()]
        assert files, f"{document.name} names {path}"
        source = files[0].read_text()
        for name in re.findall(r"`([A-Za-z0-9_.]+)`", names):
            missing = [part for part in name.split(".") if not defines(source, part)]
            assert missing == [], f"{path} has no {name}"


def defines(source: str, name: str) -> bool:
    return bool(re.search(rf"(def|class) {name}\b|^\s*{name}\b(: [^=]+)? = |^    {name}: ", source, re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_the_folders_that_a_document_names_exist(document):
    """`folder/folder/`, below the root or below one of the two packages."""
    named = re.findall(r"`((?:[a-z0-9_.]+/)+)`", document.read_text())
    bases = [ROOT, ROOT / "orchestration", ROOT / "persistence"]
    named = [path for path in named if not path.startswith("yourapp/")]  # in examples
    assert [path for path in named if not any((base / path).is_dir() for base in bases)] == []


DOTTED = re.compile(r"`((?:orchestration|persistence|apps|config)(?:\.[A-Za-z0-9_]+){2,})`")
LOGGERS = {"apps.consensus.lifecycle"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_the_dotted_names_that_a_document_uses_exist(document):
    """`orchestration.tasks.run_service_call`: the module is there and defines the name."""
    named = set(DOTTED.findall(document.read_text())) - LOGGERS
    assert [name for name in sorted(named) if not is_found(name)] == []


def is_found(dotted: str) -> bool:
    """Whether this is a package, a module, or a name in one."""
    parts = dotted.split(".")
    if ROOT.joinpath(*parts).is_dir():
        return True
    for count in range(len(parts), 0, -1):
        module = ROOT.joinpath(*parts[:count]).with_suffix(".py")
        if module.exists():
            return all(defines(module.read_text(), name) for name in parts[count:])
    return False


def test_every_document_is_in_the_index():
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link).resolve() for link in re.findall(r"\]\(([^)#:]+)\)", index.read_text())}
    assert [shown(path) for path in DOCUMENTS if path not in linked | {index}] == []


def test_a_promise_is_one_line_and_names_its_test():
    rows = re.findall(r"^\| (.+) \| (.+) \|$", (ROOT / "docs" / "guarantees.md").read_text(), re.MULTILINE)
    promises = [(promise, test) for promise, test in rows if promise != "promise"]
    assert len(promises) > 80
    assert [promise for promise, _ in promises if len(promise) > 120] == []
    assert [promise for promise, test in promises if not NAMED.search(test) or "` `test_" not in test] == []


def test_each_term_of_the_glossary_names_its_place():
    rows = re.findall(r"^\| (.+) \| (.+) \| (.+) \|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    places = {term: place for term, _, place in rows if term != "term"}
    assert len(places) >= 25
    assert [term for term, place in places.items() if not NAMED.search(place)] == []


RUN = {
    "CONTRIBUTING.md": "test_the_commands_of_contributing_are_there, below",
    "README.md": "the tests above",
    "docs/adopt.md": "make newcomer",
    "docs/approval.md": "tests/orchestration/test_pytest_plugin.py, as those below docs/howto/",
    "docs/consensus.md": "tests/integration/test_example_pages.py",
    "docs/content.md": "tests/orchestration/test_pytest_plugin.py, as those below docs/howto/",
    "docs/gateway.md": "tests/integration/test_example_pages.py",
    "docs/operations.md": "tests/integration/test_runbooks.py",
    "docs/production.md": "tests/deploy/test_processes.py",
    "docs/providers.md": "tests/orchestration/providers/conformance/test_document.py",
    "docs/streaming.md": "tests/orchestration/test_pytest_plugin.py, as those below docs/howto/",
    "docs/testing.md": "tests/orchestration/test_pytest_plugin.py, as those below docs/howto/",
    "docs/tools.md": "tests/orchestration/test_pytest_plugin.py, as those below docs/howto/",
    "docs/training.md": "tests/integration/test_example_pages.py",
}
"""Pages with blocks, and what runs them."""
PICTURE = re.compile(r"```text\n.*?```", re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_the_blocks_of_a_document_are_run_or_say_why_not(document):
    text = re.sub(r"<!-- not run: [^>]+-->\s*```.*?```", "", document.read_text(), flags=re.DOTALL)
    is_run = shown(document) in RUN or document.parent.name == "howto"
    assert "```" not in PICTURE.sub("", text) or is_run, "say what runs its blocks, or why they are not run"


def test_the_commands_of_contributing_are_there():
    """They are what CI runs, or one of its tests: make knows how, and the tests are found."""
    commands = [line.partition("#")[0].strip() for block in code("sh", CONTRIBUTING) for line in block.splitlines()]
    assert len(commands) > 2
    for command in commands:
        is_target = command.startswith("make ")
        tried = command.replace("make ", "make --dry-run ") if is_target else f"{command} --collect-only --quiet"
        tried = tried.replace(".venv/bin/python", sys.executable)
        assert subprocess.run(["sh", "-c", tried], cwd=ROOT, capture_output=True).returncode == 0, command


def test_every_document_is_in_the_navigation_of_the_site():
    named = set(re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    documents = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert sorted(documents - named) == []
