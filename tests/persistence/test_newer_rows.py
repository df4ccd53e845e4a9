"""Rows that a newer version wrote in a format that this one does not know: left alone, with the advice to upgrade.

That rows from before there were formats are read is in test_old_rows.py.
"""

from __future__ import annotations

import logging

import pytest
from django.db.models import QuerySet

from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.errors import WrittenByNewerVersion
from orchestration.fault_injection import armed
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.models.format_version import refuse_newer, refuse_newer_format
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import assert_persisted, drain
from persistence.bulk import worker
from persistence.bulk.runs import freeze, start, wake_forgotten
from persistence.errors import BulkRefused
from persistence.exports.formats import asked_for
from persistence.exports.requests import freeze_export
from persistence.exports.resources import CALLS
from persistence.models import BulkRun, BulkState, PersistedChunk
from persistence.operations import REPROCESS
from persistence.reprocessing.reprocess import dry_run, revert
from tests.engineapp.orca.services.triage import Triage
from tests.orchestration.engine.execution.test_executor import GOOD, TICKET, _die, _expire_and_rescue
from tests.orchestration.engine.execution.test_executor import run as run_call
from tests.persistence.reprocessing.test_reprocess import memo
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
NEWER = 9


def written_in(version):
    """The answers, which are append-only to everybody else."""
    QuerySet.update(AIResponseAudit.objects.all(), format_version=version)


def test_what_is_written_now_says_its_version():
    call, _ = run_call(Triage)
    memo("a")
    drain()
    freeze(REPROCESS, {})
    for model, version in {AIRequestAudit: 1, AIResponseAudit: 1, PersistedChunk: 1, BulkRun: 2}.items():
        assert set(model.objects.values_list("format_version", flat=True)) == {version}, model
    assert "format_version" not in call.result  # the first needs none


def test_a_missing_version_is_the_first_and_a_newer_one_is_named():
    for known in (None, 0, 1):
        refuse_newer_format("it", known, 1)
    with pytest.raises(WrittenByNewerVersion, match=r"It was written by a newer version \(format 9; .* knows 1\): upg"):
        refuse_newer_format("it", NEWER, 1)
    with pytest.raises(WrittenByNewerVersion, match="AI request None"):
        refuse_newer(AIRequestAudit(format_version=NEWER))


def test_an_answer_in_a_newer_format_is_not_paid_for_twice():
    record = submit(CallSpec(service=Triage, context=TICKET))
    with scripted(Fault(kind="json", data=GOOD)), armed("after_store", _die):
        drain()
    _expire_and_rescue(record)
    written_in(NEWER)
    with scripted() as older:
        drain()
    record.refresh_from_db()
    assert (record.status, record.error_code, record.judged_attempts, record.failures) == (
        "queued",
        "newer_version",
        0,
        0,
    )
    assert "upgrade this process" in record.error
    written_in(1)
    with scripted() as newer:
        drain(scheduled=True)
    record.refresh_from_db()
    assert (record.status, record.result["structured_data"], record.error) == ("succeeded", GOOD, None)
    assert [*older.request_log.entries, *newer.request_log.entries] == []


def test_a_result_in_a_newer_format_waits_for_a_newer_worker():
    record = memo("a")
    ServiceCallRecord.objects.update(result={**record.result, "format_version": NEWER})
    drain()
    record.refresh_from_db()
    assert (record.domain_persist_state, Message.objects.count()) == ("pending", 0)
    assert "upgrade this process" in record.domain_persist_error
    assert "upgrade this process" in dry_run(record.pk).error
    ServiceCallRecord.objects.update(result={**record.result, "format_version": 1})
    drain(scheduled=True)
    assert_persisted(record, Message)


def test_a_chunk_in_a_newer_format_is_not_reverted():
    record = memo("a")
    drain()
    PersistedChunk.objects.update(format_version=NEWER)
    report = revert(record.pk)
    assert (report.outcome, "upgrade this process" in report.error) == ("refused", True)
    PersistedChunk.objects.update(format_version=None)  # from before there were versions
    assert revert(record.pk).outcome == "reverted"


def test_a_bulk_run_in_a_newer_format_stays_for_a_newer_worker(caplog):
    memo("a")
    run = freeze(REPROCESS, {})
    start(run)
    BulkRun.objects.update(format_version=NEWER)
    with caplog.at_level(logging.WARNING):
        assert worker.work(run.pk) == 0
    assert "upgrade this process" in caplog.text
    run.refresh_from_db()
    assert (run.state, run.leased_until) == (BulkState.QUEUED, None)
    BulkRun.objects.update(format_version=None)
    wake_forgotten()
    assert worker.work(run.pk) == 1


def test_an_export_keeps_the_columns_that_it_began_with():
    """Parts of two versions go into one file."""
    memo("a")
    run = freeze_export(ServiceCallRecord.objects.all(), {"exporter": CALLS.name, "format": "csv"}, asked={})
    named = run.options["columns"]
    assert named == [field.column_name for field in CALLS.columns(content=False)]
    _, form = asked_for({**run.options, "columns": named[:2]})  # as a version began it that had no more
    assert [field.column_name for field in form.columns] == named[:2]
    _, form = asked_for({"exporter": CALLS.name, "format": "csv"})  # from before columns were kept
    assert len(form.columns) == len(named)
    with pytest.raises(BulkRefused, match="calls has no column from_the_future here: another version"):
        asked_for({**run.options, "columns": [*named, "from_the_future"]})
