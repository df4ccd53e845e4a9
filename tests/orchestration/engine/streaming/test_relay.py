"""What a model says reaches listeners while it says it, and the call is none the better or worse for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import OperationalError
from django.test import override_settings

from orchestration.conf import clients_settings
from orchestration.engine.queue.claim import Lease
from orchestration.engine.streaming import relay
from orchestration.engine.streaming.listening import last_words
from orchestration.engine.streaming.relay import Request, Telling
from orchestration.engine.worker.rescuer import rescue
from orchestration.models import ServiceCallRecord
from orchestration.models.stream_chunks import StreamChunk
from orchestration.providers.base import Provider, ProviderRequest, ProviderResponse
from orchestration.providers.capabilities import Capability
from orchestration.providers.http.provider import HttpProvider
from orchestration.providers.registry import client_problems
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.providers.streams.reading import Heard
from orchestration.testing import drain
from tests.engineapp.orca.services.speaks import Speaks, SpeaksInShape, SpeaksWithTools
from tests.engineapp.orca.services.triage import FreeText
from tests.orchestration.engine.streaming.ear import LINES, WORDS, Ear, run
from tests.orchestration.factories import expired, request_audit, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres, pytest.mark.usefixtures("quickly")]


def test_a_text_is_told_while_it_is_written(ear: Ear) -> None:
    call = run(Speaks, Fault(kind="text", text=WORDS))
    assert (call.status, call.response().output) == ("succeeded", WORDS)
    assert len(ear.events) > 2
    assert ear.kinds == ["text"]
    assert ear.heard(WORDS)
    assert not StreamChunk.objects.exists()
    assert last_words(call.pk) == {"status": "succeeded", "error_code": "", "parts": [WORDS]}


@pytest.mark.parametrize("surface", ["responses", "chat", "messages", "generateContent"])
def test_texts_are_read_out_of_json(ear: Ear, surface: str) -> None:
    """In every wire format, and in whatever pieces the JSON comes."""
    client = {"provider": "simulator", "model": "gpt-4o-mini", "surface": surface}
    with override_settings(ORCA_CONFIG={"MODE": "single", "CLIENT": client}):
        call = run(SpeaksInShape, Fault(kind="json", data=LINES))
    texts = [line["text"] for line in LINES["lines"]]
    assert call.response().structured_data == LINES
    assert ear.kinds == ["text"]
    assert ear.heard(*texts)
    assert last_words(call.pk)["parts"] == texts


@pytest.mark.parametrize("kind", ["cut", "malformed", "reset", "server_error", "refusal", "truncated"])
def test_a_listener_is_told_of_a_discarded_attempt(ear: Ear, kind: Any) -> None:
    """One that said nothing was not told, so that nothing of it is discarded."""
    fault = Fault(kind=kind, text=WORDS, events=12)
    call = run(Speaks, fault, Fault(kind="text", text="At last."), max_attempts=3)
    if kind in {"refusal", "truncated"}:  # not worth another attempt
        assert call.status == "failed"
        assert not StreamChunk.objects.exists()
        return
    assert (call.status, call.response().output) == ("succeeded", "At last.")
    assert ear.kinds == (["text", "discarded", "text"] if kind in {"cut", "malformed"} else ["text"])
    assert ear.heard("At last.")


def test_a_worker_that_is_killed_amid_a_stream(ear: Ear) -> None:
    """The next one answers anew, and who listened is told so."""
    call = expired(service_identity=str(Speaks.identity), attempts=1)
    request_audit(call).save()
    StreamChunk.objects.create(call=call, attempt=1, text="half of an")
    ear.listen(call.pk)
    rescue()
    with scripted(Fault(kind="text", text=WORDS), pace_ms=15):
        drain(scheduled=True)
    call.refresh_from_db()
    assert (call.status, call.deaths, call.attempts) == ("succeeded", 1, 2)
    assert [audit.outcome for audit in call.request_audits.order_by("attempt")] == ["unknown", "answered"]
    assert ear.kinds == ["text", "discarded", "text"]
    assert ear.heard(WORDS)
    assert not StreamChunk.objects.exists()


def test_another_route_begins_from_the_start(ear: Ear) -> None:
    clients = {name: {"provider": "simulator", "model": f"model-{name}"} for name in ("first", "second")}
    config = {"MODE": "pod", "CLIENTS": clients}
    routes = ["first", "second"]
    faults = (Fault(kind="cut", text=WORDS, events=12), Fault(kind="text", text="At last."))
    with override_settings(ORCA_CONFIG=config), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Speaks, "routes", routes)
        call = run(Speaks, *faults)
    assert (call.status, call.failures) == ("succeeded", 0)
    assert [audit.client_name for audit in call.request_audits.order_by("attempt")] == ["first", "second"]
    assert ear.kinds == ["text", "discarded", "text"]
    assert ear.heard("At last.")


def test_a_repair_begins_from_the_start(ear: Ear) -> None:
    wrong = {**LINES, "rating": 9}
    call = run(SpeaksInShape, Fault(kind="json", data=wrong), Fault(kind="json", data=LINES))
    assert (call.status, call.attempts) == ("succeeded", 1)
    assert ear.kinds == ["text", "discarded", "text"]
    assert ear.heard(*(line["text"] for line in LINES["lines"]))


def test_what_is_said_before_a_tool_is_not_an_answer(ear: Ear) -> None:
    asks = Fault(kind="tool_call", text="Let me ask Bo.", data={"name": "ask_around", "arguments": {"name": "Bo"}})
    call = run(SpeaksWithTools, asks, Fault(kind="text", text=WORDS))
    assert call.response().output == WORDS
    assert ear.kinds == ["text", "discarded", "text"]
    assert ear.heard(WORDS)


def test_json_that_is_none_shows_nothing(ear: Ear) -> None:
    call = run(SpeaksInShape, Fault(kind="not_json", times=0), max_attempts=1)
    assert call.status == "failed"
    assert ear.events == []


def test_calls_that_do_not_stream_cost_nothing(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither do those whose client cannot stream."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("it was asked for a stream")

    monkeypatch.setattr(HttpProvider, "stream", refuse)
    assert run(FreeText, pace_ms=0).status == "succeeded"
    client = {"provider": "simulator", "model": "gpt-4o-mini", "without": ["streaming"]}
    with override_settings(ORCA_CONFIG={"MODE": "single", "CLIENT": client}):
        assert run(Speaks, pace_ms=0).status == "succeeded"
    assert ear.events == []


@pytest.mark.parametrize("error", [OperationalError("away"), UnicodeEncodeError("utf-8", "x", 0, 1, "no such text")])
def test_a_database_that_takes_no_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def away(*_: Any) -> None:
        raise error

    monkeypatch.setattr(relay, "_store", away)
    call = run(Speaks, Fault(kind="text", text=WORDS))
    assert (call.status, call.response().output) == ("succeeded", WORDS)
    assert call.request_audits.count() == 1


def test_what_no_database_stores_is_told_as_it_is_stored(ear: Ear) -> None:
    """One answer with a NUL character, or half of an emoji, would silence all that are told with it."""
    said = f"one\0 {WORDS}"
    call = run(Speaks, Fault(kind="text", text=said))
    stored = said.replace("\0", "\N{REPLACEMENT CHARACTER}")
    assert call.response().output == stored
    assert ear.kinds == ["text"]
    assert ear.heard(stored)
    heard = telling()
    heard.hear("a\ud83d\0")
    assert [row.text for row in heard.take()] == ["a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"]


class Whispers(Provider):
    """A provider that is not asked over HTTP, and tells what it likes, as docs/providers.md lets it."""

    name = "whispers"
    surfaces = ("whisper",)
    capabilities = frozenset({Capability.STREAMING})
    default_url = ""
    key_required = False

    async def send(self, request: ProviderRequest) -> ProviderResponse:
        return ProviderResponse(raw={"said": WORDS}, text=WORDS)

    async def stream(self, request: ProviderRequest, heard: Heard) -> ProviderResponse:
        for piece in ("\ud800\0", "", WORDS):
            heard(piece)
            await asyncio.sleep(0.1)
        return await self.send(request)

    async def aclose(self) -> None:
        pass


def test_a_provider_without_an_address_is_asked_and_heard(ear: Ear) -> None:
    client = {"provider": f"{__name__}.Whispers", "model": "w"}
    with override_settings(ORCA_CONFIG={"MODE": "single", "CLIENT": client}):
        assert client_problems("default", clients_settings().clients["default"]) == []
        call = run(Speaks)
    assert (call.status, call.response().output, call.model) == ("succeeded", WORDS, "w")
    [audit] = call.request_audits.all()
    assert (audit.provider, audit.surface, audit.outcome) == ("whispers", "whisper", "answered")
    assert ear.shown == ["\N{REPLACEMENT CHARACTER}" * 2 + WORDS]


def test_only_the_worker_that_has_the_call_tells(ear: Ear) -> None:
    call, other = running(lease_token=2), running(lease_token=1)
    rows = [
        (Lease(pk, token), StreamChunk(call_id=pk, attempt=1, text=f"{token}"))
        for pk, token in ((call.pk, 1), (call.pk, 2), (other.pk, 1), ("00000000-0000-7000-8000-000000000000", 1))
    ]
    ear.store(rows, ())
    told = list(StreamChunk.objects.order_by("id").values_list("call_id", "text"))
    assert told == [(call.pk, "2"), (other.pk, "1")]


def test_pieces_of_a_call_go_with_its_end(ear: Ear) -> None:
    """Of one that another attempt follows they stay, marked."""
    call = running(lease_token=1)
    lease, chunk = Lease(call.pk, 1), StreamChunk(call_id=call.pk, attempt=1, text="x")
    ear.store([(lease, chunk)], ())
    for token, pieces in ((0, 1), (1, 2)):  # a worker that lost the call, and the one that has it
        left = Lease(call.pk, token)
        ear.store([(left, StreamChunk(call_id=call.pk, attempt=1, is_discarded=True))], {left})
        assert StreamChunk.objects.count() == pieces
    assert StreamChunk.objects.filter(is_discarded=True).count() == 1
    assert StreamChunk.objects.outlived().count() == 0
    ServiceCallRecord.objects.filter(pk=call.pk).update(status="cancelled", finished_at=call.created_at)
    assert StreamChunk.objects.outlived().count() == 2
    ear.store([], {lease})
    assert not StreamChunk.objects.exists()


def test_a_long_answer_is_told_up_to_a_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "LONGEST_TOLD", 10)
    heard = telling()
    for _ in range(9):
        heard.hear("four")
    assert "".join(row.text for row in heard.take()) == "four" * 3
    assert heard.take() == []


def test_lost_pieces_silence_the_rest_of_a_request() -> None:
    heard = telling()
    heard.hear("one")
    heard.take()
    heard.give_up()
    heard.hear("two")
    assert [(row.text, row.is_discarded) for row in heard.take()] == [("", True)]
    heard.begin(Request(1, 1))
    heard.hear("three")
    assert [(row.text, row.repair) for row in heard.take()] == [("three", 1)]


@pytest.mark.parametrize("key", ['"lines": [{"text": "other"}]', '"lines": []', '"lines": 5'])
def test_a_key_that_comes_twice_stops_the_telling(key: str) -> None:
    heard = telling("lines", "[]", "text")
    heard.hear('{"lines": [{"text": "first"}], ')
    assert [row.text for row in heard.take()] == ["first"]
    heard.hear(key)
    assert heard.take() == []


def telling(*steps: str) -> Telling:

    heard = Telling(Lease("00000000-0000-7000-8000-000000000000", 1), steps, asyncio.Event())
    heard.begin(Request(1, 0))
    return heard
