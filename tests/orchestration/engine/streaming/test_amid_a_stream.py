"""What happens to a call while its model speaks changes neither the call nor what its listener may be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import override_settings

from orchestration.content import file_now, image_now
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.streaming.listening import Listener, last_words
from orchestration.models import ServiceCallRecord
from orchestration.models.stream_chunks import StreamChunk
from orchestration.providers.conformance.contents import PDF, png
from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.receivers import forget_streams
from orchestration.testing import drain
from persistence.maintenance.erasure import erase_subject
from persistence.maintenance.retention import aged_kinds, prune
from tests.engineapp.orca.services.contents import SaysWhatItSees, scans
from tests.engineapp.orca.services.speaks import Speaks
from tests.orchestration.engine.streaming.ear import WORDS, Ear, run

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
SAYS = Fault(kind="text", text=WORDS)


def test_an_erasure_takes_what_was_said_once_it_is(ear: Ear) -> None:
    """Amid the stream the call is held; afterwards nothing of it is told."""
    user = get_user_model().objects.create(email="ann@example.com")
    held: list[int] = []
    ear.meanwhile.append(lambda _: held.append(erase_subject(user, dry_run=False).held))
    call = run(Speaks, SAYS, requested_by=user)
    assert (held, call.status, ear.kinds) == ([1], "succeeded", ["text"])
    assert last_words(call.pk)["parts"] == [WORDS]
    erase_subject(user, dry_run=False)
    assert last_words(call.pk) == {"status": "succeeded", "error_code": "", "parts": None}
    assert not StreamChunk.objects.exists()


def test_neither_a_purge_nor_a_tick_breaks_a_stream(ear: Ear) -> None:
    ear.meanwhile.append(lambda _: (prune(days=dict.fromkeys(aged_kinds(), 0), dry_run=False), forget_streams()))
    call = run(Speaks, SAYS)
    assert (call.status, call.response().output) == ("succeeded", WORDS)
    assert ear.kinds == ["text"]
    assert ear.heard(WORDS)


def test_the_next_of_its_key_says_nothing_before_its_turn(ear: Ear) -> None:
    seen: list[Any] = []

    def look(_: str) -> None:
        call = ServiceCallRecord.objects.get(pk=second.pk)
        seen.append((call.status, Listener(second.pk).news(0)))

    ear.meanwhile.append(look)
    with scripted(SAYS, Fault(kind="text", text="Then I."), pace_ms=15):
        first, second = (
            submit(CallSpec(service=Speaks, context={"ticket": "it burns"}, ordering_key="k")) for _ in range(2)
        )
        drain()
    assert seen == [("queued", ([], False))]
    assert [last_words(call.pk)["parts"] for call in (first, second)] == [[WORDS], ["Then I."]]
    first.refresh_from_db()
    second.refresh_from_db()
    assert second.started_at >= first.finished_at


@pytest.mark.parametrize("surface", ["responses", "chat", "messages", "generateContent"])
def test_what_a_model_is_shown_goes_with_a_stream(ear: Ear, surface: str, tmp_path: Path, settings: Any) -> None:
    """In its prompt, and from a tool amid the conversation."""
    settings.MEDIA_ROOT = str(tmp_path)
    scans[:] = [png(shade=3)]
    asks = Fault(kind="tool_call", text="Let me scan it.", data={"name": "scan", "arguments": {"number": 0}})
    client = {"provider": "simulator", "model": "gpt-4o-mini", "surface": surface}
    shown = [image_now(png(), name="a.png"), file_now(PDF, name="a.pdf")]
    with override_settings(ORCA_CONFIG={"MODE": "single", "CLIENT": client}), scripted(asks, SAYS, pace_ms=15) as model:
        call = submit(CallSpec(service=SaysWhatItSees, context={"shown": shown}))
        drain()
    call.refresh_from_db()
    assert (call.status, call.error) == ("succeeded", None)
    sizes = [[part.size for part in entry.content] for entry in model.request_log.entries]
    assert sizes == [[len(png()), len(PDF)], [len(png()), len(PDF), len(scans[0])]]
    assert ear.kinds == ["text", "discarded", "text"]
    assert ear.heard(WORDS)
    assert last_words(call.pk)["parts"] == [WORDS]
