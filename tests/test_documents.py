"""What the documents claim about the tree is true."""

import re
from pathlib import Path

import pytest

from orchestration.providers.faults import Fault
from orchestration.providers.simulator import scripted
from orchestration.testing import run_due_calls
from tests.seedapp.models import Message
from tests.seedapp.orca.readme import GenerateTicketAnswer

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def code(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_example_of_the_readme_is_the_code_that_the_tests_run():
    (example,) = code("python")
    assert example in (ROOT / "tests/seedapp/orca/readme.py").read_text()
    statements = [line for line in example.splitlines() if line.strip()]
    assert len(statements) <= 25


@pytest.mark.django_db
def test_the_example_of_the_readme_makes_its_row():
    GenerateTicketAnswer.using(context={"ticket": "The export button does nothing."}).enqueue_now()
    with scripted(Fault(kind="json", data={"answer": "We are on it.", "urgent": True})):
        run_due_calls()
    message = Message.objects.get()
    assert (message.text, message.meta) == ("We are on it.", {"urgent": True})


def test_the_commands_of_the_readme_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z]+)", README))
    assert {"run", "test", "check"} <= named
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_links_to_exists(document):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_code_that_a_document_names_exists(document):
    """`folder/file.py` `name`: the file is there and defines the name."""
    bases = [ROOT, ROOT / "orchestration", ROOT / "persistence"]
    for path, name in re.findall(r"`([a-z_/]+\.py)`(?: `([A-Za-z_.]+)`)?", document.read_text()):
        files = [base / path for base in bases if (base / path).exists()]
        assert files, f"{document.name} names {path}"
        assert not name or re.search(rf"(def|class) {name}\b", files[0].read_text()), f"{path} has no {name}"
