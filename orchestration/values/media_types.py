"""What bytes are, by their first bytes and by their structure; nothing is decoded or unpacked."""

from __future__ import annotations

import struct
from collections.abc import Callable

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PDF = "application/pdf"
KIND_OF = {
    **dict.fromkeys(("image/png", "image/jpeg", "image/gif", "image/webp"), "image"),
    **dict.fromkeys(("audio/wav", "audio/mpeg", "audio/ogg", "audio/flac"), "audio"),
    PDF: "file",
}
"""The types that are known, and the kind of part that each is."""
ALIASES = {
    "image/jpg": "image/jpeg",
    "image/x-png": "image/png",
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "application/ogg": "audio/ogg",
    "application/x-pdf": PDF,
}
ENDINGS = {
    **{"image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp"},
    **{"audio/wav": "wav", "audio/mpeg": "mp3", "audio/ogg": "ogg", "audio/flac": "flac", PDF: "pdf"},
}
MOST_PIXELS = 2**62
"""What a column holds; a header may say more."""
HEADER_BYTES = 1024
"""Within which a PDF may begin, and within which it ends."""


def plain_type(declared: str) -> str:
    """A declared media type under its usual name, in lower case and without parameters."""
    bare = declared.partition(";")[0].strip().lower()
    return ALIASES.get(bare, bare)


def types_of(kind: str) -> list[str]:
    """The media types that a kind of part may have."""
    return [name for name, each in KIND_OF.items() if each == kind]


def sniffed(data: bytes) -> str:
    """The media type of bytes, one of KIND_OF; empty when they are none of these."""
    if data.startswith(PNG_SIGNATURE):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF"):
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(data[8:12], "")
    if data.startswith(b"OggS"):
        return "audio/ogg"
    if data.startswith(b"fLaC"):
        return "audio/flac"
    if data.startswith(b"ID3") or _is_mpeg_frame(data):
        return "audio/mpeg"
    return PDF if b"%PDF-" in data[:HEADER_BYTES] else ""


def _is_mpeg_frame(data: bytes) -> bool:
    """The header of an MPEG audio frame of layer III: its sync, and fields whose reserved values are not used."""
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE6 != 0xE2:
        return False
    version, rate, frequency = data[1] >> 3 & 3, data[2] >> 4, data[2] >> 2 & 3
    return version != 1 and rate not in (0, 15) and frequency != 3


def why_incomplete(data: bytes, media_type: str) -> str:
    """Why bytes of this type cannot be whole; empty when nothing speaks against it."""
    look = COMPLETE.get(media_type)
    return "" if look is None or look(data) else "it is cut off, or damaged"


def _png(data: bytes) -> bool:
    """Its chunks follow each other, from IHDR to IEND."""
    at = len(PNG_SIGNATURE)
    if data[at + 4 : at + 8] != b"IHDR" or 0 in struct.unpack(">II", data[at + 8 : at + 16].ljust(8, b"\0")):
        return False
    while at + 12 <= len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        at += 12 + length
        if name == b"IEND":
            return at <= len(data)
    return False


def _jpeg(data: bytes) -> bool:
    return b"\xff\xd9" in data[-HEADER_BYTES * 64 :]


def _gif(data: bytes) -> bool:
    return len(data) > 13 and b";" in data[-HEADER_BYTES:]


def _riff(data: bytes) -> bool:
    """As long as it says. Recorders that stream leave the length of a WAVE open."""
    said = struct.unpack("<I", data[4:8])[0]
    return said in (0, 0xFFFFFFFF) or said + 8 <= len(data)


def _pdf(data: bytes) -> bool:
    return b"%%EOF" in data[-HEADER_BYTES * 2 :]


COMPLETE: dict[str, Callable[[bytes], bool]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/gif": _gif,
    "image/webp": _riff,
    "audio/wav": _riff,
    PDF: _pdf,
}


def pixels_of(data: bytes, media_type: str) -> int | None:
    """Width times height of an image as its header says; None when it does not say, or is none of PNG, GIF and WebP's
    and JPEG's usual forms. Tells a decompression bomb from a picture without decoding either."""
    size = _SIZES.get(media_type)
    found = size(data) if size is not None else None
    return None if found is None else min(found[0] * found[1], MOST_PIXELS)


def _png_size(data: bytes) -> tuple[int, int] | None:
    return struct.unpack(">II", data[16:24]) if len(data) >= 24 else None


def _gif_size(data: bytes) -> tuple[int, int] | None:
    return struct.unpack("<HH", data[6:10]) if len(data) >= 10 else None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    if data[12:16] == b"VP8X" and len(data) >= 30:
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if data[12:16] == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if data[12:16] == b"VP8 " and len(data) >= 30:
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        alone = marker == 0xFF or 0xD0 <= marker <= 0xD9
        at += 1 if marker == 0xFF else 2 if alone else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


_SIZES: dict[str, Callable[[bytes], tuple[int, int] | None]] = {
    "image/png": _png_size,
    "image/gif": _gif_size,
    "image/webp": _webp_size,
    "image/jpeg": _jpeg_size,
}
