"""A backup holds everything, a restore proves it, and whatever is wrong with either is said."""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from orchestration.backup import contents
from orchestration.backup.copies import _connection_to
from orchestration.models import AIRequestAudit, ServiceCallRecord
from tests.orchestration.factories import queued, request_audit, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres, pytest.mark.slow]
ODD = {"ticket": "it “burns”, ünd\n\u2028 1e400 \\x00"}


@pytest.fixture
def other(tmp_path: Path) -> Iterator[str]:
    """The name of a database that does not exist, beside the test database."""
    name = f"restored_{uuid.uuid4().hex[:12]}" if connection.vendor == "postgresql" else str(tmp_path / "other.sqlite3")
    yield name
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(20):
        request_audit(running(context={**ODD, "number": number})).save()
    return tmp_path / "backup"


def say(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_a_backup_is_restored_into_another_database(folder, other):
    made = say("backup", str(folder))
    queued()  # after the backup
    counts = made.removeprefix("backed up ").partition(":")[0]
    assert say("restore", str(folder), "--name", other) == f"restored {counts}, all as they were backed up\n"
    target = _connection_to(other)
    with target.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM service_call_record")
        assert cursor.fetchone() == (20,)
    target.close()
    assert ServiceCallRecord.objects.count() == 21
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_the_restored_database_takes_the_next_row(folder, other):
    """Sequences are in the copy, too."""
    say("backup", str(folder))
    say("restore", str(folder), "--name", other)
    before, name = set(AIRequestAudit.objects.values_list("pk", flat=True)), connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = other
    try:
        added = request_audit(queued())
        added.save()
        assert added.pk not in before
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name


def test_what_differs_from_the_manifest_is_named(folder, other):
    say("backup", str(folder))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["tables"]["service_call_record"]["rows"] += 1
    manifest["tables"]["ai_request_audit"]["digest"] = "0" * 16
    manifest["tables"]["of_yesterday"] = {"rows": 1, "digest": "0" * 16}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CommandError) as refused:
        say("restore", str(folder), "--name", other)
    for said in ("service_call_record has 20 rows, not 21", "contents differ", "of_yesterday is missing"):
        assert said in str(refused.value)


def test_a_newer_backup_is_refused_with_the_remedy(folder, other):
    """One without a format is of the first."""
    say("backup", str(folder))
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))
    with pytest.raises(CommandError, match=r"A newer version wrote .*format 2; 1 is .*Upgrade this installation"):
        say("restore", str(folder), "--name", other)
    del manifest["format"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    say("restore", str(folder), "--name", other)


def test_a_damaged_or_incomplete_backup_is_refused(folder, other):
    say("backup", str(folder))
    (copy,) = [path for path in folder.iterdir() if path.name != "manifest.json"]
    with copy.open("r+b") as file:
        file.seek(copy.stat().st_size // 2)
        file.write(os.urandom(16))
    with pytest.raises(CommandError, match="damaged"):
        say("restore", str(folder), "--name", other)
    copy.unlink()
    with pytest.raises(CommandError, match="not a complete backup"):
        say("restore", str(folder), "--name", other)


def test_nothing_is_overwritten(folder):
    say("backup", str(folder))
    with pytest.raises(CommandError, match="exists"):
        say("backup", str(folder))
    with pytest.raises(CommandError, match="is not empty"):
        say("restore", str(folder))


def test_a_copy_that_cannot_be_written_leaves_no_backup(folder, monkeypatch):
    monkeypatch.setattr(contents, "_share", lambda rows: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        say("backup", str(folder))
    assert not folder.exists()


def test_a_change_of_one_value_changes_the_digest(folder):
    before = contents.contents(connection)
    ServiceCallRecord.objects.filter(pk=ServiceCallRecord.objects.first().pk).update(priority=7)
    after = contents.contents(connection)
    assert {name for name in before if before[name] != after[name]} == {"service_call_record"}


def test_of_large_tables_a_sample_is_compared(folder, monkeypatch):
    monkeypatch.setattr(contents, "SAMPLED_ROWS", 10)
    table = contents.contents(connection)["service_call_record"]
    ServiceCallRecord.objects.update(priority=7)
    changed = contents.contents(connection)["service_call_record"]
    assert (table.rows, changed.rows) == (20, 20)
    assert contents._share(20) == contents.PARTS // 2
    assert table.digest != changed.digest


@pytest.mark.postgres_only
def test_missing_programs_are_named(folder, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CommandError, match="pg_dump is not installed"):
        say("backup", str(folder))
    assert not folder.exists()
