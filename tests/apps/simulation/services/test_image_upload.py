"""Pictures that are small as files and large in memory: refused before they are decoded, or decoded one at a time."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image, PngImagePlugin

from apps.simulation.services import image_upload as images
from apps.simulation.services.image_upload import ImageRefused, read_picture

MEASURED = """
import resource, sys, threading
import django
django.setup()
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from apps.simulation.services.image_upload import ImageRefused, read_picture
Image.init()

def take():
    try:
        read_picture(SimpleUploadedFile("x", content, ""))
    except ImageRefused as error:
        codes.append(error.code)
    else:
        codes.append("taken")

codes = []
content = open(sys.argv[1], "rb").read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
threads = [threading.Thread(target=take) for _ in range(int(sys.argv[2]))]
for thread in threads: thread.start()
for thread in threads: thread.join()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, *set(codes))
"""


def filled(kind: str, size: tuple[int, int], mode: str = "RGB", **options: object) -> bytes:
    target = io.BytesIO()
    Image.new(mode, size, "red").save(target, kind, **options)
    return target.getvalue()


def read(content: bytes) -> images.Picture:
    return read_picture(SimpleUploadedFile("x", content, ""))


def measured(content: bytes, path: Path, at_once: int = 1) -> tuple[int, str]:
    """(megabytes that reading it took at most, in a process of its own; what became of it)."""
    path.write_bytes(content)
    command = [sys.executable, "-c", MEASURED, str(path), str(at_once)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    took, _, outcome = answer.strip().partition(" ")  # of several at once there may be several outcomes
    return int(took), outcome


def png_that_says(width: int, height: int) -> bytes:
    """A PNG of few bytes whose header claims so many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def animation(frames: int, size: tuple[int, int], kind: str) -> bytes:
    target = io.BytesIO()
    shown = [Image.new("RGB", size, (number, 0, 0)) for number in range(frames)]
    shown[0].save(target, kind, save_all=True, append_images=shown[1:])
    return target.getvalue()


@pytest.mark.parametrize(
    ("kind", "mode", "size", "options"),
    [
        pytest.param("WEBP", "RGB", (4899, 4898), {"lossless": True}, marks=pytest.mark.long),
        pytest.param("WEBP", "RGBA", (8192, 1024), {"lossless": True}, marks=pytest.mark.long),
        pytest.param("WEBP", "RGB", (16383, 16383), {}, marks=pytest.mark.long),
        ("PNG", "RGB", (5000, 5000), {}),
        ("PNG", "1", (30_000, 30_000), {}),
        pytest.param("JPEG", "RGB", (6000, 4001), {}, marks=pytest.mark.long),
    ],
)
def test_too_many_pixels_are_refused_before_they_are_decoded(
    kind: str, mode: str, size: tuple[int, int], options: dict[str, object], tmp_path: Path
) -> None:
    content = filled(kind, size, mode, **options)
    took, outcome = measured(content, tmp_path / "picture")
    assert outcome in ("too_many_pixels", "too_large")
    assert took < 30


@pytest.mark.long
@pytest.mark.parametrize(
    ("kind", "mode", "size", "options"),
    [
        ("WEBP", "RGBA", (4000, 2000), {"lossless": True}),
        ("WEBP", "RGB", (4000, 2000), {"lossless": True}),
        ("PNG", "RGB", (6000, 4000), {}),
        ("PNG", "P", (6000, 4000), {}),
        ("JPEG", "CMYK", (6000, 4000), {"progressive": True}),
    ],
)
def test_what_is_taken_needs_little_memory_even_four_at_once(
    kind: str, mode: str, size: tuple[int, int], options: dict[str, object], tmp_path: Path
) -> None:
    took, outcome = measured(filled(kind, size, mode, **options), tmp_path / "picture", at_once=4)
    assert outcome == "taken" or "busy" in outcome
    assert took < 450


def test_a_header_that_lies_is_believed_only_to_refuse() -> None:
    with pytest.raises(ImageRefused) as refused:
        read(png_that_says(60_000, 60_000))
    assert refused.value.code == "too_many_pixels"
    with pytest.raises(ImageRefused) as refused:
        read(png_that_says(100, 100))
    assert refused.value.code == "not_an_image"


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("options", [{"lossless": True}, {"lossless": False}, {"exif": b"Exif\0\0"}])
def test_the_size_in_a_webp_header_is_the_pictures(mode: str, options: dict[str, object]) -> None:
    content = filled("WEBP", (321, 45), mode, **options)
    assert images._webp_size(content) == (321, 45)
    assert (read(content).width, read(content).height) == (321, 45)


@pytest.mark.parametrize(
    "header", [b"RIFF0000WEBP", b"RIFF0000WEBPVP8X", b"RIFF0000WEBPVP8L\0", b"RIFF0000WEBPALPH" * 9]
)
def test_a_webp_without_its_header_is_damaged(header: bytes) -> None:
    with pytest.raises(ImageRefused) as refused:
        read(header)
    assert refused.value.code in ("not_an_image", "too_many_pixels")


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(kind: str) -> None:
    content = read(animation(30, (64, 64), kind)).content
    with Image.open(io.BytesIO(content)) as stored:
        assert getattr(stored, "n_frames", 1) == 1


def test_a_jpeg_of_very_many_scans_is_refused() -> None:
    content = filled("JPEG", (64, 64), progressive=True)
    scan = content.index(b"\xff\xda")
    with pytest.raises(ImageRefused) as refused:
        read(content[:-2] + content[scan:-2] * 200 + content[-2:])
    assert refused.value.code == "too_many_scans"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_no_metadata_of_any_kind_survives(kind: str) -> None:
    words = b"Mrs. Smith, room 7"
    exif = Image.Exif()
    exif[0x010E] = words.decode()
    options: dict[str, object] = {"exif": exif, "icc_profile": words, "xmp": words}
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Comment", words.decode())  # type: ignore[attr-defined]
    if kind == "JPEG":
        options["comment"] = words
    content = filled(kind, (40, 30), **options)
    assert words in content
    assert words not in read(content).content


def test_a_picture_that_waits_too_long_is_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "WAIT_SECONDS", 0.01)
    with images._decoding, pytest.raises(ImageRefused) as refused:
        read(filled("PNG", (4, 4)))
    assert refused.value.code == "busy"
    read(filled("PNG", (4, 4)))
    with pytest.raises(ImageRefused):
        read(b"garbage")
    assert read(filled("PNG", (4, 4))).width == 4, "what fails gives its turn back"
