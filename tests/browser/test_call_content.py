"""Images, audio and files on the page of a call, in a real browser."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from orchestration.admin.call_actions import call_url
from orchestration.content import audio_now, file_now, image_now
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.providers.conformance.contents import PDF, WAV, png
from orchestration.testing import drain
from tests.browser.accessible import look_at
from tests.browser.chatting import elsewhere
from tests.engineapp.orca.services.contents import Looks

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True)]


def test_pictures_are_shown_small_and_the_rest_named(
    console: Any, live_server: Any, settings: Any, tmp_path: Path
) -> None:
    settings.MEDIA_ROOT = str(tmp_path)
    settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": {"provider": "simulator", "surface": "generateContent"}}
    bomb = png()[:16] + struct.pack(">II", 60_000, 60_000) + png()[24:]
    name = "Befund der Aufnahme vom 30. November mit einem sehr langen Namen, der nirgends abgeschnitten wird.png"

    made = []

    def fill() -> None:
        parts = [
            image_now(png(640, 480, shade=90), name=name),
            image_now(png(30, 400, shade=200)),
            image_now(bomb, name="bomb.png"),
            file_now(PDF, name="Befund Ärztin.pdf"),
            audio_now(WAV),
        ]
        call = submit(CallSpec(service=Looks, context={"shown": parts}))
        drain()
        call.refresh_from_db()
        assert call.status == "succeeded", call.error
        made.append(call.pk)

    elsewhere(fill)
    console.goto(f"{live_server.url}{call_url(made[0])}")
    console.locator('a[href="#attempts"]').first.click()
    pictures = console.locator(".orca-contents img")
    pictures.first.wait_for()
    assert pictures.count() == 2
    names = console.locator(".orca-content-name").all_text_contents()
    assert names == [name, "Image without a name", "bomb.png", "Befund Ärztin.pdf", "Audio without a name"]
    console.wait_for_function(
        "[...document.querySelectorAll('.orca-contents img')].every(it => it.complete && it.naturalWidth)"
    )
    look_at(console, "call-content")
    with console.expect_download() as download:
        console.get_by_role("link", name="Download Befund Ärztin.pdf").click()
    assert download.value.suggested_filename == "Befund Ärztin.pdf"
    assert Path(download.value.path()).read_bytes() == PDF
