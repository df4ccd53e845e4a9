"""One row for each request, wherever its client or its process stops; and nothing readable outside the payload."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.accounts.models import ApiKey
from apps.gateway.models import GatewayWorker, Interaction, InteractionPayload, KeyMeter, Status
from tests.apps.gateway.raw_provider import CHUNKED, END, GOOD, HANG, HELD, USAGE, Part, RawProvider, delta, event, http
from tests.apps.gateway.serving import MODEL, Workers, ask, client, gateway, key, price
from tests.clusters import until

pytestmark = pytest.mark.django_db(transaction=True)

SLOW_STREAM: list[Part] = [
    CHUNKED,
    event(delta("Hel")),
    0.4,
    event(delta("lo")),
    event(delta(finish="stop")),
    event({**delta(), "choices": [], "usage": USAGE}),
    event(b"[DONE]"),
    END,
]


def leave(port: int, secret: str, body: dict[str, Any], *, after: bytes | None, cut: int = 0) -> None:
    """Send a request, its last `cut` bytes missing; go away at once, or when `after` has come back."""
    content = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), 10) as connected:
        connected.sendall(head.encode() + (content[:-cut] if cut else content))
        if after is None:
            time.sleep(0.15)  # it is on its way
            return
        received = b""
        while after not in received:
            received += connected.recv(65536)


@pytest.mark.parametrize("policy", ["drain", "cancel"])
def test_a_client_may_leave_at_every_stage(policy):
    """In the body, before the answer, in the stream, before its end: one row each, and the tokens are counted."""
    price()
    made, secret = key()
    whole: list[Part] = [0.4, *http(200, json.dumps(GOOD).encode())]
    with RawProvider(whole, SLOW_STREAM, SLOW_STREAM, [CHUNKED, event(delta("Hel")), HANG, END]) as provider:
        with gateway(provider.base_url, WHEN_CLIENT_LEAVES=policy, DRAIN_SECONDS=2, IDLE_SECONDS=3) as server:
            leave(server.port, secret, ask(), after=None, cut=5)
            until(lambda: Interaction.objects.count() == 1, "the broken body is recorded", 5)
            stages: list[tuple[bool, bytes | None]] = [(False, None), (True, b"Hel"), (True, None), (True, b"Hel")]
            for number, (stream, after) in enumerate(stages, start=2):
                leave(server.port, secret, ask(stream=stream), after=after)
                until(lambda n=number: Interaction.objects.exclude(status="in_flight").count() == n, "it ended", 8)

    rows = list(Interaction.objects.order_by("id"))
    assert len(rows) == 5 and {row.status for row in rows} == {Status.CLIENT_LEFT}
    assert rows[0].error_code == "body_incomplete"
    if policy == "drain":
        assert [row.prompt_tokens for row in rows[1:4]] == [7, 7, 7]
        assert not any(row.tokens_estimated for row in rows[1:4]) and rows[4].tokens_estimated
    else:
        assert provider.broken_off == 4
        assert rows[2].tokens_estimated and rows[2].response_tokens >= 1
    assert ApiKey.objects.get(pk=made.pk).spent == sum(row.cost or 0 for row in rows)
    meter = KeyMeter.objects.get(pk=made.pk)
    assert (meter.reserved, meter.in_flight) == (0, 0)


@pytest.mark.postgres
def test_processes_that_are_killed_or_stopped_leave_no_request_without_its_row(tmp_path):
    """Two processes with streams. One is killed: its rows become unknown, and their worst case stays charged. The other
    is asked to stop: what ends in time is whole, a stream is broken off with an error event, a waiting request gets a
    503, and all of them are settled."""
    price()
    made, secret = key(budget=100_000)
    hanging: list[Part] = [CHUNKED, event(delta("Hel")), HANG]
    held: list[Part] = [HELD if part == 0.4 else part for part in SLOW_STREAM]
    wanted = {"WHEN_CLIENT_LEAVES": "cancel", "STOP_SECONDS": 1, "LEASE_SECONDS": 3}
    with RawProvider(*[hanging] * 12, held, [HANG]) as provider:
        processes = [Workers(1, provider.base_url, tmp_path / f"log{number}", **wanted) for number in (1, 2)]
        with processes[0], processes[1]:
            until(lambda: GatewayWorker.objects.count() == 2, "both beat", 30)
            sockets = [_begin(process.port, secret) for process in processes for _ in range(6)]
            meter = KeyMeter.objects.get(pk=made.pk)
            reserved = meter.reserved
            assert (Interaction.objects.in_flight().count(), meter.in_flight) == (12, 12) and reserved > 0
            for pid in processes[0].children():
                os.kill(pid, signal.SIGKILL)
            until(lambda: Interaction.objects.filter(status=Status.UNKNOWN).count() == 6, "the dead are found", 20)
            meter.refresh_from_db()
            assert (meter.in_flight, meter.reserved) == (6, reserved / 2)
            assert meter.api_key.spent == reserved / 2, "what they cost is not known, so it is the worst case"
            for each in sockets[:-1]:
                each.close()
            until(lambda: Interaction.objects.in_flight().count() == 1, "those whose clients left end", 10)

            whole, waiting = _begin(processes[1].port, secret), _send(processes[1].port, secret, ask(max_tokens=10))
            until(lambda: len(provider.bodies) == 14, "the last is asked", 5)
            processes[1].stop()
            provider.release()
            answers = [_rest(each) for each in (whole, sockets[-1], waiting)]
    assert answers[0].endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert b'"code":"server_stopping"' in answers[1] and answers[1].endswith(b"}\n\n\r\n0\r\n\r\n")
    assert answers[2].startswith(b"HTTP/1.1 503") and b"retry-after: 1\r\n" in answers[2]
    rows = list(Interaction.objects.order_by("id"))
    told = Counter((row.status, row.error_code, row.tokens_estimated) for row in rows)
    assert told == {
        (Status.UNKNOWN, "process_died", False): 6,
        (Status.CLIENT_LEFT, "client_left", True): 5,
        (Status.FAILED, "server_stopping", True): 2,
        (Status.COMPLETED, "", False): 1,
    }
    assert all(row.prompt_tokens for row in rows if row.status != Status.UNKNOWN)
    meter.refresh_from_db()
    assert (meter.reserved, meter.in_flight) == (0, 0)
    assert meter.api_key.spent == sum(row.reserved_cost if row.cost is None else row.cost for row in rows)
    assert GatewayWorker.objects.count() == 1, "only the killed one did not say goodbye"


def _send(port: int, secret: str, body: dict[str, Any]) -> socket.socket:
    content = json.dumps(body).encode()
    connected = socket.create_connection(("127.0.0.1", port), 10)
    connected.sendall(
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n".encode()
        + content
    )
    return connected


def _rest(connected: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    with connected:
        return b"".join(iter(lambda: connected.recv(65536), b""))


def _begin(port: int, secret: str) -> socket.socket:
    """A stream that has begun."""
    connected = _send(port, secret, ask(stream=True, max_tokens=10))
    received = b""
    while b"Hel" not in received:
        received += connected.recv(65536)
    return connected


def test_what_is_said_is_readable_nowhere_but_in_the_payload(tmp_path, provider, caplog):
    """Planted secrets in prompt, answer, system message and key: not in the database's files, not in any log."""
    planted = ["plantedprompt8841", "plantedsystem8842", "plantedtool8843"]
    made, secret = key()
    body = ask(planted[0])
    body["messages"].insert(0, {"role": "system", "content": planted[1]})
    body["tools"] = [{"type": "function", "function": {"name": planted[2], "parameters": {}}}]
    with gateway(provider.base_url) as server:
        caller = client(server, secret)
        said = caller.chat.completions.create(**body).choices[0].message.content
        assert planted[0] in said
        list(caller.chat.completions.create(**body, stream=True))
        for bad in ({"messages": planted[0]}, {"model": planted[0] * 20}, {"stream_options": planted[0]}):
            with pytest.raises(Exception, match="400"):
                caller.chat.completions.create(**{**body, "stream": True, **bad})
    assert InteractionPayload.objects.count() == Interaction.objects.count() == 5
    if connection.vendor == "sqlite":
        name = Path(connection.settings_dict["NAME"])
        # By another process: to open and close the file here would drop this process' locks on it, and SQLite with it.
        paths = [str(path) for path in name.parent.glob(f"{name.name}*")]
        files = subprocess.run(["cat", *paths], capture_output=True, check=True).stdout
        assert b"client-key-of" not in files
        assert made.prefix.encode() in files, "the search itself must be able to find something"
        for word in (*planted, secret, "simulated answer"):
            assert word.encode() not in files, word
    shown = caplog.text + repr(list(Interaction.objects.values()))
    for word in (*planted[1:], secret):
        assert word not in shown
    assert MODEL in shown
