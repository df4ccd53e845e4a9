"""The stream of a call over REST: who may listen, where they resume, and what they are told at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from orchestration.api import streams
from orchestration.engine.streaming import listening
from orchestration.models import ServiceCallRecord
from orchestration.models.stream_chunks import StreamChunk
from tests.orchestration.api.conftest import Caller
from tests.orchestration.factories import failed, queued, running

pytestmark = pytest.mark.postgres
SPEAKS = "services.engineapp.default.Speaks"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(listening, "READ_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(streams, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(streams, "THREAD_SECONDS", 0.05)
    yield
    listening._watched.clear()


def listen(who: Caller, call: ServiceCallRecord, headers: dict[str, str] | None = None, **params: Any) -> Any:
    address = f"/api/v1/service-calls/{call.pk}/stream"
    return who.client.get(address, params, headers={**who.headers, **(headers or {})})


def events(answer: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """(name, id, data) of each event."""
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/event-stream"
    text = b"".join(answer.streaming_content).decode()
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            data = json.loads(fields["data"])
            data.pop("at", None)
            found.append((fields["event"], fields.get("id", ""), data))
    return found


def say(call: ServiceCallRecord, *texts: str, attempt: int = 1) -> list[int]:
    return [StreamChunk.objects.create(call=call, attempt=attempt, text=text).pk for text in texts]


def test_a_running_call_is_listened_to(ann: Caller) -> None:
    """A connection to a WSGI server takes a thread, so it ends soon; the next one continues."""
    call = running(requested_by=ann.user, service_identity=SPEAKS)
    first, last = say(call, "It ", "hurts.")
    text = {"part": 0, "text": "It hurts.", "attempt": 1}
    assert events(listen(ann, call)) == [("text", str(last), text)]
    assert events(listen(ann, call, after=first)) == [("text", str(last), {**text, "text": "hurts."})]
    assert events(listen(ann, call, {"Last-Event-ID": str(last)}, after=first)) == []
    other = say(call, "No.", attempt=2)[0]
    assert events(listen(ann, call, after=last)) == [
        ("discarded", str(last), {"why": "another_attempt"}),
        ("text", str(other), {"part": 0, "text": "No.", "attempt": 2}),
    ]
    again = events(listen(ann, call, after=2**63 - 1))
    assert [(name, data.get("why", data.get("text"))) for name, _, data in again] == [
        ("discarded", "unknown_offset"),
        ("text", "No."),
    ]


def test_a_finished_call_tells_its_end(ann: Caller) -> None:
    """With the stored texts, in place of what was told; without them when they are purged."""
    call = failed(requested_by=ann.user)
    assert events(listen(ann, call)) == [("end", "", {"status": "failed", "error_code": "timeout", "parts": None})]
    fields = {"status": "succeeded", "error_code": "", "service_identity": SPEAKS}
    ServiceCallRecord.objects.filter(pk=call.pk).update(**fields, result={"output": "It hurts."})
    told = {"status": "succeeded", "error_code": "", "parts": ["It hurts."]}
    assert events(listen(ann, call, after=5)) == [("end", "", told)]


def test_a_call_that_waits_says_nothing_yet(ann: Caller) -> None:
    assert events(listen(ann, queued(requested_by=ann.user))) == []


def test_listening_needs_what_reading_the_content_needs(ann: Caller, caller: Any) -> None:
    own = running(requested_by=ann.user)
    stranger = caller("stranger")
    for call_id in (own.pk, "unknown", "a%00b"):
        answer = stranger.get(f"/service-calls/{call_id}/stream")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    for number, scopes in enumerate((("calls:read",), ("content:read",))):
        blind = caller(f"blind{number}", scopes=scopes)
        answer = blind.get(f"/service-calls/{running(requested_by=blind.user).pk}/stream")
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope")
    reader = caller("reader", permissions=("view_servicecallrecord",))
    looks = LogEntry.objects.filter(object_id=own.pk)
    assert events(listen(ann, own)) == []
    assert not looks.exists()
    assert events(listen(reader, own)) == []
    assert [look.user for look in looks] == [reader.user]


@pytest.mark.parametrize("offset", ["x", "-1", "1.5", "", "9" * 40, "\u0661", "0x1"])
def test_an_offset_that_is_not_a_number_is_refused(ann: Caller, offset: str) -> None:
    call = running(requested_by=ann.user)
    header = listen(ann, call, {"Last-Event-ID": offset.encode().decode("latin-1")})
    assert header.status_code == (422 if offset else 200), "none was given"
    query = listen(ann, call, after=offset)
    assert (query.status_code, query.json()["code"]) == (422, "invalid_request")
