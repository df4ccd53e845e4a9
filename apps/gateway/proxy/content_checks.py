"""Whether the bytes in a request are of the kind that they are declared to be: no provider can answer what is not.

Only their first kilobyte is looked at. A picture that is declared as another type of picture is for the provider to
judge: some take it. So is what is not known here.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from typing import Any, NamedTuple

from apps.gateway.errors import bad_request
from orchestration.values.media_types import HEADER_BYTES, KIND_OF, plain_type, sniffed

DEEPEST = 5
"""Parts within parts."""
HEADER_CHARACTERS = HEADER_BYTES * 3 // 2
"""Of base64, with room for line breaks."""


class Inlined(NamedTuple):
    """Bytes in a request."""

    place: str
    declared: Any
    """As the request has it; a media type, if all is well."""
    data: Any
    """Base64, if all is well."""


def check_content(body: dict[str, Any]) -> None:
    """GatewayError 400, which names the place, for an image that is declared as a PDF, and the like."""
    for name in ("messages", "input"):
        for place, part in _parts(body.get(name), name, 0):
            for inlined in _inlined(part, place):
                _check(inlined)


def _check(inlined: Inlined) -> None:
    if not (isinstance(inlined.declared, str) and isinstance(inlined.data, str)):
        return
    declared = plain_type(inlined.declared)
    if declared not in KIND_OF:
        return
    found = sniffed(_first_bytes(inlined.data))
    if found and KIND_OF[found] != KIND_OF[declared]:
        raise bad_request(
            f"{inlined.place} is declared as {declared}, but it is {found} by its first bytes.",
            param=inlined.place,
            code="invalid_media_type",
        )


def _parts(given: Any, place: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Messages, items, their parts, and the parts in results of tools, each with its place."""
    for number, each in enumerate(given if isinstance(given, list) and depth < DEEPEST else ()):
        if isinstance(each, dict):
            here = f"{place}[{number}]"
            yield here, each
            for name in ("content", "output"):
                yield from _parts(each.get(name), f"{here}.{name}", depth + 1)


def _inlined(part: dict[str, Any], place: str) -> Iterator[Inlined]:
    """As OpenAI's APIs and Anthropic's have it."""
    for names in (("image_url", "url"), ("image_url",), ("file", "file_data"), ("file_data",)):
        url = _at(part, names)
        if isinstance(url, str) and url.startswith("data:"):
            declared, _, data = url[len("data:") : HEADER_CHARACTERS].partition(";base64,")
            yield Inlined(".".join((place, *names)), declared, data)
    audio, source = part.get("input_audio"), part.get("source")
    if isinstance(audio, dict):
        yield Inlined(f"{place}.input_audio.data", f"audio/{audio.get('format')}", audio.get("data"))
    if isinstance(source, dict):
        yield Inlined(f"{place}.source.data", source.get("media_type"), source.get("data"))


def _at(part: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        part = part.get(name) if isinstance(part, dict) else None
    return part


def _first_bytes(data: str) -> bytes:
    """Of base64; none where it is not base64."""
    written = "".join(data[:HEADER_CHARACTERS].split())
    try:
        return binascii.a2b_base64(written[: len(written) // 4 * 4])
    except ValueError:
        return b""
