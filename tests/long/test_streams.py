"""Streams over a real cluster: a worker is killed, or a call is cancelled, amid one, and a listener hears of it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from django.db import connection

from orchestration.models import ServiceCallRecord
from orchestration.models.stream_chunks import StreamChunk
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.server import SimulatedProviderServer
from tests.apps.gateway.serving import Workers
from tests.clusters import running_cluster
from tests.orchestration.api.conftest import Caller
from tests.orchestration.engine.streaming.ear import WORDS
from tests.paid_once import submit
from tests.waiting import until

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(300),
]
SERVICE = "services.engineapp.default.Speaks"
SAYS = f"{WORDS} " * 5
FAST_DEATHS = {"LEASE_SECONDS": 1.5, "RENEW_SECONDS": 0.3, "TICK_SECONDS": 0.5, "MAX_DEATHS": 100}
KILLS = 3
LISTENERS = 100


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedProviderServer]:
    with SimulatedProviderServer() as server:
        server.script([Fault(kind="text", text=SAYS, times=0, pace_ms=250)])
        monkeypatch.setenv("ORCA_TEST_PROVIDER_URL", server.base_url)
        monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "simulated")
        yield server


def events(who: Caller, call: ServiceCallRecord) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of the stream as they come, to a reader that comes back with the last id whenever it is sent away."""
    last = ""
    while True:
        headers = {**who.headers, **({"Last-Event-ID": last} if last else {})}
        answer: Any = who.client.get(f"/api/v1/service-calls/{call.pk}/stream", headers=headers)
        assert answer.status_code == 200, answer.content
        for block in (block for text in answer.streaming_content for block in text.decode().split("\n\n")):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            last = fields.get("id", last)
            if "event" in fields:
                yield fields["event"], json.loads(fields["data"])
            if fields.get("event") == "end":
                return


def kill_its_worker(call: ServiceCallRecord) -> None:
    worker = ServiceCallRecord.objects.running().values_list("worker", flat=True).get(pk=call.pk)
    os.kill(int(worker.split(":")[1]), signal.SIGKILL)


def test_a_listener_outlives_three_workers(
    provider: SimulatedProviderServer, caller: Callable[..., Caller], tmp_path: Path
) -> None:
    """Each death is a mark to the listener, and in the end it has heard what is stored."""
    ann = caller("ann", permissions=("view_servicecallrecord",))
    shown, marks, spoke, kills = "", 0, False, 0
    with running_cluster(tmp_path, **FAST_DEATHS):
        [call] = submit(1, SERVICE)
        for name, data in events(ann, call):
            if name == "text":
                shown, spoke = shown + data["text"], True
                assert SAYS.startswith(shown)
            elif name == "discarded":
                shown, marks = "", marks + 1
            if spoke and marks == kills < KILLS:
                kill_its_worker(call)
                kills, spoke = kills + 1, False
        until(lambda: not StreamChunk.objects.exists(), "the pieces are removed", 10)
    call.refresh_from_db()
    assert (name, data["parts"], call.response().output) == ("end", [SAYS], SAYS)
    assert (kills, marks, call.deaths) == (KILLS, KILLS, KILLS)
    outcomes = [audit.outcome for audit in call.request_audits.order_by("attempt")]
    assert outcomes == [*["unknown"] * KILLS, "answered"]


def test_a_call_that_is_cancelled_amid_its_stream_ends(
    provider: SimulatedProviderServer, operator: Caller, tmp_path: Path
) -> None:
    """The listener is told so, the provider sees that its client left, and what was said is gone."""
    with running_cluster(tmp_path, **FAST_DEATHS):
        [call] = submit(1, SERVICE)
        told: list[tuple[str, dict[str, Any]]] = []
        for event in events(operator, call):
            if not told:
                assert operator.post(f"/service-calls/{call.pk}/cancel").status_code == 200
            told.append(event)
        until(lambda: not StreamChunk.objects.exists(), "the pieces are removed", 10)
        until(lambda: provider.request_log()[0]["outcome"] == "client_left", "the request is broken off", 10)
    assert told[0][0] == "text"
    assert told[-1] == ("end", {"status": "cancelled", "error_code": "cancelled", "parts": None})


def test_a_hundred_listen_over_asgi(
    provider: SimulatedProviderServer,
    caller: Callable[..., Caller],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a pool of twenty connections: nobody is sent away, and who only reads the call is served meanwhile."""
    ann = caller("ann", permissions=("view_servicecallrecord",))
    with running_cluster(tmp_path):
        if connection.vendor == "postgresql":
            monkeypatch.setenv("DATABASE_POOL", "true")  # of the web process alone
        with Workers(1, provider.base_url, tmp_path / "web.log") as web:
            [call] = submit(1, SERVICE)
            url = f"{web.base_url.removesuffix('/v1')}/api/v1/service-calls/{call.pk}"
            read, told = asyncio.run(all_of_them(url, ann.headers))
    assert read == "running"
    assert {name for events in told for name, _ in events} == {"text", "end"}
    assert {"".join(data["text"] for _, data in events[:-1]) for events in told} <= {
        SAYS[:length] for length in range(1, len(SAYS) + 1)
    }
    assert [events[-1][1]["parts"] for events in told] == [[SAYS]] * LISTENERS


async def all_of_them(url: str, headers: dict[str, str]) -> tuple[str, list[list[tuple[str, dict[str, Any]]]]]:
    """The call's status while all of them listen, and what each was told."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        speaks = asyncio.Event()
        listeners = [asyncio.create_task(one_of_them(session, f"{url}/stream", speaks)) for _ in range(LISTENERS)]
        await asyncio.wait_for(speaks.wait(), 60)
        async with session.get(url) as answer:
            assert answer.status == 200, await answer.text()
            status = (await answer.json())["status"]
        return status, await asyncio.gather(*listeners)


async def one_of_them(
    session: aiohttp.ClientSession, url: str, speaks: asyncio.Event
) -> list[tuple[str, dict[str, Any]]]:
    told, name = list[tuple[str, dict[str, Any]]](), ""
    async with session.get(url) as answer:
        assert answer.status == 200, await answer.text()
        async for line in answer.content:
            field, _, value = line.decode().strip().partition(": ")
            name = value if field == "event" else name
            if field == "data":
                told.append((name, json.loads(value)))
                speaks.set()
    return told
