"""Files that come in through the admin: understood, or refused by row, column and reason; never a path, never a 500."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import ApiKey
from apps.consensus.models import Persona, PromptSet
from apps.trainerlab.models import ScenarioTemplate
from orchestration.models import ModelPrice, PromptText
from tests.apps.people import person
from tests.orchestration.admin.test_import_export import PRICES, confirm, html, preview

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
CSV, XLSX, TSV, JSON = "0", "1", "2", "3"
ROW = ["p", "m", "2024-01-01T00:00:00Z", "1", "0.5", "2", "USD"]
NAMES = PRICES.strip().split(",")
ROOT = Path(__file__).resolve().parents[3]


def said(page: Any) -> str:
    """The words of a page, without markup."""
    assert page.status_code == 200
    text = unescape(re.sub(r"\s+", " ", re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", html(page), flags=re.S)))
    assert str(ROOT) not in text
    assert "site-packages" not in text
    assert "Traceback" not in text
    return text


def line(**cells: Any) -> str:
    return ",".join(f'"{cells.get(name, value)}"' for name, value in zip(NAMES, ROW, strict=True)) + "\n"


def workbook(*rows: list[Any]) -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def as_json(**cells: Any) -> str:
    return json.dumps([dict(zip(NAMES, ROW, strict=True)) | cells])


GOOD: dict[str, tuple[str | bytes, str]] = {
    "iso": (PRICES + line(), CSV),
    "iso with an offset": (PRICES + line(valid_from="2024-01-01T02:00:00+02:00"), CSV),
    "a space": (PRICES + line(valid_from="2024-01-01 00:00:00"), CSV),
    "minutes": (PRICES + line(valid_from="2024-01-01 00:00"), CSV),
    "a date": (PRICES + line(valid_from="2024-01-01"), CSV),
    "microseconds": (PRICES + line(valid_from="2024-01-01T00:00:00.000000Z"), CSV),
    "semicolons": ((PRICES + line()).replace(",", ";"), CSV),
    "tabs": ((PRICES + line()).replace(",", "\t"), CSV),
    "tsv": ((PRICES + line()).replace(",", "\t"), TSV),
    "blank lines": ("\n" + PRICES + line() + "\n\n,,,,,,\n , ,,,,,\n", CSV),
    "blank columns": ("".join(f"{text},,\n" for text in (PRICES + line()).splitlines()), CSV),
    "a blank row": (PRICES + ",,,,,,\n" + line(), CSV),
    "crlf": ((PRICES + line()).replace("\n", "\r\n"), CSV),
    "spaces": (PRICES.replace(",", " , ") + line(input_per_million=" 1 "), CSV),
    "bom": ((PRICES + line()).encode("utf-8-sig"), CSV),
    "utf-16": ((PRICES + line()).encode("utf-16"), CSV),
    "no optional column": ("provider,model,valid_from,input_per_million,cached_input_per_million,output_per_million\n"
                           "p,m,2024-01-01T00:00:00Z,1,0.5,2\n", CSV),
    "json": (as_json(), JSON),
    "json numbers": (as_json(input_per_million=1, cached_input_per_million=0.5), JSON),
    "json in another order": (json.dumps([dict(reversed(list(zip(NAMES, ROW, strict=True))))]), JSON),
    "workbook": (workbook(NAMES, ["p", "m", datetime(2024, 1, 1), 1, 0.5, 2.0, "USD"], [None] * 9), XLSX),
    "workbook of text": (workbook([*NAMES, None], [*ROW, None]), XLSX),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.sampled(5)
def test_what_is_meant_is_understood(root: Client, name: str) -> None:
    content, kind = GOOD[name]
    page = preview(root, "modelprice", content, kind)
    assert "process_import" in html(page), said(page)[-900:]
    confirm(root, "modelprice", page)
    price = ModelPrice.objects.get()
    assert (price.provider, price.model, price.currency) == ("p", "m", "USD")
    assert price.valid_from == datetime(2024, 1, 1, tzinfo=UTC)
    assert (price.input_per_million, price.cached_input_per_million) == (Decimal(1), Decimal("0.5"))


NUL = "\x00"
BAD: dict[str, tuple[str | bytes, str, str]] = {
    "decimal comma": (PRICES + line() + line(model="n", input_per_million="2,5"), CSV,
                      "input_per_million: is not a number: write it with a decimal point"),
    "thousands": (PRICES + line(input_per_million="1,000.5"), CSV, "input_per_million: is not a number"),
    "decimal comma, semicolons": ((PRICES + line()).replace(",", ";").replace('"0.5"', '"0,5"'), CSV,
                                  "cached_input_per_million: is not a number: write it with a decimal point"),
    "no number": (PRICES + line(output_per_million="much"), CSV, "output_per_million: is not a number"),
    "nan": (PRICES + line(output_per_million="NaN"), CSV, "output_per_million: is not a number"),
    "infinity": (PRICES + line(output_per_million="-Infinity"), CSV, "output_per_million: is not a number"),
    "underscores": (PRICES + line(output_per_million="1_0"), CSV, "output_per_million: is not a number"),
    "other digits": (PRICES + line(output_per_million="\N{ARABIC-INDIC DIGIT THREE}"), CSV, "is not a number"),
    "a huge number": (PRICES + line(output_per_million="1" + "0" * 400), CSV, "output_per_million: Ensure that"),
    "an exponent": (PRICES + line(output_per_million="1e999"), CSV, "output_per_million: Ensure that"),
    "a word for a date": (PRICES + line(valid_from="soon"), CSV, "valid_from: is not a date and time: write it like"),
    "month 13": (PRICES + line(valid_from="2024-13-01T00:00:00Z"), CSV, "valid_from: is not a date and time"),
    "31.12.": (PRICES + line(valid_from="31.12.2024"), CSV, "valid_from: is not a date and time"),
    "year 10000": (PRICES + line(valid_from="10000-01-01T00:00:00Z"), CSV, "valid_from: is not a date and time"),
    "year 1": (PRICES + line(valid_from="0001-01-01T00:00:00+14:00"), CSV, "valid_from: must be between the years"),
    "year 9999": (PRICES + line(valid_from="9999-12-31T23:59:59-14:00"), CSV, "valid_from: must be between the years"),
    "no date": (PRICES + line(valid_from=""), CSV, "valid_from: must not be empty"),
    "nul": (PRICES + line(model=f"a{NUL}b"), CSV, "model: holds NUL"),
    "a formula": (PRICES + line(model="=1+1"), CSV, "model: This cell is a formula"),
    "too long": (PRICES + line(model="x" * 1000), CSV, "model: Ensure this value has at most"),
    "latin-1": ((PRICES + line(model="caf\xe9")).encode("latin-1"), CSV, "Line 2 is not UTF-8"),
    "half a utf-16": ((PRICES + line()).encode("utf-16")[:-1], CSV, "is not UTF-16"),
    "missing": ("provider,model\np,m\n", CSV, "The column valid_from is missing."),
    "unknown": (PRICES.replace("output_per", "ouput_per") + line(), CSV, "There is no column ouput_per_million here."),
    "doubled": (PRICES.strip() + ",model\n" + line().strip() + ",n\n", CSV, "There is more than one column model."),
    "unnamed": (PRICES.strip() + ",\n" + line().strip() + ",n\n", CSV, "Column 8 has no name"),
    "too many cells": (PRICES + line() + line().strip() + ",n\n", CSV, "Row 2 has 8 cells, but there are 7 columns."),
    "empty": (b"\n", CSV, "The file is empty"),
    "names only": (PRICES, CSV, "No valid data to import"),
    "a quote": (PRICES + '"p,m', CSV, "Line 2 cannot be read: unexpected end of data."),
    "json as csv": (as_json(), CSV, "No valid data to import"),
    "csv as json": (PRICES + line(), JSON, "The file is not JSON: Expecting value in line 1."),
    "csv as workbook": (PRICES + line(), XLSX, "is not an XLSX workbook"),
    "workbook as csv": (workbook(NAMES, ROW), CSV, "is not UTF-8"),
    "workbook as json": (workbook(NAMES, ROW), JSON, "is not UTF-8"),
    "list of lists": ("[[1,2]]", JSON, "Row 1 is not an object"),
    "an object": ('{"provider": "p"}', JSON, "must be a list of objects"),
    "a number": ("7", JSON, "must be a list of objects"),
    "an empty list": ("[]", JSON, "The file is empty"),
    "empty objects": ("[{}]", JSON, "The file is empty"),
    "deep": ("[" * 20_000, JSON, "it is too deep"),
    "a long number": (f"[{'1' * 5000}]", JSON, "a number in it is too long"),
    "json nan": (as_json(input_per_million=float("nan")), JSON, "input_per_million: is not a number"),
    "10**400": (as_json(input_per_million=10**400), JSON, "input_per_million: Ensure that"),
    "a flag": (as_json(input_per_million=True), JSON, "input_per_million: is not a number"),
    "nested": (as_json(model={"a": 1}), JSON, "model: must be text or a number"),
    "a surrogate": (as_json(model="\ud800"), JSON, "Row 1, column model: half a character"),
    "a moment as a number": (as_json(valid_from=1704067200), JSON, "valid_from: is not a date and time"),
    "workbook formula": (workbook(NAMES, [*ROW[:3], "=1+1", *ROW[4:]]), XLSX, "input_per_million: This cell is a form"),
    "empty workbook": (workbook(), XLSX, "The file is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
@pytest.mark.sampled(5)
def test_what_is_not_sure_is_refused_by_row_column_and_reason(root: Client, name: str) -> None:
    content, kind, reason = BAD[name]
    page = preview(root, "modelprice", content, kind)
    assert reason in re.sub(r" +:", ":", said(page)), said(page)[-900:]
    assert "process_import" not in html(page)
    assert not ModelPrice.objects.exists()


def test_the_row_that_is_wrong_is_named(root: Client) -> None:
    content = PRICES + line(model="a") + line(model="b") + line(model="c", valid_from="x") + line(model="d")
    text = said(preview(root, "modelprice", content))
    assert re.search(r"valid_from ?: is not a date and time[^.]*? 3 ", text), text[-900:]


def test_what_became_invalid_before_the_confirmation_is_refused(root: Client, monkeypatch: Any) -> None:
    page = preview(root, "modelprice", PRICES + line(model="a") + line(model="b"))
    monkeypatch.setattr("orchestration.admin.import_widgets.NUMBER", re.compile("7"))
    told = said(confirm(root, "modelprice", page))
    assert "Nothing was imported. Row 1: is not a number" in told
    assert not ModelPrice.objects.exists()


def test_a_repeated_confirmation_says_that_the_file_is_gone(root: Client) -> None:
    page = preview(root, "modelprice", PRICES + line())
    confirm(root, "modelprice", page)
    assert "The file no longer exists: choose it again." in said(confirm(root, "modelprice", page))
    assert ModelPrice.objects.count() == 1


@pytest.mark.parametrize("kind", [CSV, XLSX, TSV, JSON])
@pytest.mark.parametrize("model", ["modelprice", "prompttext", "promptset", "persona", "scenariotemplate", "apikey"])
@pytest.mark.sampled(5)
def test_an_export_that_comes_in_again_changes_nothing(root: Client, model: str, kind: str) -> None:
    made = rows_of(model)
    before = [list(kind_.objects.order_by("pk").values()) for kind_ in made]
    assert [] not in before, "there is something to export"
    label = made[0]._meta.label_lower.replace(".", "_")
    out = root.post(reverse(f"admin:{label}_export"), {"format": kind, "resource": "0"})
    assert out.status_code == 200
    page = imported(root, label, out.content, kind)
    assert "process_import" in html(page), said(page)[-900:]
    assert not re.search(r"\bNew\b|\bUpdate\b", said(page).partition("Preview")[2]), said(page)[-900:]
    fields = re.findall(r'name="(import_file_name|original_file_name|format|resource)" value="([^"]*)"', html(page))
    told = said(root.post(reverse(f"admin:{label}_process_import"), dict(fields), follow=True))
    assert "0 new, 0 updated" in told
    assert [list(kind_.objects.order_by("pk").values()) for kind_ in made] == before


def imported(client: Client, label: str, content: bytes, kind: str) -> Any:
    file = io.BytesIO(content)
    file.name = "rows"
    return client.post(reverse(f"admin:{label}_import"), {"format": kind, "import_file": file})


def rows_of(model: str) -> list[Any]:
    odd = datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC)
    if model == "modelprice":
        amounts = {"input_per_million": Decimal("0.000001"), "output_per_million": Decimal("1234.5")}
        for name in ("=1+1", "-", "'quoted", 'n,"m";o', "4"):
            ModelPrice.objects.create(
                provider="p", model=name, valid_from=odd, cached_input_per_million=Decimal(0), **amounts
            )
        return [ModelPrice]
    if model == "prompttext":
        section = "prompts.engineapp.default.TriageSection"
        PromptText(section=section, part="instruction", text="- one\n- two\n\n\"{code}\"; 'x' ", note="=n").publish()
        return [PromptText]
    if model in {"promptset", "persona"}:
        assert PromptSet.objects.exists(), "shipped with the migrations"
        return [PromptSet] if model == "promptset" else [Persona]
    if model == "scenariotemplate":
        ScenarioTemplate.objects.create(
            owner=person("staff"), key="k", title="+T", time_limit=timedelta(minutes=90), modifiers=[], findings=[]
        )
        return [ScenarioTemplate]
    ApiKey.issue(person("staff"), "-n", [], expires_at=datetime.now(UTC) + timedelta(days=3), budget=Decimal("2.50"))
    return [ApiKey]


@pytest.mark.parametrize("kind", [CSV, XLSX, TSV, JSON])
def test_a_control_character_spoils_no_file(root: Client, kind: str) -> None:
    everything = "".join(map(chr, [*range(1, 32), 127, 0xFFFE, 0xFFFF]))
    PromptText(section="prompts.engineapp.default.TriageSection", part="message", text=f"a{everything}b").publish()
    out = root.post(reverse("admin:orchestration_prompttext_export"), {"format": kind, "resource": "0"})
    assert out.status_code == 200
    if kind == XLSX:
        rows = list(openpyxl.load_workbook(io.BytesIO(out.content)).active.values)
        text = dict(zip(rows[0], rows[1], strict=True))["text"]
        assert text.startswith("a\N{REPLACEMENT CHARACTER}")
        assert text.endswith("b")
    else:
        assert b"b" in out.content
