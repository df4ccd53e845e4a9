"""What bytes are, and whether they are whole."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from PIL import Image

from orchestration.providers.conformance.contents import PDF, WAV, png
from orchestration.values.media_types import pixels_of, plain_type, sniffed, why_incomplete


def drawn(form: str, size: tuple[int, int] = (5, 3), **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 10, 10)).save(out, form, **options)
    return out.getvalue()


WHOLE = {
    "image/png": [drawn("PNG"), drawn("PNG", compress_level=0), png()],
    "image/jpeg": [drawn("JPEG"), drawn("JPEG", progressive=True), drawn("JPEG") + b"\0" * 100],
    "image/gif": [drawn("GIF")],
    "image/webp": [drawn("WEBP"), drawn("WEBP", lossless=True)],
    "audio/wav": [WAV, WAV[:4] + b"\xff\xff\xff\xff" + WAV[8:]],
    "application/pdf": [PDF, b"\xef\xbb\xbf" + PDF + b"\r\n" * 20],
    "audio/mpeg": [b"ID3\x04\0\0\0\0\0\0", b"\xff\xfb\x90\x64" + bytes(400), b"\xff\xf3\x40\xc0" + bytes(200)],
    "audio/ogg": [b"OggS\0\x02" + bytes(40)],
    "audio/flac": [b"fLaC\0\0\0\x22" + bytes(40)],
}


@pytest.mark.parametrize(("media_type", "data"), [(name, data) for name, many in WHOLE.items() for data in many])
def test_whole_content_is_known(media_type: str, data: bytes) -> None:
    assert sniffed(data) == media_type
    assert why_incomplete(data, media_type) == ""


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "image/webp", "audio/wav", "application/pdf"])
def test_half_of_it_is_not_whole(media_type: str) -> None:
    data = WHOLE[media_type][0]
    assert why_incomplete(data[: len(data) // 2], media_type)


def test_a_png_is_walked_to_its_end() -> None:
    for end in range(8, len(png())):
        assert why_incomplete(png()[:end], "image/png"), end
    assert why_incomplete(png(0, 1), "image/png")
    assert why_incomplete(png()[:33] + struct.pack(">I", 2**32 - 1) + png()[37:], "image/png")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a",
        b"\xff",
        b"\xff\xff\xff\xff",
        b"\xff\xd9" + bytes(20),
        b"RIFF\0\0\0\0AVI ",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html><script>alert(1)</script>",
        b"PK\x03\x04" + bytes(30),
        b"\x1f\x8b\x08" + bytes(30),
        b"MZ" + bytes(60),
        bytes(2000) + b"%PDF-1.4",
    ],
)
def test_anything_else_is_not_known(data: bytes) -> None:
    assert sniffed(data) == ""


def test_a_declared_type_has_one_name() -> None:
    assert plain_type(" Image/JPG; charset=binary") == "image/jpeg"
    assert plain_type("audio/mp3") == "audio/mpeg"
    assert plain_type("text/html") == "text/html"


def test_the_size_of_an_image_is_in_its_header() -> None:
    for form, media_type in (("PNG", "image/png"), ("JPEG", "image/jpeg"), ("GIF", "image/gif")):
        assert pixels_of(drawn(form, (300, 7)), media_type) == 2100
    assert pixels_of(drawn("JPEG", (300, 7), progressive=True), "image/jpeg") == 2100
    assert pixels_of(drawn("WEBP", (300, 7)), "image/webp") == 2100
    assert pixels_of(drawn("WEBP", (300, 7), lossless=True), "image/webp") == 2100
    bomb = png()[:16] + struct.pack(">II", 2**32 - 1, 2**32 - 1) + png()[24:]
    assert pixels_of(bomb, "image/png") == 2**62
    for media_type in ("image/png", "image/jpeg", "image/gif", "image/webp"):
        for end in range(30):
            pixels_of(drawn("PNG")[:end], media_type)
    assert pixels_of(PDF, "application/pdf") is None
