"""What a model says while it says it, on the page of its call, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from orchestration.admin.call_actions import call_url
from orchestration.clock import database_now
from orchestration.models import ServiceCallRecord
from orchestration.models.stream_chunks import StreamChunk
from tests.browser.accessible import look_at
from tests.browser.chatting import elsewhere
from tests.engineapp.orca.services.speaks import Speaks
from tests.orchestration.factories import running

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "It began last night, after supper, and it has not stopped since. " * 12


def test_words_appear_until_what_is_stored_takes_their_place(console: Any, live_server: Any) -> None:
    calls: list[ServiceCallRecord] = []

    def say(text: str, attempt: int = 1) -> None:
        elsewhere(lambda: StreamChunk.objects.create(call_id=calls[0].pk, attempt=attempt, text=text))

    def end() -> None:
        done = {"status": "succeeded", "finished_at": database_now(), "result": {"output": "It is stored."}}
        ServiceCallRecord.objects.filter(pk=calls[0].pk).update(**done)

    elsewhere(lambda: calls.append(running(service_identity=str(Speaks.identity))))
    say("It <b>hurts</b>")
    console.goto(f"{live_server.url}{call_url(calls[0].pk)}")
    shown, says = console.locator(".orca-stream-text"), console.locator(".orca-stream [role=status]")
    expect(shown).to_have_text("It <b>hurts</b>")
    expect(says).to_have_text("Live.")
    say(" here. " + LONG)
    expect(shown).to_contain_text("It <b>hurts</b> here. It began last night")
    look_at(console, "call-stream")
    say("No.", attempt=2)
    expect(shown).to_have_text("No.")
    elsewhere(end)
    expect(shown).to_have_text("It is stored.")
    expect(says).to_have_text("The call has ended: succeeded. Load its page again")
    console.get_by_role("link", name="Load its page again").click()
    expect(console.locator(".orca-stream")).to_have_count(0)
