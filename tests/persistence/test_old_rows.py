"""Rows as the version wrote them that froze the migrations: this version reads, runs, persists and exports them.

The file holds them as SQLite gave them, column by column: a call of each kind, its audits, its chunk and its object.
"""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connection

from orchestration.engine.worker.rescuer import rescue
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.models.audits import Outcome
from orchestration.testing import assert_failed, assert_persisted, drain, scripted_provider
from persistence.exports.formats import FORMATS, asked_for
from persistence.exports.resources import CALLS as EXPORTED_CALLS
from persistence.exports.resources import REQUESTS, RESPONSES
from persistence.models import PersistedChunk, PersistedObject
from persistence.provenance import call_for
from persistence.reprocessing.reports import Policy
from persistence.reprocessing.reprocess import dry_run
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ROWS = json.loads(Path(__file__).with_name("rows_of_the_first_frozen_version.json").read_text())
CALLS = ROWS["calls"]


@pytest.fixture(autouse=True)
def old_rows():
    types = {}
    for key, name in ROWS["content_types"].items():
        app, model = name.split(".")
        types[int(key)] = ContentType.objects.get_by_natural_key(app, model).pk
    for table, rows in ROWS["tables"].items():
        for row in rows:
            insert(table, {name: types[value] if "content_type_id" in name and value else value
                           for name, value in row.items()})  # fmt: skip
    renumber()


def renumber():
    """Let sequences begin after the keys that were inserted."""
    models = [AIRequestAudit, AIResponseAudit, PersistedChunk, PersistedObject, Message]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)


KINDS = "SELECT column_name, udt_name FROM information_schema.columns WHERE table_name = %s"


def insert(table, row):
    """Past the ORM, which knows neither the columns that it lost since then nor values as they are stored."""
    places, values = dict.fromkeys(row, "%s"), list(row.values())
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(KINDS, [table])
            places = {name: f"CAST(%s AS {kind})" for name, kind in cursor.fetchall() if name in row}
            values = [None if row[name] is None else str(row[name]) for name in places]
        names = ", ".join(f'"{name}"' for name in places)
        cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join(places.values())})", values)  # noqa: S608


def call(name):
    return ServiceCallRecord.objects.get(pk=CALLS[name])


@pytest.mark.parametrize("name", [name for name, row in CALLS.items() if name not in {"failed", "answered", "queued"}])
def test_a_result_is_read(name):
    response = call(name).response()
    assert response.call_id == CALLS[name]
    assert response.structured_data["answer"].startswith("Answer")
    assert response.execution_metadata.schema_version == 1


def test_a_result_of_a_newer_version_is_read_all_the_same():
    """While both run: what a newer version adds to results fails nothing."""
    record = call("pending")
    newer = {**record.result, "from_a_newer_version": 1}
    newer["execution_metadata"] = {**newer["execution_metadata"], "from_a_newer_version": 1}
    ServiceCallRecord.objects.filter(pk=record.pk).update(result=newer)
    with scripted_provider(strict=True):
        drain()
    assert_persisted(record, Message)


def test_a_result_that_waits_is_persisted():
    with scripted_provider(strict=True):
        drain()
    assert [each.text for each in assert_persisted(CALLS["pending"], Message)] == ["Answer 4."]


def test_what_waits_is_run():
    with scripted_provider(strict=True) as provider:
        provider.answer({"answer": "Now.", "urgent": True})
        drain()
    assert [each.text for each in assert_persisted(CALLS["queued"], Message)] == ["Now."]


def test_a_stored_answer_of_a_dead_worker_is_used():
    """Its worker died between the answer and the end: this version continues without asking the model again."""
    rescue(lambda _: None)
    ServiceCallRecord.objects.filter(pk=CALLS["queued"]).delete()
    with scripted_provider(strict=True) as provider:
        drain(scheduled=True)
    assert provider.requests == []
    assert [each.text for each in assert_persisted(CALLS["answered"], Message)] == ["Answer 5."]


def test_what_was_persisted_is_known_and_persisted_again():
    (message,) = assert_persisted(CALLS["persisted"], Message)
    assert call_for(message).pk == CALLS["persisted"]
    assert dry_run(CALLS["persisted"]).outcome == "kept"
    assert dry_run(CALLS["persisted"], Policy.RECREATE).outcome == "unchanged"


def test_a_failure_keeps_its_code():
    assert assert_failed(CALLS["failed"]).error_code == "refused"


def test_audits_are_read_with_their_repairs():
    repaired = AIRequestAudit.objects.filter(call=CALLS["repaired"]).order_by("repair")
    assert [audit.outcome for audit in repaired] == [Outcome.ANSWERED] * 2
    assert repaired[1].repair_of == repaired[0]
    for answer in AIResponseAudit.objects.all():
        assert answer.usage.total_tokens > 0
        assert answer.raw["model"]


@pytest.mark.parametrize(
    ("exporter", "form"),
    [
        *((each, form) for each in (EXPORTED_CALLS, REQUESTS, RESPONSES) for form in FORMATS if form != "dialogues"),
        (REQUESTS, "dialogues"),
    ],
)
def test_all_is_exported(exporter, form):
    keys = [str(key) for key in exporter.model.objects.values_list("pk", flat=True)]
    rows, unreadable = exporter.read(keys, content=True)
    _, format_ = asked_for({"exporter": exporter.name, "format": form, "content": True})
    assert (len(rows), unreadable) == (6, {})
    assert format_.write_part(StringIO(newline=""), rows).failed == {}
