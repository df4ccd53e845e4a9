"""A listener is told each piece once, in order, wherever it resumes, and however many listen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from orchestration.engine.streaming import listening
from orchestration.engine.streaming.listening import Listener, StreamEvent, last_words
from orchestration.models import ServiceCallRecord
from orchestration.models.stream_chunks import StreamChunk
from tests.orchestration.factories import failed, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(listening, "READ_AGAIN_SECONDS", 0.0)
    yield
    listening._watched.clear()


def say(call: ServiceCallRecord, *texts: str | None, attempt: int = 1, **fields: Any) -> list[int]:
    """None: what was said is not the answer."""
    rows = [
        StreamChunk(call=call, attempt=attempt, text=text or "", is_discarded=text is None, **fields) for text in texts
    ]
    return [StreamChunk.objects.create(**{name: getattr(row, name) for name in (
        "call", "attempt", "repair", "part", "text", "is_discarded")}).pk for row in rows]  # fmt: skip


def told(events: list[StreamEvent]) -> list[str]:
    return [event.data.get("text", event.kind) for event in events]


def test_pieces_that_wait_are_one_event() -> None:
    """A slow listener gets few events."""
    call = running()
    ids = say(call, "one ", "two ", "three")
    listener = Listener(call.pk)
    events, is_over = listener.news(0)
    assert ([(event.sequence, *event.data.values()) for event in events], is_over) == (
        [(ids[-1], 0, "one two three", 1)],
        False,
    )
    assert listener.news(ids[-1]) == ([], False)
    last = say(call, " four", " five")[-1]
    [event] = listener.news(ids[-1])[0]
    assert (event.sequence, event.data["text"]) == (last, " four five")


@pytest.mark.parametrize("place", range(3))
def test_a_listener_continues_where_it_was(place: int) -> None:
    call = running()
    ids = say(call, "a", "b", "c")
    assert told(Listener(call.pk).news(ids[place])[0]) == (["bc", "c"][place : place + 1])


@pytest.mark.parametrize("offset", [1, 2**31, 2**63 - 1])
def test_an_offset_of_no_piece_begins_from_the_start(offset: int) -> None:
    """In the past, of another call, or in the future; also when nothing was said yet."""
    call = running()
    say(running(), "another call")
    listener = Listener(call.pk)
    assert listener.news(offset + 10**6 if offset == 1 else offset) == ([], False)
    say(call, "one")
    assert told(listener.news(offset + 10**6 if offset == 1 else offset)[0]) == ["discarded", "one"]


def test_another_attempt_discards_the_first() -> None:
    call = running()
    listener = Listener(call.pk)
    first = say(call, "half an")
    assert told(listener.news(0)[0]) == ["half an"]
    say(call, "whole", attempt=2)
    events = listener.news(first[-1])[0]
    assert told(events) == ["discarded", "whole"]
    assert events[0].sequence == first[-1]
    assert told(Listener(call.pk).news(first[-1])[0]) == ["discarded", "whole"]
    say(call, " late", attempt=1)
    assert listener.news(events[-1].sequence)[0] == []


def test_a_mark_discards_at_once_and_only_once() -> None:
    call = running()
    listener = Listener(call.pk)
    ids = say(call, "half", None)
    events = listener.news(0)[0]
    assert events == [], "a new listener is told nothing of it"
    other = Listener(call.pk)
    assert told(other.news(ids[0])[0]) == ["discarded"]
    say(call, "whole", attempt=2)
    assert told(other.news(ids[1])[0]) == ["whole"]
    assert told(listener.news(0)[0]) == ["whole"]


def test_parts_are_told_apart() -> None:
    call = running()
    say(call, "a", part=0)
    say(call, "b", part=1)
    say(call, "c", part=1)
    events = Listener(call.pk).news(0)[0]
    assert [(event.data["part"], event.data["text"]) for event in events] == [(0, "a"), (1, "bc")]


def test_a_hundred_listeners_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "READ_AGAIN_SECONDS", 60.0)
    call = running()
    say(call, "a")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = [told(Listener(call.pk).news(0)[0]) for _ in range(100)]
    assert found == [["a"]] * 100
    assert len(queries) == 2


@pytest.mark.timeout(30)
def test_nobody_waits_for_who_reads() -> None:
    """With a connection of a pool in hand, a hundred that wait would leave none to the one that reads."""
    call = running()
    say(call, "a")
    assert told(Listener(call.pk).news(0)[0]) == ["a"]
    with listening._watched[call.pk].lock:
        say(call, "b")
        assert told(Listener(call.pk).news(0)[0]) == ["a"], "as it was before"
    assert told(Listener(call.pk).news(0)[0]) == ["ab"]


def test_a_call_that_ended_is_over() -> None:
    """Also one that is purged, or was never there; a call is not kept in memory after that."""
    call = failed(result=None)
    say(call, "never told")
    assert Listener(call.pk).news(0) == ([], True)
    assert last_words(call.pk) == {"status": "failed", "error_code": "timeout", "parts": None}
    missing = "00000000-0000-7000-8000-000000000000"
    assert Listener(missing).news(0) == ([], True)
    assert last_words(missing) == {"status": "gone", "error_code": "", "parts": None}
    assert listening._watched == {}


@pytest.mark.parametrize(
    "result", [None, {}, [], {"output": 5}, {"output": None, "structured_data": {"lines": 5}}, {"structured_data": 5}]
)
def test_results_of_any_shape_have_last_words(result: Any) -> None:
    for service in ("services.engineapp.default.SpeaksInShape", "services.gone.default.Gone"):
        call = failed(result=result, service_identity=service)
        assert last_words(call.pk)["parts"] in (None, [])
