"""Images, audio and files on the page of a call, and their bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from orchestration.admin.call_actions import call_url
from orchestration.content import file_now, image_now
from orchestration.content.storing import digest_of
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import ServiceCallRecord
from orchestration.models.content import ContentFile, ContentUse
from orchestration.providers.conformance.contents import PDF, png
from orchestration.testing import drain, scripted_provider
from tests.engineapp.orca.services.contents import Looks, Scans, scans

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def stored(tmp_path: Path, settings: Any) -> Path:
    settings.MEDIA_ROOT = str(tmp_path)
    return tmp_path / "content"


def looked_at(*parts: Any) -> ServiceCallRecord:
    call = submit(CallSpec(service=Looks, context={"shown": list(parts)}))
    drain()
    return call


def url_of(call: ServiceCallRecord, data: bytes) -> str:
    return call_url(call.pk).replace("/change/", f"/files/{digest_of(data)}/")


def test_the_page_shows_what_the_model_was_shown(root: Client) -> None:
    name = '<b>"x".png'
    call = looked_at(image_now(png(), name=name), file_now(PDF, name="Befund Ärztin.pdf"))
    page = root.get(call_url(call.pk)).content.decode()
    assert f'<img src="{url_of(call, png())}?inline=1"' in page
    assert f'<img src="{url_of(call, PDF)}' not in page
    assert "Befund Ärztin.pdf" in page
    assert "&lt;b&gt;&quot;x&quot;.png" in page
    assert name not in page
    assert f"[file: Befund Ärztin.pdf, application/pdf, {len(PDF)} bytes]" in page
    assert "sha256" in page


def test_bytes_are_served_as_they_are_and_harmless(root: Client) -> None:
    call = looked_at(image_now(png(), name="a.png"), file_now(PDF, name='Befund "Ä".pdf'))
    for data, inline, begins in (
        (png(), "?inline=1", "inline"),
        (png(), "", 'attachment; filename="a.png"'),
        (PDF, "?inline=1", "attachment; filename*=utf-8''Befund%20%22%C3%84%22.pdf"),
    ):
        response = root.get(url_of(call, data) + inline)
        assert (response.status_code, response.content) == (200, data)
        assert response["Content-Disposition"].startswith(begins)
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert "no-store" in response["Cache-Control"]
    looks = LogEntry.objects.filter(object_id=call.pk).order_by("pk").values_list("change_message", flat=True)
    assert [look.partition(": ")[2][:5] for look in looks] == ["image", "image", "file "]
    assert root.get(url_of(call, png()) + "?inline=1").status_code == 200
    assert len(looks.all()) == 3  # a page loads its pictures after it


def test_what_a_row_calls_html_is_not_served_as_that(root: Client) -> None:
    """Nothing but the known types is stored; a row that says otherwise is data to be downloaded."""
    call = looked_at(file_now(PDF))
    ContentFile.objects.update(media_type="text/html")
    response = root.get(url_of(call, PDF) + "?inline=1")
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")


def test_a_decompression_bomb_has_no_thumbnail(root: Client) -> None:
    bomb = png()[:16] + struct.pack(">II", 60_000, 60_000) + png()[24:]
    call = looked_at(image_now(bomb))
    page = root.get(call_url(call.pk)).content.decode()
    assert url_of(call, bomb) in page
    assert "<img src" not in page.partition("orca-contents")[2].partition("</ul>")[0]


def test_content_stays_behind_its_permission(staff: Callable[..., Client], root: Client) -> None:
    call, other = looked_at(image_now(png(), name="hidden name.png")), looked_at(file_now(PDF))
    viewer = staff("view_servicecallrecord")
    page = viewer.get(call_url(call.pk)).content.decode()
    assert "hidden name" not in page
    assert viewer.get(url_of(call, png())).status_code == 403
    assert staff("view_content").get(url_of(call, png())).status_code == 403
    assert Client().get(url_of(call, png())).status_code == 302
    assert root.get(url_of(other, png())).status_code == 404
    assert root.get(url_of(call, b"none")).status_code == 404


def test_what_tools_showed_is_there_too(root: Client) -> None:
    scans[:] = [png(shade=9)]
    call = submit(CallSpec(service=Scans))
    with scripted_provider() as model:
        model.call_tools(("scan", {"number": 0}))
        model.answer("Grey.")
        drain()
    scans.clear()
    assert ContentUse.objects.get().tool_run_id
    assert "page 0.png" in root.get(call_url(call.pk)).content.decode()
    assert root.get(url_of(call, png(shade=9))).content == png(shade=9)


def test_what_the_storage_lost_says_so(root: Client, stored: Path) -> None:
    call = looked_at(file_now(PDF))
    for path in stored.rglob("*.*"):
        path.unlink()
    response = root.get(url_of(call, PDF))
    assert response.status_code == 404
    assert b"lost" in response.content
    assert root.get(call_url(call.pk)).status_code == 200


def test_a_rerun_keeps_what_was_shown(root: Client) -> None:
    call = looked_at(image_now(png(), name="a.png"))
    page = root.get(f"/admin/persistence/calls/{call.pk}/rerun/")
    if page.status_code == 200:
        assert "[image: a.png, image/png" in page.content.decode()
