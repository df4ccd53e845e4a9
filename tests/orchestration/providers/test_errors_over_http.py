"""Every failure of a provider, caused over a socket, becomes one ProviderError that says what to do about it."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import pytest

from orchestration.errors import ProviderError
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.orchestration.providers.asking import KEY, Send, provider_at, question, send_once

STATUSES = {
    "bad_request": (400, "bad_request", False),
    "unauthorized": (401, "provider_auth", False),
    "forbidden": (403, "provider_forbidden", False),
    "model_not_found": (404, "model_not_found", False),
    "request_timeout": (408, "timeout", True),
    "conflict": (409, "provider_conflict", True),
    "unprocessable": (422, "bad_request", False),
    "rate_limit": (429, "rate_limited", True),
    "quota": (429, "insufficient_quota", False),
    "server_error": (500, "provider_unavailable", True),
    "unavailable": (503, "provider_unavailable", True),
    "payment_required": (402, "insufficient_quota", False),
    "redirect": (307, "bad_request", False),
}
UNREADABLE = {
    "malformed": ("malformed_response", True),
    "html": ("malformed_response", True),
    "failed": ("provider_unavailable", True),
}


def failed(send: Send, **fields: object) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        send(**fields)
    return caught.value


def from_a_server_that_says(answer: bytes) -> ProviderError:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async def ask() -> None:
        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            await send_once(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", "responses", question())

    with pytest.raises(ProviderError) as caught:
        asyncio.run(ask())
    return caught.value


@pytest.mark.parametrize("kind", STATUSES)
def test_a_status_is_an_error_code(send: Send, server: SimulatedProviderServer, kind: str) -> None:
    server.script([Fault(kind=kind, text="A message of the provider.")])
    error = failed(send)
    assert (error.status, error.code, error.retryable) == STATUSES[kind]
    assert error.sent
    assert error.body["message"] == "A message of the provider."


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_success_that_is_not_an_answer_is_an_error(send: Send, server: SimulatedProviderServer, kind: str) -> None:
    server.script([Fault(kind=kind)])
    error = failed(send)
    assert (error.code, error.retryable) == UNREADABLE[kind]
    assert error.status == 200
    assert error.body


def test_an_error_body_of_any_shape_is_kept_without_the_prompt() -> None:
    body = b'{"error": {"type": {"odd": 1}, "code": 7, "detail": [{"msg": "too long", "input": "the prompt"}]}}'
    error = from_a_server_that_says(b"HTTP/1.1 422 X\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    assert error.code == "bad_request"
    assert error.body == {"type": {"odd": 1}, "code": 7, "detail": [{"msg": "too long"}]}


def test_retry_after_is_passed_on(send: Send, server: SimulatedProviderServer) -> None:
    server.script(
        [Fault(kind="rate_limit", retry_after=2.5), Fault(kind="unavailable", retry_after=7), Fault(kind="rate_limit")]
    )
    assert [failed(send).retry_after for _ in range(3)] == [2.5, 7.0, None]


def test_only_the_engine_retries(send: Send, server: SimulatedProviderServer) -> None:
    server.script([Fault(kind="rate_limit", times=0)])
    failed(send)
    assert len(server.request_log()) == 1


def test_neither_key_nor_prompt_is_in_the_error(send: Send, server: SimulatedProviderServer) -> None:
    echo = f"Incorrect API key provided: {KEY}. Also sk-another-1234."
    server.script([Fault(kind="unauthorized", text=echo)])
    error = failed(send, text="A secret prompt")
    assert KEY not in str(error) + json.dumps(error.body)
    assert "sk-another" not in json.dumps(error.body)
    assert "secret" not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


def test_a_server_that_never_answers_times_out(send: Send, server: SimulatedProviderServer) -> None:
    server.script([Fault(kind="hang")])
    error = failed(send, timeout=2)
    assert (error.code, error.retryable, error.sent, error.status) == ("timeout", True, True, None)


def test_a_body_that_trickles_does_not_escape_the_timeout(send: Send, server: SimulatedProviderServer) -> None:
    server.script([Fault(kind="trickle")])
    started = time.monotonic()
    error = failed(send, timeout=2)
    assert error.code == "timeout"
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("kind", ["reset", "cut"])
def test_a_broken_connection_may_have_been_billed(send: Send, server: SimulatedProviderServer, kind: str) -> None:
    server.script([Fault(kind=kind)])
    error = failed(send)
    assert (error.code, error.retryable, error.sent) == ("connection_error", True, True)
    assert [entry["outcome"] for entry in server.request_log()] == ["broken_off"]


def test_a_refused_connection_was_not_sent(surface: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        base_url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        with pytest.raises(ProviderError) as caught:
            asyncio.run(send_once(base_url, surface, question()))
    assert (caught.value.code, caught.value.retryable, caught.value.sent) == ("connection_error", True, False)


def test_an_answer_that_is_not_http_is_a_broken_connection() -> None:
    error = from_a_server_that_says(b"220 mail.example.com ESMTP\r\n\r\n")
    assert (error.code, error.retryable) == ("connection_error", True)


def test_cancelling_closes_the_request_and_stays_a_cancellation(server: SimulatedProviderServer, surface: str) -> None:
    server.script([Fault(kind="hang")])

    async def cancel_while_waiting() -> None:
        provider = provider_at(server.base_url, surface)
        try:
            task = asyncio.create_task(provider.send(question()))
            while not server.request_log():
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while server.request_log()[0]["outcome"] == "open":
                await asyncio.sleep(0.01)
        finally:
            await provider.aclose()

    asyncio.run(asyncio.wait_for(cancel_while_waiting(), 10))
    assert server.request_log()[0]["outcome"] == "client_left"
