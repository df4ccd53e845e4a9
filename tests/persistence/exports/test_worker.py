"""Exports: every format, content behind its right, formulas escaped, in the background, for who asked alone."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from orchestration.content import file_now
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.providers.conformance.contents import PDF
from orchestration.testing import drain
from orchestration.values.spreadsheets import MAX_CELL, escaped, is_formula, unescaped
from persistence.bulk.lease import RunLease
from persistence.bulk.runs import abort, start
from persistence.exports import worker as export_work
from persistence.exports.formats import Xlsx, asked_for
from persistence.exports.requests import estimated_bytes, freeze_export
from persistence.exports.resources import CALLS
from persistence.exports.storage import forget_old_exports
from persistence.exports.worker import Stopped, _Attended, work
from persistence.models import BulkRun, BulkState
from tests.engineapp.orca.services.contents import Looks
from tests.orchestration.admin.rows import answer, succeeded
from tests.orchestration.factories import failed, queued, request_audit

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
FORMULA = '=HYPERLINK("http://evil")'


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.MEDIA_ROOT = tmp_path
    yield


def export(client: Client, model: str, kind: str, *, content: bool = False, query: str = "") -> Any:
    """The downloaded bytes of an export of all that match."""
    page = ask(client, model, kind, content=content, query=query)
    run = BulkRun.objects.latest("pk")
    assert f"/{run.pk}/download/" in page.content.decode(), page.content.decode()[:300]
    return fetched(client, run)


def ask(client: Client, model: str, kind: str, *, content: bool = False, query: str = "") -> Any:
    url = reverse(f"admin:orchestration_{model}_changelist")
    data = {"action": "export_selected", "_selected_action": "any", "select_across": "1", "confirmed": "yes"}
    data |= {"format": kind} | ({"content": "on"} if content else {})
    return client.post(f"{url}{query}", data, follow=True)


def fetched(client: Client, run: BulkRun) -> bytes:
    response = client.get(reverse("admin:persistence_run_download", args=(run.pk,)))
    return b"".join(response.streaming_content) if response.status_code == 200 else b""


def test_content_of_messages_is_referred_to_where_asked_for(root: Client) -> None:
    """By its digest, name and size, with which REST gives the bytes; never themselves."""
    call = submit(CallSpec(service=Looks, context={"shown": [file_now(PDF, name="a.pdf")]}))
    drain()
    digest = hashlib.sha256(PDF).hexdigest()
    for model in ("servicecallrecord", "airequestaudit"):
        assert digest.encode() not in export(root, model, "json")
        told = export(root, model, "json", content=True)
        assert f'"sha256:{digest}"'.encode() in told
        assert b'"a.pdf"' in told
        assert b64encode(PDF)[:40] not in told
    got = root.get(f"/api/v1/service-calls/{call.pk}/content/{digest}")
    assert (got.status_code, got.content) == (200, PDF)


def test_calls_are_exported_in_every_format_with_a_note(root: Client) -> None:
    """Formulas are escaped."""
    failed(error_code=FORMULA, error="-1+1", input={"a": "\x07bell"}), failed()
    rows = list(csv.DictReader(io.StringIO(export(root, "servicecallrecord", "csv").decode("utf-8-sig"))))
    assert [row["error_code"] for row in rows] == [f"'{FORMULA}", "timeout"]
    assert "input" not in rows[0], "content was not asked for"
    told = json.loads(export(root, "servicecallrecord", "json", content=True))
    assert (told[0]["error_code"], told[0]["input"]) == (FORMULA, {"a": "\x07bell"}), "JSON is not a spreadsheet"
    lines = export(root, "servicecallrecord", "jsonl", content=True).decode().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["failed", "failed"]
    sheet = load_workbook(io.BytesIO(export(root, "servicecallrecord", "xlsx", content=True))).active
    header, first, _ = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert first[header.index("error")] == "'-1+1"
    assert first[header.index("attempts")] == 0
    notes = LogEntry.objects.filter(change_message__startswith="Export of 2 calls")
    assert notes.count() == 4
    assert notes.filter(change_message__contains="as csv, without content").exists()


def test_rows_say_the_format_of_their_file_last(root: Client) -> None:
    """Dialogues do not: their format is that of whoever tunes a model with them."""
    failed()
    (line,) = export(root, "servicecallrecord", "jsonl").decode().splitlines()
    assert list(json.loads(line).items())[-1] == ("file_format", CALLS.file_format)
    header, row = export(root, "servicecallrecord", "csv").decode("utf-8-sig").splitlines()
    assert (header.split(",")[-1], row.split(",")[-1]) == ("file_format", "1")
    (header, row) = load_workbook(io.BytesIO(export(root, "servicecallrecord", "xlsx"))).active.values
    assert (header[-1], row[-1]) == ("file_format", 1)
    assert [field.column_name for field in asked_for({"exporter": "requests", "format": "dialogues"})[1].columns] == []


def test_an_export_begun_before_formats_continues_without() -> None:
    options = {"exporter": "calls", "format": "jsonl", "columns": ["id", "status"]}
    assert [field.column_name for field in asked_for(options)[1].columns] == ["id", "status"]


def test_an_exporter_has_a_format_of_its_own() -> None:
    *_, last = dataclasses.replace(CALLS, file_format=2).columns(content=False)
    assert (last.column_name, last.get_value(failed())) == ("file_format", 2)


def test_audits_go_out_as_dialogues_for_fine_tuning(root: Client) -> None:
    call = queued()
    audit = request_audit(call, outcome="answered")
    audit.save()
    answer(audit, outputs=[{"type": "message", "content": [{"type": "output_text", "text": "Call 112."}]}])
    lost = request_audit(call, attempt=2, outcome="unknown")
    lost.save()
    (line,) = export(root, "airequestaudit", "dialogues").decode().splitlines()
    assert json.loads(line)["messages"] == [
        {"role": "user", "content": "The ticket: it burns"},
        {"role": "assistant", "content": "Call 112."},
    ]
    rows = list(csv.DictReader(io.StringIO(export(root, "airequestaudit", "csv").decode("utf-8-sig"))))
    assert [row["latency_ms"] for row in rows] == ["840", ""]
    assert b"Call 112" in export(root, "airesponseaudit", "json", content=True)


def test_content_needs_its_right_and_each_model_its_own(staff: Callable[..., Client]) -> None:
    succeeded(result={"structured_data": {"secret": 1}})
    client = staff("view_servicecallrecord", "export_servicecallrecord", "view_airequestaudit")
    page = client.post(
        reverse("admin:orchestration_servicecallrecord_changelist"),
        {"action": "export_selected", "_selected_action": [ServiceCallRecord.objects.get().pk]},
    ).content.decode()
    assert "With prompts" not in page
    assert "fine-tuning" not in page
    assert b"secret" not in export(client, "servicecallrecord", "json", content=True)
    ask(client, "airequestaudit", "json")
    assert BulkRun.objects.count() == 1, "requests were not exported"


def test_only_who_asked_downloads_it_and_after_a_week_it_is_gone(root: Client, staff: Callable[..., Client]) -> None:
    failed()
    export(root, "servicecallrecord", "csv")
    run = BulkRun.objects.get()
    assert fetched(staff("view_bulkrun", "export_servicecallrecord"), run) == b""
    BulkRun.objects.update(finished_at="2020-01-01T00:00:00Z")
    assert forget_old_exports() == 1
    assert not default_storage.exists(run.file)
    assert fetched(root, run) == b""


def test_a_long_export_waits_for_a_worker_and_can_be_aborted(root: Client, monkeypatch: Any) -> None:
    """It says which rows have gone since."""
    monkeypatch.setattr("persistence.admin.exports.AT_ONCE", 1)
    gone, _ = failed(), failed()
    ask(root, "servicecallrecord", "csv")
    run = BulkRun.objects.get()
    assert (run.state, run.total) == (BulkState.QUEUED, 2)
    gone.delete()
    assert work(run.pk) == 1
    run.refresh_from_db()
    assert run.state == BulkState.DONE
    assert run.items.filter(outcome="gone").count() == 1
    assert fetched(root, run).count(b"\n") == 2
    failed()
    ask(root, "servicecallrecord", "csv")
    other = BulkRun.objects.latest("pk")
    abort(other)
    assert work(other.pk) == 0


def parts() -> list[str]:
    """What is stored of exports that are not finished."""
    folder = Path(default_storage.path("exports/parts"))
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("kind", ["csv", "xlsx", "json", "jsonl"])
def test_a_killed_export_is_still_held_where_it_was(root: Client, monkeypatch: Any, kind: str) -> None:
    monkeypatch.setattr("persistence.admin.exports.AT_ONCE", 0)
    monkeypatch.setattr("persistence.exports.worker.ROWS_AT_ONCE", 2)
    monkeypatch.setattr("persistence.exports.worker.ROWS_IN_PART", 4)
    for number in range(9):
        failed(error=f"line one\nline {number}")
    ask(root, "servicecallrecord", kind, content=True)
    run = BulkRun.objects.get()
    store, asked = export_work.store, []

    def dies_at(number: int) -> Any:
        def stored(*args: Any) -> str:
            asked.append(args)
            if len(asked) == number:
                raise SystemExit
            return store(*args)

        return stored

    for dies_before in (2, 4, 6):  # the second part, the third one, the file
        monkeypatch.setattr(export_work, "store", dies_at(dies_before))
        with pytest.raises(SystemExit):
            work(run.pk)
        BulkRun.objects.update(leased_until="2020-01-01T00:00:00Z")
    assert run.items.filter(outcome="written").count() == 9
    assert len(parts()) == 3
    monkeypatch.setattr(export_work, "store", store)
    assert work(run.pk) == 9
    assert parts() == []
    told = texts(kind, fetched(root, run))
    assert [text.partition(" ")[2][-6:] for text in told] == [f"line {number}" for number in range(9)]


def texts(kind: str, file: bytes) -> list[str]:
    """The column `error`."""
    if kind == "xlsx":
        header, *rows = [[cell.value for cell in row] for row in load_workbook(io.BytesIO(file)).active.iter_rows()]
        return [row[header.index("error")] for row in rows]
    if kind == "csv":
        return [row["error"] for row in csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline=""))]
    return [row["error"] for row in (json.loads(file) if kind == "json" else map(json.loads, file.splitlines()))]


def test_an_export_takes_several_tasks(root: Client, monkeypatch: Any) -> None:
    """A task that lost the run to another keeps nothing."""
    monkeypatch.setattr("persistence.admin.exports.AT_ONCE", 0)
    monkeypatch.setattr("persistence.exports.worker.ROWS_AT_ONCE", 1)
    for _ in range(3):
        failed()
    ask(root, "servicecallrecord", "jsonl")
    run = BulkRun.objects.get()
    turns = iter([True, False, True, True, False, True])
    monkeypatch.setattr(RunLease, "is_still_held", lambda hold: next(turns))
    assert work(run.pk) == 0
    assert run.items.filter(outcome="written").count() == 1
    assert work(run.pk) == 0
    assert run.items.filter(outcome="written").count() == 3

    def overtaken(hold: RunLease) -> bool:
        BulkRun.objects.update(lease_token=99)
        return True

    monkeypatch.setattr(RunLease, "is_still_held", overtaken)
    assert work(run.pk) == 0
    run.refresh_from_db()
    assert (run.state, run.file, len(parts())) == (BulkState.RUNNING, "", 2)
    abort(run)
    forget_old_exports()
    assert parts() == []


def test_a_spreadsheet_too_large_is_refused_and_offered_as_csv(root: Client, monkeypatch: Any) -> None:
    for _ in range(3):
        failed()
    monkeypatch.setattr(Xlsx, "max_bytes", 700)
    page = ask(root, "servicecallrecord", "xlsx").content.decode()
    assert "3 rows of 0.0 GB are too much for XLSX" in page
    assert "Choose CSV, or fewer rows." in page
    assert 'value="xlsx" selected' in page, "one can choose again"
    assert 'name="select_across" value="1"' in page
    assert not BulkRun.objects.exists()
    assert export(root, "servicecallrecord", "csv").count(b"\n") == 4


def test_the_size_is_estimated_from_rows_of_the_whole_list(monkeypatch: Any) -> None:
    """Of what is stored, as it will be, at even distances: here each sampled row stands for three that are alike."""
    monkeypatch.setattr("persistence.exports.requests.SAMPLED_ROWS", 3)
    for length in (1, 500, 40_000):
        for _ in range(3):
            failed(error="x" * length)
    options = {"exporter": "calls", "format": "xlsx", "content": True}
    run = freeze_export(ServiceCallRecord.objects.all(), options, asked={})
    start(run)
    monkeypatch.setattr(Xlsx, "assemble", give_up)
    assert work(run.pk) == 0
    run.refresh_from_db()
    assert len(run.parts) == 1
    assert "RuntimeError" in run.error
    assert estimated_bytes(run) == pytest.approx(default_storage.size(run.parts[0]), rel=0.01)
    assert estimated_bytes(run) > 3 * MAX_CELL


def give_up(*_: Any) -> None:
    raise RuntimeError("given up")


def test_rows_that_grew_too_large_fail_as_soon_as_it_is_known(root: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr("persistence.admin.exports.AT_ONCE", 0)
    failed()
    ask(root, "servicecallrecord", "xlsx")
    monkeypatch.setattr(Xlsx, "max_bytes", 100)
    monkeypatch.setattr(Xlsx, "assemble", give_up)
    run = BulkRun.objects.get()
    assert work(run.pk) == 0
    run.refresh_from_db()
    assert run.state == BulkState.FAILED
    assert "Choose CSV" in run.error
    forget_old_exports()
    assert parts() == []


def test_a_worker_reports_and_can_be_stopped_while_it_merges(root: Client, monkeypatch: Any, tmp_path: Path) -> None:
    """Merging is when it puts the file together."""
    monkeypatch.setattr("persistence.admin.exports.AT_ONCE", 0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    failed()
    ask(root, "servicecallrecord", "xlsx")
    run = BulkRun.objects.get()
    turns = [True, False, *[True] * 3, False, True]  # the rows; their part; then the part and three writes; then it all
    monkeypatch.setattr(RunLease, "is_still_held", lambda hold: turns.pop(0) if len(turns) > 1 else turns[0])
    for _ in range(2):
        assert work(run.pk) == 0
        assert len(parts()) == 1
        assert not list((tmp_path / "temporary").iterdir())
    assert turns == [True]
    assert work(run.pk) == 1
    assert len(load_workbook(io.BytesIO(fetched(root, run))).active["A"]) == 2


def test_a_storage_that_copies_a_file_is_not_stopped_amid() -> None:
    asked: list[str] = []
    with _Attended(TemporaryFile(buffering=0), lambda: bool(asked.append("?"))) as file:
        with pytest.raises(Stopped):
            file.write(b"half")
        file.write(b"what closes it")
        file.seek(0)
        assert file.read() == b"what closes it"
    assert asked == ["?", "?"], "for the first write and for the read"


def test_a_broken_export_fails_and_says_why_without_values(root: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr("persistence.admin.exports.AT_ONCE", 0)
    failed()
    ask(root, "servicecallrecord", "csv")
    run = BulkRun.objects.get()
    BulkRun.objects.update(options=run.options | {"exporter": "nothing"})
    work(run.pk)
    run.refresh_from_db()
    assert run.state == BulkState.FAILED
    assert "Nothing is exported as 'nothing'" in run.error
    BulkRun.objects.update(options=run.options | {"exporter": "calls", "format": "dialogues"}, state=BulkState.PAUSED)
    run.refresh_from_db()
    start(run)
    work(run.pk)
    run.refresh_from_db()
    assert "no dialogues in calls" in run.error


def test_a_cut_cell_says_so_and_a_missing_answer_is_empty(root: Client) -> None:
    failed(error="x" * 40_000)
    sheet = load_workbook(io.BytesIO(export(root, "servicecallrecord", "xlsx", content=True))).active
    values = [cell.value for cell in list(sheet.iter_rows())[1]]
    assert len([value for value in values if isinstance(value, str) and value.endswith(" (cut)")]) == 1
    assert AIRequestAudit.objects.count() == 0


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\r=1"])
def test_what_a_spreadsheet_would_run_is_escaped_and_reversible(text: str) -> None:
    assert escaped(text) == f"'{text}"
    assert unescaped(escaped(text)) == text


def test_plain_text_is_left_alone_and_formulas_are_known() -> None:
    assert [escaped(text) for text in ("a=1", "", "'quoted'")] == ["a=1", "", "'quoted'"]
    formulas = [FORMULA, " =1", "+cmd|' /C calc'!A0", "@SUM(1)", "\t=1"]
    plain = ["- a list", "-5", "+49 30 1", "@name", "a=b"]
    assert [text for text in formulas + plain if is_formula(text)] == formulas
