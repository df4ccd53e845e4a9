"""Events as they happen: written with what they tell, resumable, none lost and none twice, whoever writes at once."""

from __future__ import annotations

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from pytest_django.live_server_helper import LiveServer

from apps.accounts.models import ApiKey
from apps.accounts.models.roles import UserRole
from apps.chatlab.models import Message
from apps.chatlab.services.replies import post_message
from apps.simulation.api.event_stream import next_events
from apps.simulation.models import EventKind, Simulation, SimulationEvent
from apps.simulation.models.event_types import Audience
from apps.simulation.services.lifecycle import end_simulation, start_simulation
from orchestration.api import sse as api_streams
from orchestration.api.sse import EventStream
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from persistence.reprocessing.reprocess import ReprocessOutcome, reprocess, revert
from tests.apps.chatlab.conversation import new_simulation, opened, say, says
from tests.apps.people import Caller, person, signed_in

WRITERS, EACH, CUTS = 5, 6, 4


def parsed(text: str) -> list[tuple[int | None, str, dict[str, Any]]]:
    """(id, kind, data) of every whole event in a piece of a stream."""
    events = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith((":", "retry")))
        if "event" in fields:
            number = int(fields["id"]) if "id" in fields else None
            events.append((number, fields["event"], json.loads(fields["data"])))
    return events


def asked_once(caller: Caller) -> Simulation:
    """A simulation with one question and its reply."""
    simulation = opened(caller)
    say(caller, simulation, "When did it start?")
    with scripted(says("Since last night.")):
        drain()
    return simulation


def told_after(simulation: Simulation, sequence: int) -> list[SimulationEvent]:
    """What a reader gets who has seen everything up to `sequence`."""
    return list(next_events(simulation.pk, simulation.user, sequence).events)


@pytest.mark.django_db
def test_every_step_of_a_session_is_told_in_order() -> None:
    caller = signed_in(person())
    simulation = asked_once(caller)
    end_simulation(simulation)
    events = list(simulation.events.order_by("sequence"))
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [event.kind for event in events] == [
        "message",
        "message",
        "metadata",
        "status",
        "message",
        "message",
        "delivery",
        "status",
        "feedback",
    ]
    assert simulation.last_event == len(events) == caller.get(f"/simulations/{simulation.uuid}").json()["last_event"]
    assert [event for event in events if "content" in event.data] == [], "an event names rows, it does not copy them"


@pytest.mark.django_db
def test_a_reverted_reply_leaves_a_gap_and_repeats_no_number() -> None:
    simulation = asked_once(signed_in(person()))
    before = list(simulation.events.order_by("sequence").values_list("sequence", flat=True))
    reply = Message.objects.filter(simulation=simulation, role="assistant").latest("sequence")
    assert revert(reply.call_id).outcome is ReprocessOutcome.REVERTED
    assert [event.sequence for event in told_after(simulation, 0)] == before[:-2], "without what told of the reply"
    assert reprocess(reply.call_id).outcome is ReprocessOutcome.PERSISTED
    told = [(event.sequence, event.kind) for event in told_after(simulation, before[-1])]
    assert told == [(before[-1] + 1, "message"), (before[-1] + 2, "delivery")]
    assert Message.objects.filter(simulation=simulation).latest("sequence").sequence == reply.sequence


@pytest.mark.django_db
def test_an_event_goes_with_what_it_tells() -> None:
    simulation = start_simulation(person(), sim_patient_full_name="Maria Alvarez")
    with pytest.raises(RuntimeError, match="undone"), transaction.atomic():
        post_message(simulation.pk, simulation.user, "Hello?")
        raise RuntimeError("undone")
    assert not Message.objects.exists()
    assert not simulation.events.exists()


@pytest.mark.django_db
def test_a_trainees_stream_skips_instructor_events_and_no_other() -> None:
    simulation = start_simulation(person(), sim_patient_full_name="Maria Alvarez")
    for number in range(6):
        audience = Audience.INSTRUCTORS if number % 2 else Audience.EVERYONE
        SimulationEvent.objects.record(simulation.pk, EventKind.NOTE, {"id": number}, audience=audience)
    end_simulation(simulation)

    def seen(user: Any, after: int) -> list[int | None]:
        stream = EventStream(partial(next_events, simulation.pk, user), after)
        return [number for number, _, _ in parsed("".join(stream.texts()))]

    assert seen(simulation.user, 0) == [1, 3, 5, 7, None]
    assert seen(simulation.user, 3) == [5, 7, None]
    assert seen(person(UserRole.INSTRUCTOR), 4) == [5, 6, 7, None]


@pytest.mark.django_db
def test_a_silent_stream_keeps_the_connection_and_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_streams, "KEEP_ALIVE_SECONDS", 0.02)
    monkeypatch.setattr(api_streams, "MAX_STREAM_SECONDS", 0.2)
    monkeypatch.setattr(api_streams, "PAUSE_SECONDS", 0.02)
    simulation = start_simulation(person(), sim_patient_full_name="Maria Alvarez")

    async def collected() -> list[str]:
        stream = EventStream(partial(next_events, simulation.pk, simulation.user), 0)
        return [text async for text in stream.atexts()]

    texts = async_to_sync(collected)()
    assert texts[0].startswith("retry: ")
    assert ": still here\n\n" in texts
    assert parsed("".join(texts)) == []


@pytest.mark.django_db
def test_a_look_at_a_quiet_simulation_reads_one_row(django_assert_num_queries: Any) -> None:
    simulation = start_simulation(person(), sim_patient_full_name="Maria Alvarez")
    with django_assert_num_queries(1):
        next_events(simulation.pk, simulation.user, 0)
    SimulationEvent.objects.record(simulation.pk, EventKind.NOTE, {"id": 1})
    with django_assert_num_queries(2):
        assert len(next_events(simulation.pk, simulation.user, 0).events) == 1
    with django_assert_num_queries(1):
        next_events(simulation.pk, simulation.user, 1)


@pytest.mark.django_db
def test_the_stream_refuses_strangers_and_invented_ids() -> None:
    caller = signed_in(person())
    path = f"/simulations/{new_simulation(caller).uuid}/events"
    assert signed_in(person()).get(path).status_code == 404
    for made_up in ("x", "-1", "1.5", "٣"):
        answer = caller.client.get(f"/api/v1{path}", headers={"Last-Event-ID": made_up})
        assert answer.status_code == 422, made_up
    assert caller.get(path, after=-1).status_code == 422


class Reader:
    """A browser whose connection is cut again and again: it comes back with the last id it has."""

    def __init__(self, server: str, simulation: Simulation, secret: str) -> None:
        self.address = urlsplit(server)
        self.path = f"/api/v1/simulations/{simulation.uuid}/events"
        self.headers = {"Authorization": f"Bearer {secret}"}
        self.seen: list[int] = []
        self.ended = False

    def read(self, at_most: int) -> None:
        """Read events until `at_most` came or the simulation is settled, then cut the connection."""
        link = http.client.HTTPConnection(self.address.hostname or "", self.address.port, timeout=20)
        headers = self.headers | ({"Last-Event-ID": str(self.seen[-1])} if self.seen else {})
        link.request("GET", self.path, headers=headers)
        answer = link.getresponse()
        assert answer.headers["Content-Type"] == "text/event-stream"
        got = 0
        while got < at_most and not self.ended:
            line = answer.readline().decode()
            if line.startswith("id: "):
                self.seen.append(int(line[4:]))
                got += 1
            self.ended = line.startswith("event: end") or not line
        link.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_a_reader_cut_off_again_and_again_gets_each_event_once(
    live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many clients write meanwhile."""
    monkeypatch.setattr(api_streams, "PAUSE_SECONDS", 0.02)
    simulation = start_simulation(person(), sim_patient_full_name="Maria Alvarez")
    _, secret = ApiKey.issue(simulation.user, "reader", ["simulations:read"])
    reader, start = Reader(live_server.url, simulation, secret), threading.Barrier(WRITERS + 1)

    def write(writer: int) -> None:
        try:
            start.wait(timeout=30)
            for number in range(EACH):
                with transaction.atomic():
                    SimulationEvent.objects.record(simulation.pk, EventKind.NOTE, {"id": number})
                    time.sleep(0.002 * writer)  # commits come in another order than the statements
        finally:
            connection.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        jobs = [pool.submit(write, writer) for writer in range(WRITERS)]
        start.wait(timeout=30)
        for _ in range(CUTS):
            reader.read(3)
        for job in jobs:
            job.result(timeout=60)
    end_simulation(simulation)
    while not reader.ended:
        reader.read(1000)

    assert reader.seen == list(range(1, WRITERS * EACH + 2))
