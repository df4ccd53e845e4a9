"""Parts from bytes, files and URLs, and what is refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.base import ContentFile as InMemory
from django.core.files.base import File
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models.fields.files import FieldFile, FileField

from orchestration.content import audio_now, file_now, image, image_now
from orchestration.content.storing import digest_of, read
from orchestration.errors import ContentRefused, ContentTooLarge
from orchestration.models.content import ContentFile
from orchestration.providers.conformance.contents import PDF, WAV, png

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stored")]


def field_file(name: str | None) -> FieldFile:
    return FieldFile(None, FileField(), name)  # type: ignore[arg-type]


def test_bytes_are_stored_once(stored: Path) -> None:
    first, second = image_now(png(), name="a.png"), image_now(bytearray(png()), name="b.png")
    assert first == {
        "part": "image",
        "content": f"sha256:{digest_of(png())}",
        "media_type": "image/png",
        "size": len(png()),
        "name": "a.png",
    }
    assert second == first | {"name": "b.png"}
    assert image_now(memoryview(png())) == {key: value for key, value in first.items() if key != "name"}
    assert ContentFile.objects.count() == 1
    assert len([path for path in stored.rglob("*") if path.is_file()]) == 1
    assert read([digest_of(png())]) == {digest_of(png()): png()}
    assert ContentFile.objects.get().pixels == 4


def test_each_kind_takes_its_own() -> None:
    assert audio_now(WAV)["media_type"] == "audio/wav"
    assert file_now(PDF, media_type="application/x-pdf; v=1")["media_type"] == "application/pdf"
    for make, data in ((image_now, PDF), (audio_now, png()), (file_now, WAV), (file_now, png())):
        with pytest.raises(ContentRefused, match="by its first bytes"):
            make(data)


def test_files_of_django_are_read_and_left_as_they_were(stored: Path) -> None:
    (stored.parent / "kept.pdf").write_bytes(PDF)
    kept = field_file("kept.pdf")
    assert file_now(kept)["name"] == "kept.pdf"
    assert kept.closed
    uploaded = SimpleUploadedFile("über/scan.pdf", PDF, content_type="text/plain")
    uploaded.read(3)
    assert file_now(uploaded) == file_now(PDF, name="scan.pdf")
    assert uploaded.tell() == 3
    assert file_now(InMemory(PDF))["size"] == len(PDF)


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda: image_now(), "content_refused", "either bytes"),
        (lambda: image_now(png(), url="https://a.example.com/a"), "content_refused", "either bytes"),
        (lambda: image_now(b""), "content_refused", "0 bytes"),
        (lambda: file_now(field_file(None)), "content_refused", "no file behind it"),
        (lambda: file_now(InMemory(b"")), "content_refused", "0 bytes"),
        (lambda: image_now("a.png"), "content_refused", "not a str"),  # type: ignore[arg-type]
        (lambda: image_now(io.BytesIO(png())), "content_refused", "not a BytesIO"),  # type: ignore[arg-type]
        (lambda: file_now(File(io.StringIO("%PDF-"))), "content_refused", "mode 'rb'"),
        (lambda: image_now(png()[:-5]), "content_refused", "cut off"),
        (lambda: file_now(PDF[:-9]), "content_refused", "cut off"),
        (lambda: image_now(png(), media_type="image/jpeg"), "content_refused", "declared as image/jpeg"),
        (lambda: image_now(png(), media_type="application/pdf"), "content_refused", "takes image/png"),
        (lambda: image_now(b"<svg/>", media_type="image/svg+xml"), "content_refused", "svg"),
        (lambda: image_now(b"<svg/>"), "content_refused", "something else"),
        (lambda: image_now(url="http://a.example.com/a"), "content_refused", "https"),
        (lambda: image_now(url="https://u:p@a.example.com/a"), "content_refused", "password"),
        (lambda: image_now(url="https://10.0.0.1/a"), "content_refused", "private"),
        (lambda: image_now(png(), name=7), "content_refused", "not a int"),  # type: ignore[arg-type]
        (lambda: file_now(b"%PDF-" + bytes(33_000_000)), "content_too_large", "limit"),
    ],
)
def test_what_is_refused(make: Callable[[], Any], code: str, words: str) -> None:
    with pytest.raises(ContentRefused, match=words) as refused:
        make()
    assert refused.value.code == code
    assert not ContentFile.objects.exists()


def test_a_huge_file_is_not_read(settings: Any) -> None:
    """Nor is one that says less than it has."""

    class Huge(File):  # type: ignore[type-arg]
        size = 100_000_000

    with pytest.raises(ContentTooLarge, match=r"100,000,000 bytes; the limit \(MAX_CONTENT_BYTES\) is 32,000,000"):
        file_now(Huge(None, "a.pdf"))
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "MAX_CONTENT_BYTES": {"image": 50}}
    lying = InMemory(png())
    lying.size = 3
    for source in (lying, png(), memoryview(png())):
        with pytest.raises(ContentTooLarge, match="is 50"):
            image_now(source)
    assert file_now(PDF)["size"] == len(PDF)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Befund Ärztin 日本.pdf", "Befund Ärztin 日本.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\scans\\a.pdf", "a.pdf"),
        ("a\nb\x00c\u2028d.pdf", "a b c d.pdf"),
        ("\ud83d.pdf", "pdf"),
        ("..", ""),
        ("   ", ""),
        ("x" * 400, "x" * 255),
    ],
)
def test_a_name_is_one_line(given: str, kept: str) -> None:
    assert file_now(PDF, name=given).get("name", "") == kept


def test_a_url_is_not_fetched() -> None:
    found = image_now(url="https://a.example.com/a.png", media_type="image/jpg", name="a")
    assert found == {"part": "image", "url": "https://a.example.com/a.png", "media_type": "image/jpeg", "name": "a"}
    assert not ContentFile.objects.exists()


def test_coroutines_make_parts() -> None:
    assert async_to_sync(image)(png(), name="a.png") == image_now(png(), name="a.png")
