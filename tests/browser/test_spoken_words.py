"""The patient's words in a real browser while they are written, and the message that takes their place."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import User
from apps.chatlab.models import Message
from apps.chatlab.services.replies import post_message
from apps.simulation.models import Simulation
from orchestration.models.stream_chunks import StreamChunk
from tests.apps.people import person
from tests.browser.chatting import ROSA, box, chat, elsewhere, expect, look, session, sign_in, work

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]
LONG = "It began last night, after supper, and it has not stopped since. " * 4


@pytest.fixture
def trainee(db: None) -> User:
    return person(first_name="Tess", last_name="Trainee")


def asked(simulation: Simulation, trainee: User) -> Message:
    """A question that waits for its reply."""
    found: list[Message] = []
    elsewhere(lambda: found.append(post_message(simulation.pk, trainee, "Where does it hurt?")))
    return found[0]


def say(question: Message, *texts: str, attempt: int = 1) -> None:
    """As the worker of the question's call writes them."""
    rows = [StreamChunk(call_id=question.call_id, attempt=attempt, text=text) for text in texts]
    elsewhere(lambda: StreamChunk.objects.bulk_create(rows))


def test_words_take_the_place_of_the_dots(page: Any, live_server: Any, trainee: User) -> None:
    """What was said in an attempt that failed goes, and the message is that of the stored answer."""
    simulation = session(trainee, **ROSA)
    question = asked(simulation, trainee)
    sign_in(page, live_server, trainee, chat(simulation))
    words, dots = page.locator("#typing .words"), page.locator("#typing .dots")
    expect(dots).to_be_visible()
    expect(words).to_be_hidden()
    say(question, "It <b>hurts</b> ", "here,\n")
    expect(words).to_have_text("It <b>hurts</b> here,\n")
    expect(dots).to_be_hidden()
    say(question, "No, ", LONG, attempt=2)
    expect(words).to_contain_text("No, It began")
    assert look(page) == []
    before = page.locator("#messages .theirs").count()
    box(page).fill("A draft")
    work()
    expect(page.locator("#messages .theirs")).not_to_have_count(before)
    expect(page.locator("#typing .words")).to_have_count(0)
    expect(page.locator("#messages")).not_to_contain_text("No, It began")
    assert box(page).input_value() == "A draft"


def test_another_page_hears_the_words_from_their_beginning(page: Any, live_server: Any, trainee: User) -> None:
    """A reload begins from the start."""
    simulation = session(trainee, **ROSA)
    question = asked(simulation, trainee)
    say(question, "First, ")
    sign_in(page, live_server, trainee, chat(simulation))
    expect(page.locator("#typing .words")).to_have_text("First, ")
    say(question, "second.")
    expect(page.locator("#typing .words")).to_have_text("First, second.")
    page.reload()
    expect(page.locator("#typing .words")).to_have_text("First, second.")
