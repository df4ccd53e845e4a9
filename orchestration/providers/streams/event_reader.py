"""Reads a stream of server-sent events: splits its bytes into events, whatever they are about."""

from __future__ import annotations

from orchestration.errors import ProviderError
from orchestration.providers.response_bodies import read_body

LONGEST_EVENT = 16_000_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
DONE = b"[DONE]"
"""The data of the event with which OpenAI's API ends streams of chunks."""


class EventReader:
    """Splits a stream of bytes into events, however the bytes are divided and whichever way its lines end."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        """The pieces of an event that is not complete."""
        self._length = 0
        """Of all of them."""
        self._begun = False
        self._after_return = False
        """The last byte was a carriage return, of which a line feed may be the second half."""

    def feed(self, data: bytes) -> list[bytes]:
        """The events that are complete now, without their empty line. ProviderError when one is too long."""
        data = self._normalized(data)
        if self._begun and self._rest and b"\n\n" not in self._rest[-1][-1:] + data:
            self._hold(data)
            return []
        whole = b"".join([*self._rest, data])
        if not self._begun and len(whole) >= len(BYTE_ORDER_MARK):
            self._begun, whole = True, whole.removeprefix(BYTE_ORDER_MARK)
        *events, rest = whole.split(b"\n\n")
        self._rest, self._length = [], 0
        self._hold(rest)
        return [each for event in events for each in _separated(event)]

    def _hold(self, piece: bytes) -> None:
        """ProviderError when the event is too long."""
        self._length += len(piece)
        if self._length > LONGEST_EVENT:
            raise malformed()
        if piece:
            self._rest.append(piece)

    def end(self) -> list[bytes]:
        """The last events, when they are whole but for their empty line."""
        event = b"".join(self._rest).removeprefix(BYTE_ORDER_MARK)
        self._rest, self._length = [], 0
        return [each for each in _separated(event) if _is_whole(event_data(each))]

    def _normalized(self, data: bytes) -> bytes:
        if self._after_return:
            data = data.removeprefix(b"\n")
        self._after_return = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def _separated(event: bytes) -> list[bytes]:
    """Some servers leave out the empty lines: then each line of data is an event."""
    if event.count(b"\ndata:") == 0:
        return [event]
    if event.count(b"data:") == 1:
        return [event]  # its name stands before its data
    lines = [line for line in event.split(b"\n") if line.startswith(b"data:")]
    whole = all(_is_whole(line[5:].strip()) for line in lines)
    return lines if whole else [event]


def _is_whole(data: bytes | None) -> bool:
    return data is not None and (data == DONE or _is_object(data))


def event_data(event: bytes) -> bytes | None:
    """The data of an event; None for a comment (a keep-alive)."""
    if event.startswith(b"data:") and b"\n" not in event:
        return event[5:].strip()
    lines = [line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


def _is_object(data: bytes) -> bool:
    body = read_body(data)
    return body.is_json and isinstance(body.value, dict)


def malformed() -> ProviderError:
    return ProviderError("A chunk of the stream cannot be read.", code="malformed_response")
