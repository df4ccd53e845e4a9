"""The first service that `orca_init` writes into an app; `make newcomer` runs what it wrote."""

import ast

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command


@pytest.fixture
def app(tmp_path, monkeypatch):
    (tmp_path / "models.py").write_text("from django.db import models\n")
    monkeypatch.setattr(apps.get_app_config("seedapp"), "path", str(tmp_path))
    return tmp_path


def test_it_writes_code_that_can_be_read(app):
    call_command("orca_init", "seedapp", name="CaseNote", verbosity=0)
    written = sorted(str(path.relative_to(app)) for path in app.rglob("*.py"))
    assert written == ["models.py", "orca/__init__.py", "orca/case_note.py", "test_case_note.py"]
    classes = {
        node.name for path in app.rglob("*.py") for node in ast.parse(path.read_text()).body if hasattr(node, "name")
    }
    assert {"CaseNote", "CaseNoteSchema", "CaseNoteSection", "GenerateCaseNote", "CaseNotePersistence"} <= classes
    assert (app / "models.py").read_text().count("import models") == 1


def test_it_overwrites_nothing(app):
    call_command("orca_init", "seedapp", verbosity=0)
    with pytest.raises(CommandError, match="choose another --name"):
        call_command("orca_init", "seedapp", verbosity=0)
    assert (app / "models.py").read_text().count("class TicketAnswer") == 1


@pytest.mark.parametrize(("label", "name"), [("nowhere", "Note"), ("seedapp", "a note"), ("seedapp", "9")])
def test_what_it_cannot_write_is_refused(app, label, name):
    with pytest.raises(CommandError):
        call_command("orca_init", label, name=name)
