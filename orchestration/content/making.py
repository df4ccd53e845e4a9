"""Making parts: from bytes, from a file of Django's, or from a URL that the provider fetches."""

from __future__ import annotations

import unicodedata
from typing import Any

from asgiref.sync import sync_to_async
from django.core.files import File
from django.db.models.fields.files import FieldFile

from orchestration.conf import engine_settings
from orchestration.content.storing import store
from orchestration.errors import ContentRefused, ContentTooLarge
from orchestration.types import JsonObject
from orchestration.values.content_parts import LONGEST_NAME, Reference, reference_part
from orchestration.values.media_types import KIND_OF, plain_type, sniffed, types_of, why_incomplete
from orchestration.values.public_urls import check_public_url
from orchestration.values.sanitize import is_storable_text

Source = bytes | bytearray | memoryview | File  # type: ignore[type-arg]  # FieldFile, UploadedFile, ContentFile, …


def image_now(source: Source | None = None, *, url: str = "", name: str = "", media_type: str = "") -> JsonObject:
    """An image as part of a message, from bytes or a Django file (then it is stored), or from a URL.

    `name`: as the model and the pages are told; a file's own by default. `media_type`: what it is declared to be; it
    is refused when the bytes are something else. Raises ContentRefused unless it is a whole image of a known type, and
    ContentTooLarge; OSError, or what else a storage raises, when it fails. Stored content that nothing refers to is
    removed after a day.
    """
    return _part("image", source, url, name, media_type)


def audio_now(source: Source | None = None, *, url: str = "", name: str = "", media_type: str = "") -> JsonObject:
    """Audio as part of a message; see `image_now`."""
    return _part("audio", source, url, name, media_type)


def file_now(source: Source | None = None, *, url: str = "", name: str = "", media_type: str = "") -> JsonObject:
    """A PDF as part of a message; see `image_now`."""
    return _part("file", source, url, name, media_type)


async def image(source: Source | None = None, *, url: str = "", name: str = "", media_type: str = "") -> JsonObject:
    """`image_now` for asynchronous code."""
    return await sync_to_async(image_now)(source, url=url, name=name, media_type=media_type)


async def audio(source: Source | None = None, *, url: str = "", name: str = "", media_type: str = "") -> JsonObject:
    """`audio_now` for asynchronous code."""
    return await sync_to_async(audio_now)(source, url=url, name=name, media_type=media_type)


async def file(source: Source | None = None, *, url: str = "", name: str = "", media_type: str = "") -> JsonObject:
    """`file_now` for asynchronous code."""
    return await sync_to_async(file_now)(source, url=url, name=name, media_type=media_type)


def _part(kind: str, source: Source | None, url: str, name: str, media_type: str) -> JsonObject:
    if (source is None) == (not url):
        raise ContentRefused(f"Give {kind}() either bytes, or a file, or a url.")
    declared = plain_type(media_type)
    if declared and KIND_OF.get(declared) != kind:
        raise _unknown(kind, f"{declared[:64]!r}")
    if url:
        check_public_url(url)
        told = {"media_type": declared, "name": _clean(name)}
        return {"part": kind, "url": url, **{key: value for key, value in told.items() if value}}
    data, own_name = _read(kind, source)
    found, named = _checked(kind, data, declared), _clean(name or own_name)
    digest = store(data, found)
    return reference_part(Reference(digest=digest, kind=kind, media_type=found, size=len(data), name=named))


def _read(kind: str, source: Any) -> tuple[bytes, str]:
    """The bytes, and the file's own name; never more than are allowed."""
    longest = engine_settings().content_bytes(kind)
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = bytes(source[: longest + 1]), ""
        size = source.nbytes if isinstance(source, memoryview) else len(source)
    elif isinstance(source, File):
        if isinstance(source, FieldFile) and not source:
            raise ContentRefused(f"This {kind} is empty: there is no file behind it.")
        size, name = _size_of(source), source.name or ""
        data = b"" if size > longest else _all_of(source, longest)
        size = max(size, len(data))
    else:
        raise ContentRefused(f"{kind}() takes bytes or a Django file, not a {type(source).__name__}.")
    if size > longest:
        raise ContentTooLarge(f"This {kind} has {size:,} bytes; the limit (MAX_CONTENT_BYTES) is {longest:,}.")
    return data, name


def _size_of(source: Any) -> int:
    """What a file says of itself; 0 where it does not know."""
    try:
        return int(source.size)
    except AttributeError:  # as Django says it of a stream
        return 0


def _all_of(source: Any, longest: int) -> bytes:
    """What is in a file, which is left as it was found: open and at its place, or closed."""
    was_closed = source.closed
    source.open("rb") if was_closed else None
    at = 0 if was_closed else source.tell()
    try:
        source.seek(0)
        data = source.read(longest + 1)
    finally:
        if was_closed:
            source.close()
        else:
            source.seek(at)
    if not isinstance(data, bytes):
        raise ContentRefused("The file is open for text: open it with mode 'rb'.")
    return data


def _checked(kind: str, data: bytes, declared: str) -> str:
    if not data:
        raise ContentRefused(f"This {kind} is empty: it has 0 bytes.")
    found = sniffed(data)
    if KIND_OF.get(found) != kind:
        raise _unknown(kind, f"{found} by its first bytes" if found else "something else by its first bytes")
    if declared and declared != found:
        raise ContentRefused(f"This {kind} is declared as {declared}, but it is {found} by its first bytes.")
    why = why_incomplete(data, found)
    if why:
        raise ContentRefused(f"This {kind} ({found}, {len(data):,} bytes) is not whole: {why}.")
    return found


def _unknown(kind: str, found: str) -> ContentRefused:
    return ContentRefused(f"This {kind} is {found}; {kind}() takes {', '.join(types_of(kind))}.")


def _clean(name: str) -> str:
    """The last part of a path, in one line, without what no database stores."""
    if not isinstance(name, str):
        raise ContentRefused(f"name is text, not a {type(name).__name__}.")
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    shown = "".join(each if unicodedata.category(each) not in {"Cc", "Cs", "Zl", "Zp"} else " " for each in last)
    shown = " ".join(shown.split()).strip(".")[:LONGEST_NAME]
    return shown if is_storable_text(shown) else ""
