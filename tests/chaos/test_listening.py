"""What listeners of a chaos run are told is compared with what is stored."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chaos.app.orca.services.note import DictateNote
from chaos.listening import Audience
from orchestration.engine.streaming import listening
from orchestration.models import ServiceCallRecord
from orchestration.models.stream_chunks import StreamChunk
from tests.orchestration.factories import running

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(listening, "READ_AGAIN_SECONDS", 0.0)
    yield
    listening._watched.clear()


def told(*pieces: tuple[int, str], stored: str) -> Audience:
    """Who heard these pieces (attempt, text), and then the end of the call."""
    call = running(service_identity=str(DictateNote.identity))
    audience = Audience(lambda: [call.pk])
    for attempt, text in pieces:
        StreamChunk.objects.create(call=call, attempt=attempt, text=text)
        audience.look()
    assert audience.listens
    end = {"status": "succeeded", "finished_at": call.created_at, "result": {"structured_data": {"note": stored}}}
    ServiceCallRecord.objects.filter(pk=call.pk).update(**end)
    audience.look()
    assert not audience.listens
    return audience


def test_a_mark_takes_back_what_was_said() -> None:
    audience = told((1, "half"), (2, "the "), (2, "who"), (2, "le"), stored="the whole")
    assert audience.misheard == []
    assert audience.report() == {"ends": 1, "spoke_before": 1, "marks": 1}


@pytest.mark.parametrize("stored", ["the whole", "", "hal"])
def test_what_was_told_and_is_not_stored_is_found(stored: str) -> None:
    assert len(told((1, "half"), stored=stored).misheard) == 1
