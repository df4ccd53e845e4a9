"""What a model says while it says it, on the page of its call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from orchestration.admin.call_actions import call_url
from orchestration.api import streams
from orchestration.engine.streaming import listening
from orchestration.models import ServiceCallRecord
from orchestration.models.stream_chunks import StreamChunk
from tests.engineapp.orca.services.speaks import Speaks
from tests.orchestration.factories import queued, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
SPEAKS = str(Speaks.identity)


@pytest.fixture(autouse=True)
def shortly(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(listening, "READ_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(streams, "THREAD_SECONDS", 0.05)
    yield
    listening._watched.clear()


def speaking(*texts: str) -> ServiceCallRecord:
    call = running(service_identity=SPEAKS)
    StreamChunk.objects.bulk_create([StreamChunk(call=call, attempt=1, text=text) for text in texts])
    return call


def stream_of(call: ServiceCallRecord) -> str:
    return call_url(call.pk).replace("/change/", "/stream/")


def heard(client: Client, call: ServiceCallRecord, **headers: str) -> str:
    answer: Any = client.get(stream_of(call), headers=headers)
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()


def test_the_page_has_what_was_said_so_far_and_where_the_rest_is(root: Client) -> None:
    """Without a script it says so."""
    call = speaking("It <b>hurts</b> ", "here.")
    page = root.get(call_url(call.pk)).content.decode()
    assert f'data-stream="{stream_of(call)}"' in page
    assert ">It &lt;b&gt;hurts&lt;/b&gt; here.</pre>" in page
    assert "<noscript>The text as it was" in page
    assert '"text": "It <b>hurts</b> here."' in heard(root, call)
    assert LogEntry.objects.filter(object_id=call.pk).count() == 1, "the page's own look"
    last = StreamChunk.objects.order_by("id").last()
    assert last is not None
    assert "event:" not in heard(root, call, **{"Last-Event-ID": str(last.pk)})
    for odd in ("x", "9" * 60, "-1"):
        assert "here." in heard(root, call, **{"Last-Event-ID": odd})


def test_other_calls_have_no_stream_on_their_page(root: Client) -> None:
    for call in (queued(service_identity=SPEAKS), running(), running(service_identity="services.gone.default.Gone")):
        assert "data-stream" not in root.get(call_url(call.pk)).content.decode()


def test_what_is_said_stays_behind_its_permission(staff: Callable[..., Client], root: Client) -> None:
    call = speaking("a secret")
    page = staff("view_servicecallrecord").get(call_url(call.pk)).content.decode()
    assert "data-stream" not in page
    assert "a secret" not in page
    for permissions in (("view_servicecallrecord",), ("view_content",)):
        assert staff(*permissions).get(stream_of(call)).status_code == 403
    assert Client().get(stream_of(call)).status_code == 302
    assert root.get(stream_of(call).replace(call.pk, "none")).status_code == 404
