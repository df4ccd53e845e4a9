"""The version of a file's format: exports have it, older files go without, and a newer one is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from apps.consensus.admin.import_export import PersonaResource
from apps.trainerlab.models import ScenarioTemplate
from orchestration.admin.import_export import PriceResource
from orchestration.models import ModelPrice, PromptText
from tests.orchestration.admin.test_import_export import PRICES, confirm, html, preview
from tests.orchestration.admin.test_import_formats import CSV, JSON, XLSX, imported, line, said

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
OLD = Path(__file__).with_name("files_of_the_first_format")
"""As the console wrote them before there were versions."""


def read(client: Client, model: str, kind: str, file: str) -> None:
    page = imported(client, model, (OLD / file).read_bytes(), kind)
    assert "process_import" in html(page), said(page)[-900:]
    fields = {"import_file_name", "original_file_name", "format", "resource"}
    found = {name: page.context["confirm_form"].initial.get(name, "") for name in fields}
    client.post(reverse(f"admin:{model}_process_import"), found, follow=True)


def test_files_from_before_there_were_versions_are_read(root: Client) -> None:
    read(root, "orchestration_modelprice", CSV, "prices.csv")
    read(root, "orchestration_prompttext", JSON, "prompt_texts.json")
    read(root, "trainerlab_scenariotemplate", XLSX, "scenarios.xlsx")
    price = ModelPrice.objects.get()
    assert (price.valid_from, price.output_per_million) == (datetime(2026, 1, 1, tzinfo=UTC), Decimal(10))
    assert PromptText.objects.current().get().text == "- one\n- two"
    assert ScenarioTemplate.objects.get().modifiers == ["calm"]


def test_an_export_says_its_format_in_every_row(root: Client) -> None:
    read(root, "orchestration_modelprice", CSV, "prices.csv")
    url = reverse("admin:orchestration_modelprice_export")
    out = root.post(url, {"format": JSON, "resource": "0"}).content
    assert [row["file_format"] for row in json.loads(out)] == [str(PriceResource.FILE_FORMAT)]
    header, row = root.post(url, {"format": CSV, "resource": "0"}).content.decode().splitlines()
    assert (header.split(",")[-1], row.split(",")[-1]) == ("file_format", "1")


def test_a_format_of_its_own_is_written_and_read(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second version of one kind of file leaves the others alone."""
    monkeypatch.setattr(PriceResource, "FILE_FORMAT", 2)
    confirm(root, "modelprice", preview(root, "modelprice", with_formats("1", "2", "")))
    assert ModelPrice.objects.count() == 3
    out = root.post(reverse("admin:orchestration_modelprice_export"), {"format": CSV, "resource": "0"})
    assert out.content.decode().splitlines()[1].endswith(",2")
    assert PersonaResource.FILE_FORMAT == 1


@pytest.mark.parametrize(
    ("formats", "says"),
    [
        (("1", "2"), "Row 2: A newer version wrote this file (file_format 2; 1 is the newest that is known here)."),
        (("new",), "Row 1: file_format must be a whole number from 1 to 1. Without one it is 1."),
    ],
)
def test_a_newer_file_is_refused_before_a_row_is_read(root: Client, formats: tuple[str, ...], says: str) -> None:
    """Even where it has columns that are not known here: the advice is to upgrade, not to remove them."""
    content = with_formats(*formats).replace("currency", "coin")
    page = preview(root, "modelprice", content)
    assert says in said(page)
    assert "There is no column" not in said(page)
    assert "process_import" not in html(page)
    assert not ModelPrice.objects.exists()


def with_formats(*formats: str) -> str:
    rows = [f"{line(model=f'm{number}').rstrip()},{written}\n" for number, written in enumerate(formats)]
    return f"{PRICES.strip()},file_format\n{''.join(rows)}"
