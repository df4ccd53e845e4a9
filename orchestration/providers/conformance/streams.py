"""What every provider makes of answers that come as streams; the middle of the suite.

A provider without the capability `streaming` is asked the same, and answers at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson
import pytest

from orchestration.errors import ProviderError
from orchestration.providers.base import ProviderResponse
from orchestration.providers.capabilities import Capability
from orchestration.providers.conformance.answers import TOOL, Answers, Server
from orchestration.providers.conformance.asking import CLIENT, question
from orchestration.providers.http.contract import HttpReply
from orchestration.providers.registry import client_settings, open_provider
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.streams.reading import StreamReading

SENTENCE = 'It is "here",\nbehind the ä 😀 door.'
ENDINGS = (
    Fault(kind="text", text=SENTENCE, cached_tokens=3, reasoning_tokens=30),
    Fault(kind="truncated"),
    Fault(kind="content_filter"),
    Fault(kind="refusal", text="I would rather not."),
    Fault(kind="tool_call", text="Let me see.", data=[{"name": "look_up", "arguments": {"id": 7, "a": "ä"}}] * 2),
)


class Streamed(NamedTuple):
    """What came of a stream."""

    answer: ProviderResponse
    pieces: list[str]
    seconds: list[float]
    """From the first piece to each of them, and to the end."""


class Streams(Answers):
    """The same answers, in pieces."""

    def streamed(self, **fields: Any) -> Streamed:
        """Ask once for a stream."""
        return asyncio.run(self.streaming(**fields))

    async def streaming(self, **fields: Any) -> Streamed:
        pieces: list[str] = []
        at: list[float] = []

        def heard(text: str) -> None:
            pieces.append(text)
            at.append(time.perf_counter())

        provider = open_provider(CLIENT)
        try:
            answer = await provider.stream(question(**fields), heard)
        finally:
            await provider.aclose()
        return Streamed(answer, pieces, [each - at[0] for each in (*at, time.perf_counter())] if at else [])

    def failed_stream(self, **fields: Any) -> ProviderError:
        """The error of a stream that must fail."""
        with pytest.raises(ProviderError) as caught:
            self.streamed(**fields)
        return caught.value

    def needs_streams(self) -> None:
        if Capability.STREAMING not in self.cls.capabilities:
            pytest.skip("It has no streams.")

    @pytest.mark.parametrize("fault", ENDINGS, ids=lambda fault: fault.kind)
    def test_a_stream_is_the_same_answer(self, server: Server, fault: Fault) -> None:
        tools = [TOOL] if Capability.TOOLS in self.cls.capabilities else []
        server.script([fault, fault])
        whole = self.send(tools=tools)
        answer, pieces, _ = self.streamed(tools=tools)
        for name in ("text", "refusal", "truncated", "filtered", "finish_reason", "model", "usage", "http_status"):
            assert (name, getattr(answer, name)) == (name, getattr(whole, name))
        called = [[(call["name"], call["arguments"]) for call in each.tool_calls] for each in (answer, whole)]
        assert called[0] == called[1]
        told = "`events` of the dialect send `simulated`, and the assembly keeps fields that it does not know"
        assert answer.raw.get("simulated") is True, told
        assert answer.first_byte_ms is not None
        if answer.refusal is None and not answer.filtered:
            assert "".join(pieces) == answer.text

    def test_pieces_come_while_the_answer_is_written(self, server: Server) -> None:
        self.needs_streams()
        server.script([Fault(kind="text", text="one two three four five six", pace_ms=20)])
        answer, pieces, seconds = self.streamed()
        assert answer.text == "".join(pieces)
        assert len(pieces) > 1, "`events` of the dialect write the text in several events"
        assert seconds[-1] > 0.02

    def test_an_error_of_a_stream_is_that_of_an_answer(self, server: Server) -> None:
        server.script([Fault(kind="rate_limit", retry_after=2.5)])
        error = self.failed_stream()
        assert (error.code, error.retryable, error.retry_after) == ("rate_limited", True, 2.5)
        server.script([Fault(kind="failed")])
        error = self.failed_stream()
        assert (error.code, error.retryable, error.status) == ("provider_unavailable", True, 200)

    def test_a_stream_with_garbage_is_an_error(self, server: Server) -> None:
        self.needs_streams()
        for events in (0, 1, None):
            server.script([Fault(kind="malformed", text=SENTENCE, events=events)])
            error = self.failed_stream()
            assert (error.code, error.retryable, error.sent) == ("malformed_response", True, True)

    def test_a_stream_that_is_cut_after_any_event(self, server: Server) -> None:
        """It is an error, or, where nothing was missing, the answer."""
        self.needs_streams()
        server.script([Fault(kind="text", text="one two three")])
        whole = self.streamed()
        cut = 0
        for events in range(60):
            server.script([Fault(kind="cut", events=events)])
            try:
                answer = self.streamed(text="?").answer
            except ProviderError as error:
                assert (error.code, error.retryable, error.sent) == ("connection_error", True, True)
                assert error.usage.output_tokens <= whole.answer.usage.output_tokens
                cut += 1
            else:
                assert answer.finish_reason == whole.answer.finish_reason
                assert answer.usage.total_tokens > 0
                break
        assert cut > 3

    def test_a_stream_that_never_ends_times_out(self, server: Server) -> None:
        self.needs_streams()
        server.script([Fault(kind="trickle", events=4)])
        error = self.failed_stream(timeout=1.5)
        assert (error.code, error.retryable, error.sent) == ("timeout", True, True)
        assert error.body

    def test_cancelling_a_stream_closes_it(self, server: Server) -> None:
        self.needs_streams()
        server.script([Fault(kind="text", text="one two three four", pace_ms=2000)])

        async def cancel_amid() -> None:
            task = asyncio.create_task(self.streaming())
            while not server.request_log():
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while server.request_log()[0]["outcome"] == "open":
                await asyncio.sleep(0.01)

        asyncio.run(asyncio.wait_for(cancel_amid(), 30))
        assert server.request_log()[0]["outcome"] == "client_left"

    # --- as bytes ---------------------------------------------------------------------------------

    def test_a_stream_that_is_cut_anywhere(self, server: Server) -> None:
        """Every byte may be the last one, and the first one of the next part."""
        text = "Qq ä 😀"
        body = self.stream_of(server, text)
        whole = [[body], [body[place : place + 1] for place in range(len(body))]]
        whole += [[body[:end], body[end:]] for end in range(0, len(body), 7)]
        for answer, pieces in self.reading_streams(whole):
            assert isinstance(answer, ProviderResponse)
            assert (answer.text, "".join(pieces)) == (text, text)
        for answer, _ in self.reading_streams([[body[:end]] for end in range(len(body))]):
            if isinstance(answer, ProviderError):
                assert (answer.code, answer.retryable) == ("malformed_response", True)
            else:
                assert (answer.text, answer.truncated) == (text, False)

    def test_halves_of_a_character_are_joined(self, server: Server) -> None:
        body = self.stream_of(server, "Qq Zz")
        for text, escaped in ((b'"Qq "', b'"\\ud83d"'), (b'"Zz"', b'"\\ude00"'), (b'"Qq Zz"', b'"\\ud83d\\ude00"')):
            body = body.replace(text, escaped)
        [(answer, pieces)] = self.reading_streams([[body]])
        assert isinstance(answer, ProviderResponse)
        assert (answer.text, "".join(pieces)) == ("😀", "😀")

    def test_a_server_without_streams_is_understood(self, server: Server) -> None:
        body = self.stream_of(server, "Qq Zz")
        server.script([Fault(kind="text", text="At once.")])
        at_once = orjson.dumps(self.send().raw)
        [(answer, heard)] = self.reading_streams([[at_once]])
        assert isinstance(answer, ProviderResponse)
        assert (answer.text, heard) == ("At once.", ["At once."])
        [(answer, heard)] = self.reading_streams([[b"compressed"]], [(b"Content-Encoding", b"gzip")], body)
        assert isinstance(answer, ProviderResponse)
        assert (answer.text, "".join(heard)) == ("Qq Zz", "Qq Zz")

    def stream_of(self, server: Server, text: str) -> bytes:
        """The bytes of a stream of this text."""
        self.needs_streams()
        server.script([Fault(kind="text", text=text)])
        cls: Any = self.cls

        async def ask() -> bytes:
            provider = cls(CLIENT, client_settings(CLIENT))
            reading = StreamReading(provider.wire.streaming, lambda _: None)
            try:
                await provider.exchange(question(), reading)
            finally:
                await provider.aclose()
            return b"".join(reading)

        return asyncio.run(ask())

    def reading_streams(
        self, streams: list[list[bytes]], headers: Sequence[tuple[bytes, bytes]] = (), body: bytes | None = None
    ) -> list[tuple[ProviderResponse | ProviderError, list[str]]]:
        """What the provider makes of streams that come in these parts, and what it tells meanwhile; `body`: what they
        are when they are decompressed."""
        cls: Any = self.cls
        telling = _Telling(headers, body)
        provider = cls(CLIENT, client_settings(CLIENT), transport=telling)

        async def read() -> list[tuple[ProviderResponse | ProviderError, list[str]]]:
            found: list[tuple[ProviderResponse | ProviderError, list[str]]] = []
            for telling.parts in streams:
                pieces: list[str] = []
                try:
                    found.append((await provider.stream(question(), pieces.append), pieces))
                except ProviderError as error:
                    found.append((error, pieces))
            return found

        return asyncio.run(read())


class _Telling:
    """A transport whose server answers with these parts."""

    parts: list[bytes]

    def __init__(self, headers: Sequence[tuple[bytes, bytes]], body: bytes | None) -> None:
        self._headers, self._body = headers, body

    async def post(self, *arguments: Any) -> HttpReply:
        received: list[bytes] = arguments[-1]
        for part in self.parts:
            received.append(part)
        body = b"".join(self.parts) if self._body is None else self._body
        return HttpReply(200, self._headers, body, time.perf_counter())

    async def aclose(self) -> None:
        """There is no connection."""
