"""One row for each request, wherever its client or its process stops; and nothing readable outside the payload."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.accounts.models import ApiKey
from apps.gateway.maintenance.orphan_requests import sweep
from apps.gateway.metering.token_estimate import LARGEST, Size, size_of
from apps.gateway.models import GatewayWorker, Interaction, InteractionPayload, KeyMeter, Status
from apps.gateway.recording.flush import flush
from apps.gateway.recording.operations import Close, Content, Extend, Grant, Leave, Open
from orchestration.clock import database_now
from orchestration.models.prices import MAX_COST
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


@pytest.mark.postgres
@pytest.mark.parametrize(
    "limits", [{}, {"tokens_per_minute": 1}, {"budget": MAX_COST}], ids=["none", "tokens", "budget"]
)
def test_what_is_beyond_all_columns_is_cut(limits: dict[str, Any]) -> None:
    """A provider that counts two thousand million tokens neither takes the record away nor the key out of use."""
    price(per_million="1000")
    made, _ = key(**limits)
    for number in range(2):
        row = Interaction.begun(f"r{number}", "chat", "w")
        row.api_key, row.model, row.provider = made, MODEL, "openai"
        size = Size(LARGEST, 1, LARGEST if "budget" not in limits else 1)
        if number:  # as much time as it takes until there are tokens again
            KeyMeter.objects.update(tokens_available=1, refilled_at=None)
        [granted] = flush([Open(row, Content(b"{}"), size=size, targets=(("openai", MODEL),))])
        assert granted is not None
        assert granted.refusal is None or number
        row.status, row.prompt_tokens, row.response_tokens = Status.COMPLETED, LARGEST, LARGEST
        if granted.refusal is None:
            flush([Close(row, lost=(MAX_COST,) * 3)])
        made.refresh_from_db()
        assert made.spent == Interaction.objects.get(request_id="r0").cost == MAX_COST


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
    assert len(rows) == 5
    assert {row.status for row in rows} == {Status.CLIENT_LEFT}
    assert rows[0].error_code == "body_incomplete"
    if policy == "drain":
        assert [row.prompt_tokens for row in rows[1:4]] == [7, 7, 7]
        assert [row.tokens_estimated for row in rows[1:4]] == [False] * 3
        assert rows[4].tokens_estimated
    else:
        assert provider.broken_off == 4
        assert rows[2].tokens_estimated
        assert rows[2].response_tokens >= 1
    assert ApiKey.objects.get(pk=made.pk).spent == sum(row.cost or 0 for row in rows)
    meter = KeyMeter.objects.get(pk=made.pk)
    assert (meter.reserved, meter.in_flight) == (0, 0)


@pytest.mark.parametrize("stream", [True, False])
def test_a_stopped_answer_frees_its_place_at_once(stream):
    """While it is still read for the record; once, whether the answer ends or its process dies."""
    made, secret = key(policy={"parallel": 1})
    begun: list[Part] = [CHUNKED, event(delta("Hel")), HELD, event(delta(finish="stop")), END]
    slow = begun if stream else [HELD, *http(200, json.dumps(GOOD).encode())]
    whole = http(200, json.dumps(GOOD).encode())
    with RawProvider(slow, whole, slow, whole) as provider, gateway(provider.base_url) as server:
        caller = client(server, secret)
        leave(server.port, secret, ask(stream=stream), after=b"Hel" if stream else None)
        until(lambda: Interaction.objects.filter(slot_freed=True).exists(), "its place is free", 5)
        assert KeyMeter.objects.get(pk=made.pk).in_flight == 0
        assert caller.chat.completions.create(**ask()).choices
        assert Interaction.objects.in_flight().count() == 1
        provider.release()
        until(lambda: not Interaction.objects.in_flight().exists(), "it is read to its end", 5)
        assert Interaction.objects.earliest("id").status == Status.CLIENT_LEFT
        assert KeyMeter.objects.get(pk=made.pk).in_flight == 0


def test_a_place_is_freed_once():
    made, _ = key(policy={"parallel": 3})
    opened = [Interaction(request_id=str(number), api_key=made, worker="dead") for number in range(3)]
    size = size_of(ask(), default_output=1)
    flush([Open(row, Content(b"{}"), size=size) for row in opened])
    assert KeyMeter.objects.get(pk=made.pk).in_flight == 3
    flush([Leave(opened[0])])
    flush([Leave(opened[0])], again=True)
    assert KeyMeter.objects.get(pk=made.pk).in_flight == 2
    opened[0].status = opened[1].status = Status.CLIENT_LEFT
    flush([Close(opened[0]), Close(opened[1]), Leave(opened[1])])
    flush([Leave(opened[0])])
    assert KeyMeter.objects.get(pk=made.pk).in_flight == 1
    flush([Leave(opened[2])])
    Interaction.objects.update(timestamp=database_now() - timedelta(days=1))
    assert sweep() == 1
    assert KeyMeter.objects.get(pk=made.pk).in_flight == 0
    swept = Interaction.objects.get(status=Status.UNKNOWN)
    assert (swept.cost, swept.estimated) == (None, ""), "nothing was reserved"


def test_an_unknown_request_costs_what_its_key_was_charged():
    price()
    made, _ = key(budget=Decimal(100))
    row = Interaction(request_id="1", api_key=made, model=MODEL, provider="openai", worker="dead")
    flush([Open(row, Content(b"{}"), size=size_of(ask(), default_output=1), targets=(("openai", MODEL),))])
    Interaction.objects.update(timestamp=database_now() - timedelta(days=1))
    assert sweep() == 1
    swept = Interaction.objects.get()
    assert (swept.cost, swept.estimated) == (swept.reserved_cost, "cost")
    assert ApiKey.objects.get(pk=made.pk).spent == swept.cost > 0


@pytest.mark.long
@pytest.mark.postgres
def test_a_killed_or_stopped_process_leaves_a_row_per_request(tmp_path):
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
            assert (Interaction.objects.in_flight().count(), meter.in_flight) == (12, 12)
            assert reserved > 0
            _kill(processes[0], made, reserved)
            for each in sockets[:-1]:
                each.close()
            until(lambda: Interaction.objects.in_flight().count() == 1, "those whose clients left end", 10)

            whole, waiting = _begin(processes[1].port, secret), _send(processes[1].port, secret, ask(max_tokens=10))
            until(lambda: len(provider.bodies) == 14, "the last is asked", 5)
            processes[1].stop()
            provider.release()
            answers = [_rest(each) for each in (whole, sockets[-1], waiting)]
    assert answers[0].endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert b'"code":"server_stopping"' in answers[1]
    assert answers[1].endswith(b"}\n\n\r\n0\r\n\r\n")
    assert answers[2].startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1\r\n" in answers[2]
    rows = list(Interaction.objects.order_by("id"))
    told = Counter((row.status, row.error_code, row.tokens_estimated) for row in rows)
    assert told == {
        (Status.UNKNOWN, "process_died", False): 6,
        (Status.CLIENT_LEFT, "client_left", True): 5,
        (Status.FAILED, "server_stopping", True): 2,
        (Status.COMPLETED, "", False): 1,
    }
    assert [row.status for row in rows if not row.prompt_tokens] == [Status.UNKNOWN] * 6
    meter.refresh_from_db()
    assert (meter.reserved, meter.in_flight) == (0, 0)
    assert meter.api_key.spent == sum(row.reserved_cost if row.cost is None else row.cost for row in rows)
    assert GatewayWorker.objects.count() == 1, "only the killed one did not say goodbye"


def _kill(process: Workers, made: ApiKey, reserved: Decimal) -> None:
    """Kill half of what is in flight. What that cost is not known, so it is the worst case."""
    for pid in process.children():
        os.kill(pid, signal.SIGKILL)
    until(lambda: Interaction.objects.filter(status=Status.UNKNOWN).count() == 6, "the dead are found", 20)
    meter = KeyMeter.objects.get(pk=made.pk)
    assert (meter.in_flight, meter.reserved) == (6, reserved / 2)
    assert meter.api_key.spent == reserved / 2


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


@pytest.mark.postgres
def test_more_is_reserved_once_however_often_it_is_written() -> None:
    """A connection that broke at the commit, before or after it; nothing beyond the budget, or of a row that ended."""
    price()
    made, _ = key(budget=Decimal(100))
    row = Interaction.begun("r", "chat", "w")
    row.api_key, row.model, row.provider = made, MODEL, "openai"
    flush([Open(row, Content(b"{}"), size=Size(1, 100, 100), targets=(("openai", MODEL),))])

    def reserved() -> list[Decimal]:
        return [KeyMeter.objects.get(pk=made.pk).reserved, Interaction.objects.get().reserved_cost]

    op = Extend(row, Decimal(15))
    for again in (False, True, True):
        [granted] = flush([op], again)
        assert granted is not None
        assert granted.refusal is None
        assert reserved() == [Decimal(35)] * 2
    lost = Extend(row, Decimal(5))
    row.reserved_cost += 5  # as if it had been decided, and not committed
    flush([lost], again=True)
    assert reserved() == [Decimal(40)] * 2
    [refused] = flush([Extend(row, Decimal(61))])
    assert refused is not None
    assert refused.refusal is not None
    assert reserved() == [Decimal(40)] * 2
    row.status, row.cost = Status.COMPLETED, None
    flush([Close(row)])
    assert flush([Extend(row, Decimal(1))]) == [Grant()]
    assert reserved()[0] == 0
