"""What is large, or unpacks to what is large: refused with a sentence, before it takes memory."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from openpyxl import Workbook

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from apps.simulation.models import Simulation
from config.http import upload_limits as uploads
from orchestration.admin import import_formats
from orchestration.admin.import_formats import Csv, FileRefused, Json, Xlsx
from tests.apps.people import person
from tests.apps.training.visits import scenario_of

pytestmark = pytest.mark.django_db
HEADERS = ["section", "part"]


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "pw"))
    return client


def workbook(rows: int = 1, cell: tuple[int, int] | None = None) -> bytes:
    book = Workbook()
    for row in [HEADERS, *[["a", "b"]] * rows]:
        book.active.append(row)
    if cell:
        book.active.cell(*cell, "far away")
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def bomb() -> bytes:
    """A sheet of one GB of blank in one MB."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook())) as sound, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for part in sound.infolist():
            content = sound.read(part)
            packed.writestr(part.filename, content + b" " * 200_000_000 if "sheet1" in part.filename else content)
    return target.getvalue()


LARGE: dict[str, tuple[Any, Any, str]] = {
    "rows of a workbook": (Xlsx, lambda: workbook(import_formats.MAX_ROWS + 1), "more than 10,000 rows"),
    "the last row": (Xlsx, lambda: workbook(cell=(1_048_576, 1)), "more than 10,000 rows"),
    "the last column": (Xlsx, lambda: workbook(cell=(2, 16_384)), "at most 200 columns"),
    "zip bomb": (Xlsx, bomb, "when it is unpacked"),
    "rows of a csv": (Csv, lambda: b"a,b\n" + b"1,2\n" * 1_000_000, "more than 10,000 rows"),
    "columns of a csv": (Csv, lambda: b"a,b\n" + b"," * 1_000_000 + b"1", "at most 200 columns"),
    "a row after many blank ones": (Csv, lambda: b"a,b\n" + b"\n" * 1_000_000 + b"1,2\n", "more than 10,000 rows"),
    "keys of json": (Json, lambda: json.dumps([{f"k{n}": 1} for n in range(20_000)]).encode(), "at most 200 columns"),
    "rows of json": (Json, lambda: b"[" + b'{"a":1},' * 20_000 + b'{"a":1}]', "more than 10,000 rows"),
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.sampled(3)
def test_a_file_of_more_than_people_keep_is_refused(name: str) -> None:
    kind, content, told = LARGE[name]
    with pytest.raises(FileRefused, match=told):
        kind().create_dataset(content())


@pytest.mark.parametrize("blank", [b"\n", b",\n", b",,,,,,,\n", b" , \n"])
def test_blank_rows_and_cells_at_the_end_do_not_count(blank: bytes) -> None:
    assert len(Csv().create_dataset(b"a,b\n1,2\n" + blank * 200_000)) == 1
    assert len(Csv().create_dataset(b"a,b\n1,2" + b"," * 500_000 + b"\n")) == 1


def test_the_admin_says_why_a_file_is_too_large(root: Client) -> None:
    content = SimpleUploadedFile("x.xlsx", bomb())
    page = root.post(reverse("admin:orchestration_modelprice_import"), {"import_file": content, "format": "1"})
    assert page.status_code == 200
    assert "when it is unpacked" in page.content.decode()


@pytest.mark.parametrize("announced", [True, False])
def test_an_upload_beyond_the_limit_is_413(root: Client, announced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOAD_BYTES", 100_000)
    if not announced:
        monkeypatch.setattr(uploads.BoundedUpload, "handle_raw_input", lambda *_, **__: None)
    author = person(UserRole.INSTRUCTOR)
    root.force_login(author)
    place = reverse("training:add_picture", kwargs={"scenario_id": scenario_of(author).uuid})
    page = root.post(place, {"picture": SimpleUploadedFile("x.png", b"x" * 200_000)})
    assert (page.status_code, "larger than 100,000 bytes" in page.content.decode()) == (413, True)
    archive = {"file": SimpleUploadedFile("x.zip", b"PK" + b"x" * 200_000)}
    assert "not a zip archive" in root.post(reverse("training:import"), archive, follow=True).content.decode()
    trainee = person()
    root.force_login(trainee)
    own = Simulation.objects.create(user=trainee, sim_patient_full_name="Maria Alvarez")
    told = root.post(f"/api/v1/simulations/{own.uuid}/images", {"file": io.BytesIO(b"x" * 200_000)})
    assert (told.status_code, told.json()["code"]) == (413, "payload_too_large")
    assert "100,000" in told.json()["message"]


WORDS = " ".join(f"w{n}" for n in range(3000))
ODD_SEARCHES = [
    WORDS,
    "x" * 5000,
    "input" + ".a" * 3000 + "=1",
    "input.x=NaN",
    "input.x=Infinity",
    "input.x=1e999",
    "input.x=" + "9" * 900,
    "result.x=" + "[" * 900,
    "context.x=\x00",
    "user:" + "9" * 400,
]


@pytest.mark.parametrize("text", ODD_SEARCHES, ids=lambda text: text[:16].replace("\0", "NUL"))
@pytest.mark.sampled(4)
def test_no_search_is_a_fault_of_the_console(root: Client, text: str) -> None:
    for model, page in admin.site._registry.items():
        if page.search_fields:
            name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
            assert root.get(reverse(name), {"q": text}, follow=True).status_code in (200, 400), name
    assert root.get(reverse("admin:search"), {"s": text}, follow=True).status_code in (200, 302, 400, 404)
    field = {"app_label": "apikey", "model_name": "apikey", "field_name": "owner", "term": text}
    found = root.get(reverse("admin:autocomplete"), field | {"app_label": "accounts"})
    assert found.status_code in (200, 302, 400, 403, 404)


def test_a_search_that_is_too_long_is_told_its_bound(root: Client) -> None:
    page = root.get(reverse("admin:orchestration_servicecallrecord_changelist"), {"q": WORDS}, follow=True)
    assert "at most 32 words" in page.content.decode()
    address = reverse("admin:accounts_user_changelist", query={"q": WORDS})
    page = root.post(address, {"action": "delete_selected", "_selected_action": ["1"]}, follow=True)
    assert "at most 32 words" in page.content.decode()
