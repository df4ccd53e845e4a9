"""What every provider makes of failures, and of what is not an answer: the last part of the suite."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from orchestration.errors import ProviderError
from orchestration.providers.base import ProviderResponse
from orchestration.providers.conformance.answers import Server
from orchestration.providers.conformance.asking import CLIENT, KEY, MODEL, question, strict
from orchestration.providers.conformance.contents import Contents
from orchestration.providers.conformance.odd_answers import odd_answers
from orchestration.providers.conformance.streams import Streams
from orchestration.providers.dialect import Reply
from orchestration.providers.http.contract import HttpReply
from orchestration.providers.registry import client_settings, open_provider
from orchestration.providers.simulator.faults import REFUSING, Fault
from orchestration.types import JsonObject

Outcome = tuple[str, bool]
"""The code of an error, and whether it is worth another try."""
UNREADABLE: dict[str, Outcome] = {
    "malformed": ("malformed_response", True),
    "html": ("malformed_response", True),
    "failed": ("provider_unavailable", True),
}
RECURSIVE = {
    "type": "object",
    "properties": {"trunk": {"$ref": "#/$defs/Branch"}},
    "required": ["trunk"],
    "$defs": {
        "Branch": {
            "type": "object",
            "properties": {"twigs": {"type": "array", "items": {"$ref": "#/$defs/Branch"}}},
            "required": ["twigs"],
        }
    },
}
ERRORS: dict[str, Outcome] = {
    "bad_request": ("bad_request", False),
    "unauthorized": ("provider_auth", False),
    "payment_required": ("insufficient_quota", False),
    "forbidden": ("provider_forbidden", False),
    "model_not_found": ("model_not_found", False),
    "request_timeout": ("timeout", True),
    "conflict": ("provider_conflict", True),
    "unprocessable": ("bad_request", False),
    "redirect": ("bad_request", False),
    "rate_limit": ("rate_limited", True),
    "quota": ("insufficient_quota", False),
    "server_error": ("provider_unavailable", True),
    "unavailable": ("provider_unavailable", True),
}
"""What each kind of failure means to the engine."""


class ProviderConformance(Streams, Contents):
    """The whole suite. Subclass it as `class TestMine(ProviderConformance)`, with `provider` and what is particular.

    Needs pytest and Django's settings, no database. `EngineConformance` (`orchestration/testing/conformance.py`) asks
    the same provider through the engine. For a provider that is not an `HttpProvider`, override `wire` and `reading`.
    """

    errors: ClassVar[Mapping[str, Outcome]] = {}
    """Kinds of faults that mean something else here than in ERRORS."""
    recursion: ClassVar[bool] = True
    """Its structured output takes recursive schemas."""

    # --- refused before anything is sent ----------------------------------------------------------

    def test_a_schema_it_cannot_express_is_not_sent(self, server: Server) -> None:
        schema = strict(RECURSIVE)
        if self.recursion:
            self.send(schema=schema, text="Grow.")
            return
        error = self.failed(schema=schema)
        assert (error.code, error.sent, error.retryable) == ("schema_not_supported", False, False)
        assert "$defs.Branch.twigs[]: a recursive reference (Branch)" in str(error)
        assert server.request_log() == []

    def test_what_cannot_be_written_as_json_is_not_sent(self, server: Server) -> None:
        error = self.failed(text="\ud800")
        assert (error.code, error.retryable, error.sent) == ("bad_request", False, False)
        assert server.request_log() == []

    def test_a_parameter_of_the_engine_is_refused(self, server: Server) -> None:
        error = self.failed(parameters={"model": "another"})
        assert (error.code, error.sent) == ("bad_request", False)
        assert "model" in str(error)

    # --- errors -----------------------------------------------------------------------------------

    @pytest.mark.parametrize("kind", sorted(REFUSING))
    def test_a_status_is_an_error_code(self, server: Server, kind: Any) -> None:
        server.script([Fault(kind=kind, text="A message of the provider.")])
        error = self.failed()
        assert (error.code, error.retryable) == {**ERRORS, **self.errors}[kind]
        assert error.sent
        assert error.status == server.request_log()[0]["status"]
        assert "A message of the provider." in json.dumps(error.body)
        assert "A message" not in str(error)

    @pytest.mark.parametrize("kind", UNREADABLE)
    def test_a_success_that_is_no_answer_is_an_error(self, server: Server, kind: Any) -> None:
        server.script([Fault(kind=kind)])
        error = self.failed()
        assert (error.code, error.retryable) == UNREADABLE[kind]
        assert error.status == 200
        assert error.body

    def test_retry_after_is_passed_on(self, server: Server) -> None:
        server.script([Fault(kind="rate_limit", retry_after=2.5), Fault(kind="unavailable", retry_after=7)])
        assert [self.failed().retry_after for _ in range(2)] == [2.5, 7.0]
        server.script([Fault(kind="rate_limit")])
        assert self.failed().retry_after is None

    def test_only_the_engine_retries(self, server: Server) -> None:
        server.script([Fault(kind="rate_limit", times=0)])
        self.failed()
        assert len(server.request_log()) == 1

    def test_neither_key_nor_prompt_is_in_the_error(self, server: Server) -> None:
        server.script([Fault(kind="unauthorized", text=f"Incorrect key: {KEY}. Also sk-another-1234.")])
        error = self.failed(text="A secret prompt")
        assert "sk-" not in str(error) + json.dumps(error.body)
        assert "secret" not in str(error)

    @pytest.mark.parametrize("kind", ["reset", "cut"])
    def test_a_broken_connection_may_have_been_billed(self, server: Server, kind: Any) -> None:
        server.script([Fault(kind=kind)])
        error = self.failed()
        assert (error.code, error.retryable, error.sent) == ("connection_error", True, True)

    @pytest.mark.parametrize("kind", ["hang", "trickle"])
    def test_an_answer_that_never_ends_times_out(self, server: Server, kind: Any) -> None:
        server.script([Fault(kind=kind)])
        error = self.failed(timeout=1.5)
        assert (error.code, error.retryable, error.sent, error.status) == ("timeout", True, True, None)

    def test_a_refused_connection_was_not_sent(self) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with self.configured(f"http://127.0.0.1:{unused.getsockname()[1]}"):
                error = self.failed()
        assert (error.code, error.retryable, error.sent) == ("connection_error", True, False)

    def test_cancelling_closes_the_request(self, server: Server) -> None:
        server.script([Fault(kind="hang")])

        async def cancel_while_waiting() -> None:
            provider = open_provider(CLIENT)
            task = asyncio.create_task(provider.send(question()))
            while not server.request_log():
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while server.request_log()[0]["outcome"] == "open":
                await asyncio.sleep(0.01)
            await provider.aclose()

        asyncio.run(asyncio.wait_for(cancel_while_waiting(), 30))
        assert server.request_log()[0]["outcome"] == "client_left"

    # --- malformed and cut answers ----------------------------------------------------------------

    def test_any_json_is_an_answer_or_an_error(self, server: Server) -> None:
        """Every field of an answer missing, and of every wrong type: nothing but a ProviderError is raised."""
        wire, payload = self.wire(server)
        for answer in odd_answers(payload):
            try:
                read = wire.to_answer(answer)
            except ProviderError as error:
                assert error.code
            else:
                assert isinstance(read.text, str)
            assert wire.to_usage(answer).total_tokens >= 0

    def test_an_answer_that_is_cut_anywhere_is_an_error(self, server: Server) -> None:
        body = json.dumps(self.wire(server)[1]).encode()
        assert self.reading(body).text == "An answer."
        for end in range(len(body)):
            with pytest.raises(ProviderError) as caught:
                self.reading(body[:end])
            assert (caught.value.code, caught.value.retryable) == ("malformed_response", True)

    def wire(self, server: Server) -> tuple[Any, JsonObject]:
        """The wire format of the client, and an answer in it."""
        reply = Reply(id="1", model=MODEL, prompt_characters=100, text="An answer.", cached_tokens=3)
        cls: Any = self.cls
        surface = self.settings.get("surface") or cls.surfaces[0]
        return cls.wires[surface], self.dialect(server).payload(reply)

    def reading(self, body: bytes) -> ProviderResponse:
        """What the provider makes of these bytes of an answer."""
        cls: Any = self.cls
        provider = cls(CLIENT, client_settings(CLIENT), transport=_Saying(body))
        response: ProviderResponse = asyncio.run(provider.send(question()))
        return response


class _Saying:
    """A transport whose server answers with the same bytes each time."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def post(self, *_: Any) -> HttpReply:
        return HttpReply(200, [], self._body, time.perf_counter())

    async def aclose(self) -> None:
        """There is no connection."""
