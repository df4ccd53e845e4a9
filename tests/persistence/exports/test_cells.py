"""Exports of rows that cannot be written as they are, or not at all: the others are delivered, and these are named."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import connection, connections
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook

from orchestration.models import ServiceCallRecord
from orchestration.values.spreadsheets import MAX_CELL
from persistence.bulk.runs import start
from persistence.exports.cells import Cells
from persistence.exports.formats import FORMATS
from persistence.exports.registry import Exporter
from persistence.exports.requests import freeze_export
from persistence.exports.worker import work
from persistence.models import BulkRun, BulkState
from tests.orchestration.factories import failed

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
KINDS = ["csv", "xlsx", "json", "jsonl"]
CONTROLS = "".join(map(chr, [*range(32), 127, 0xFFFE, 0xFFFF]))


class Column:
    """A column of an export, whose values a test makes up."""

    def __init__(self, name: str, value: Any) -> None:
        self.column_name, self._value = name, value

    def get_value(self, row: Any) -> Any:
        return self._value(row) if callable(self._value) else self._value


@pytest.fixture(autouse=True)
def own_folder(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.MEDIA_ROOT = tmp_path
    yield


def exported(kind: str, monkeypatch: pytest.MonkeyPatch, *columns: Column) -> tuple[BulkRun, list[dict[str, Any]]]:
    """An export of all calls with these columns: the run, and the rows of its file."""
    if columns:
        monkeypatch.setattr(Exporter, "columns", lambda self, **_: list(columns))
    options = {"exporter": "calls", "format": kind, "content": True}
    run = freeze_export(ServiceCallRecord.objects.order_by("pk"), options, asked={})
    start(run)
    work(run.pk)
    run.refresh_from_db()
    assert (run.state, run.error) == (BulkState.DONE, "")
    with default_storage.open(run.file) as file:
        return run, rows_of(kind, file.read())


def rows_of(kind: str, file: bytes) -> list[dict[str, Any]]:
    if kind == "csv":
        return list(csv.DictReader(io.StringIO(file.decode("utf-8-sig"), newline="")))
    if kind == "xlsx":
        header, *rows = [[cell.value for cell in row] for row in load_workbook(io.BytesIO(file)).active.iter_rows()]
        return [dict(zip(header, row, strict=True)) for row in rows]
    return orjson.loads(file) if kind == "json" else [orjson.loads(line) for line in file.splitlines()]


def broken(row: Any) -> str:
    if row.error == "bad":
        raise ValueError(f"no such thing: {row.error}")
    return "fine"


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_cannot_be_written_is_named_and_left_out(
    kind: str, monkeypatch: pytest.MonkeyPatch, root: Client
) -> None:
    good, bad, other = failed(), failed(error="bad"), failed()
    run, rows = exported(kind, monkeypatch, Column("id", lambda row: row.pk), Column("odd", broken))
    assert [row["id"] for row in rows] == sorted([good.pk, other.pk])
    item = run.items.get(call_id=bad.pk)
    assert (item.outcome, run.items.filter(outcome="written").count()) == ("failed", 2)
    assert item.error.startswith("Column odd: ValueError:test_cells.py")
    assert "no such thing" not in item.error
    page = root.get(reverse("admin:persistence_bulkrun_change", args=(run.pk,))).content.decode()
    assert "Column odd: ValueError" in page
    assert bad.pk in page


def test_a_dialogue_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = failed(), failed(error="bad")
    calls = Exporter(
        name="calls",
        model=ServiceCallRecord,
        permission="x",
        resource=None,
        dialogue=lambda row: {"messages": broken(row)},
    )
    monkeypatch.setattr("persistence.exports.formats.exporter", lambda name: calls)
    run, rows = exported("dialogues", monkeypatch)
    assert rows == [{"messages": "fine"}]
    assert run.items.get(call_id=bad.pk).error.startswith("Column messages: ValueError")
    assert run.items.get(call_id=good.pk).outcome == "written"


@pytest.mark.parametrize("kind", KINDS)
def test_a_time_that_cannot_be_read_is_left_out_and_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    good, bad = failed(), failed()
    moment = "0001-12-31 23:00:00+00 BC" if connection.vendor == "postgresql" else "2024-13-45 00:00:00"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE service_call_record SET finished_at = %s WHERE id = %s", [moment, bad.pk])
    run, rows = exported(kind, monkeypatch)
    times = {row["id"]: row["finished_at"] for row in rows}
    assert not times[bad.pk]
    assert times[good.pk]
    told = dict(run.items.values_list("call_id", "error"))
    assert told == {good.pk: "", bad.pk: "finished_at: what is stored cannot be read"}


@pytest.mark.django_db(transaction=True)
def test_a_row_that_fails_leaves_no_cursor_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one, SQLite refuses this connection's next write as locked, because somebody else wrote meanwhile."""
    for number in range(60):
        failed(error="bad" if number == 3 else "")
    run, rows = exported("csv", monkeypatch, Column("odd", write_beside))
    assert (len(rows), run.items.filter(outcome="failed").count()) == (59, 1)
    assert ServiceCallRecord.objects.filter(error="beside").count() == 1


def write_beside(row: Any) -> str:
    if row.error == "bad":
        with ThreadPoolExecutor(1) as thread:
            thread.submit(_write).result()
    return broken(row)


def _write() -> None:
    failed(error="beside")
    connections.close_all()


def line(kind: str, value: Any) -> tuple[Any, str]:
    """What a value becomes in a file, and what is noted."""
    form, cells = FORMATS[kind]([Column("odd", value)]), Cells(SimpleNamespace(pk=1))
    part, whole = io.StringIO(newline=""), io.BytesIO()
    part.write(form.line(cells))
    form.assemble(iter([File(io.BytesIO(part.getvalue().encode()))]), whole)
    (row,) = rows_of(kind, whole.getvalue())
    return row["odd"], cells.as_text()


ODD = [
    ("a\ud800b", "a\\ud800b", "lone surrogates escaped"),
    ({"a": ["\udfff", {"\ud800": 1}]}, {"a": ["\\udfff", {"\\ud800": 1}]}, "lone surrogates escaped"),
    (float("nan"), "NaN", "not a finite number"),
    (float("inf"), "Infinity", "not a finite number"),
    ({"a": [float("-inf")]}, {"a": ["-Infinity"]}, "not a finite number"),
    (Decimal("NaN"), "NaN", ""),
    (Decimal("-1.50"), "-1.50", ""),
    (memoryview(b"\x00\xff"), "AP8=", ""),
    (b"ab", "YWI=", ""),
    (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), "0001-01-01T00:00:00+14:00", ""),
    (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), None, ""),
    (date(1899, 12, 31), "1899-12-31", ""),
    (time(1, 2, tzinfo=UTC), "01:02:00+00:00", ""),
    (True, None, ""),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("value", "expected", "noted"), ODD)
def test_what_a_format_cannot_hold_is_approximated(kind: str, value: Any, expected: Any, noted: str) -> None:
    found, told = line(kind, value)
    if isinstance(value, dict) and kind in {"csv", "xlsx"}:
        found = json.loads(found)
    assert told == (f"odd: {noted}" if noted else "")
    if expected is not None:
        assert found in (expected, f"'{expected}") if isinstance(value, float) else found == expected


@pytest.mark.parametrize("kind", KINDS)
def test_control_characters_spoil_no_file(kind: str) -> None:
    found, told = line(kind, f"a{CONTROLS}b")
    assert found.startswith("a")
    assert found.endswith("b")
    assert "\x7f" in found
    if kind == "xlsx":
        assert "\ufffe" not in found
        assert found.count("\N{REPLACEMENT CHARACTER}") == 31
        assert told == "odd: control characters replaced"
    elif kind == "csv":
        assert "\x00" not in found
        assert told == "odd: NUL replaced"
    else:
        assert (found, told) == (f"a{CONTROLS}b", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "'=1", "''-1"])
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_formulas_are_text(kind: str, text: str) -> None:
    found, told = line(kind, text)
    assert found.replace("\r", "\n") == f"'{text}".replace("\r", "\n")
    assert told == ""


@pytest.mark.parametrize(
    "text", ["x" * MAX_CELL, "x" * (MAX_CELL + 1), "\N{PILL}" * 20_000, "x\N{PILL}" * 11_000, "\N{PILL}" * 16_383]
)
def test_no_cell_is_longer_than_a_spreadsheet_takes(text: str) -> None:
    found, told = line("xlsx", text)
    units = len(text.encode("utf-16-le")) // 2
    assert len(found.encode("utf-16-le")) // 2 <= MAX_CELL
    assert (found == text) is (units <= MAX_CELL)
    assert told == ("" if units <= MAX_CELL else "odd: cut at 32,767 characters")
    assert text.startswith(found.removesuffix(" (cut)"))


@pytest.mark.parametrize("number", [10**15, -(10**18), 10**400, 2**63])
def test_a_number_that_a_spreadsheet_would_round_is_text_there(number: int) -> None:
    assert line("xlsx", number) == (str(number), "")
    assert line("csv", number) == (str(number), "")
    assert line("xlsx", 10**15 - 1) == (10**15 - 1, "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_that_nothing_can_be_done_about_names_its_column(kind: str) -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    form = FORMATS[kind]([Column("good", 1), Column("odd", nested)])
    written = form.write_part(io.StringIO(), [SimpleNamespace(pk=7)])
    assert written.keys == set()
    assert written.failed["7"].startswith("Column odd: RecursionError")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_changed_is_counted_and_named(kind: str, monkeypatch: pytest.MonkeyPatch, root: Client) -> None:
    plain, odd = failed(), failed(error="odd")
    value = Column("text", lambda row: "\ud800" if row.error else "fine")
    run, rows = exported(kind, monkeypatch, Column("id", lambda row: row.pk), value)
    assert {row["id"]: row["text"] for row in rows} == {plain.pk: "fine", odd.pk: "\\ud800"}
    item = run.items.get(outcome="changed")
    assert (item.call_id, item.error) == (odd.pk, "text: lone surrogates escaped")
    page = root.get(reverse("admin:persistence_bulkrun_change", args=(run.pk,))).content.decode()
    assert "text: lone surrogates escaped" in page
