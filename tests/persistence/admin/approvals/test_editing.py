"""Editing an answer: the fields, the preview of its rows, and the approval of what was previewed."""

from __future__ import annotations

import json
import re

import pytest

from orchestration.admin.call_actions import call_url
from orchestration.components import Approval
from orchestration.values import truncated_json
from persistence.approval.decisions import approve
from persistence.handlers import schema_upgrades
from persistence.models.approval import Hold, HoldState
from persistence.testing import persist
from tests.persistence.admin.approvals.conftest import LIST, decide, edit, html, item, told
from tests.persistence.admin.approvals.test_pages import user_of
from tests.persistence.approval.test_decisions import rewrites
from tests.persistence.reprocessing.test_reprocess import memo
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import NoteSchema
from tests.seedapp.orca.persist.reprocessed import GenerateMemo, MemoSchema

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def send(client, hold, do="preview", text="goodbye", **more):
    sent = {"base": json.dumps({"text": "hello"}), "answer/text": text, "do": do, **more}
    return client.post(edit(hold), sent, follow=True)


def test_an_edit_is_previewed_then_approved(held, anna):
    hold = held()
    assert 'value="hello"' in html(anna.get(edit(hold)))
    page = send(anna, hold)
    assert "<del>hello</del>" in html(page)
    assert "<ins>goodbye</ins>" in html(page)
    assert not Message.objects.exists()
    page = send(anna, hold, "approve", shown=page.context["shown"], note="kinder")
    assert page.request["PATH_INFO"] == LIST
    assert Message.objects.get().content == "goodbye"
    hold = Hold.objects.get()
    assert (hold.state, hold.answer, hold.edited) == (HoldState.EDITED, {"text": "hello"}, {"text": "goodbye"})
    page = html(anna.get(item(hold)))
    assert "The edited answer" in page
    assert "kinder" in page


def test_what_was_changed_after_the_preview_is_previewed_first(held, anna):
    hold = held()
    shown = send(anna, hold).context["shown"]
    page = send(anna, hold, "approve", text="something else", shown=shown)
    assert "Nothing was written" in html(page)
    assert not Message.objects.exists()
    assert page.context["shown"] != shown
    send(anna, hold, "approve", text="something else", shown=page.context["shown"])
    assert Message.objects.get().content == "something else"


def test_what_does_not_fit_the_schema_is_told_beside_the_field(held, anna):
    hold = held()
    page = send(anna, hold, **{"base": json.dumps({"text": 7})}, text="8")
    assert "Input should be a valid string." in html(page)
    assert 'aria-invalid="true"' in html(page)
    assert "autofocus" in html(page)
    page = send(anna, hold, text="half \x00")
    assert page.status_code == 200
    assert send(anna, hold, base="no JSON", text="hello").context["shown"]
    assert send(anna, hold, base="[1]", text="x" * 100_000).context["shown"]


def test_an_edit_that_its_handler_does_not_take_says_why(held, anna):
    def picky(handler, response):
        if response.structured_data["text"] != "hello":
            raise ValueError("not nice")
        return Message.objects.create(role="x", content="hello")

    hold = held(picky)
    assert "With this edit it cannot be persisted" in html(send(anna, hold))


def test_of_what_was_decided_meanwhile_nothing_is_edited(held, anna, staff):
    hold, other = held(), held()
    shown = send(anna, hold).context["shown"]
    approve(hold.pk, by=user_of(staff("view_hold", "decide_hold", "view_content")), shown=hold.digest)
    page = send(anna, hold, "approve", shown=shown)
    assert "approved already" in html(page)
    assert Message.objects.get().content == "hello"
    Hold.objects.filter(pk=other.pk).delete()
    assert "no longer stored" in html(send(anna, other))


def test_when_the_world_moves_the_edit_is_previewed_again(held, anna):
    there = Message.objects.create(role="there", content="A")
    hold = held(rewrites(there))
    shown = send(anna, hold).context["shown"]
    Message.objects.filter(pk=there.pk).update(content="B")
    page = send(anna, hold, "approve", shown=shown)
    assert "Nothing was written" in html(page)
    assert "<del>B</del>" in html(page)
    send(anna, hold, "approve", shown=page.context["shown"])
    there.refresh_from_db()
    assert there.content == "goodbye"


def test_who_may_not_decide_does_not_edit(held, anna, staff):
    hold = held(says={"permission": "auth.change_group"})
    assert "needs the permission auth.change_group" in html(anna.get(edit(hold), follow=True))
    assert staff("view_hold", "view_content").get(edit(hold), follow=True).request["PATH_INFO"] == item(hold)
    decide(anna, hold, "approve")
    assert Hold.objects.get().is_open


def test_a_schema_that_is_gone_cannot_be_edited(held, anna):
    hold = held()
    Hold.objects.update(schema_identity="schemas.gone.Gone")
    assert "its schema is no longer registered" in html(anna.get(edit(hold), follow=True))
    assert "hello" in html(anna.get(item(hold)))


def test_an_answer_of_an_older_version_is_edited_in_the_present(anna, monkeypatch):
    monkeypatch.setattr(GenerateMemo, "approval", Approval(always=True))
    persist(memo())
    hold = Hold.objects.get()
    monkeypatch.setattr(MemoSchema, "version", 4)
    refused = anna.get(edit(hold), follow=True)
    assert "no upgrade from version 3" in told(refused)
    assert "no upgrade from version 3" in html(refused)
    step = {(str(MemoSchema.identity), 3): lambda data: {**data, "text": "upgraded"}}
    monkeypatch.setattr(schema_upgrades, "_steps", schema_upgrades._steps | step)
    assert anna.get(edit(hold)).context["form"].data["text"] == "upgraded"
    assert anna.get(item(hold)).context["answer"].data["text"] == "upgraded"


@pytest.fixture
def edited(held, anna):
    """An answer that somebody made kinder."""
    hold = held(says={"persons": 2})
    previewed = send(anna, hold, text="kinder").context["shown"]
    send(anna, hold, "approve", text="kinder", shown=previewed)
    kept = Hold.objects.get(pk=hold.pk)
    assert kept.edited == {"text": "kinder"}
    return kept


def test_the_page_of_the_call_shows_what_was_changed(edited, anna, staff, monkeypatch):
    """In the present version of the schema, too."""
    reader = staff("view_hold", "view_content", "view_servicecallrecord")
    page = html(reader.get(call_url(edited.call_id)))
    assert "<del>hello</del>" in page
    assert "<ins>kinder</ins>" in page
    schema, version = edited.schema_identity, edited.shown["schema_version"]
    step = {(schema, version): lambda data: {**data, "text": f"{data['text']}, upgraded"}}
    monkeypatch.setattr(NoteSchema, "version", version + 1)
    monkeypatch.setattr(schema_upgrades, "_steps", schema_upgrades._steps | step)
    assert "<ins>kinder, upgraded</ins>" in html(reader.get(call_url(edited.call_id)))


def test_an_edit_that_is_too_long_is_shown_as_far_as_it_is_read(edited, staff, monkeypatch):
    monkeypatch.setattr(truncated_json, "MAX_CHARACTERS", 10)
    page = html(staff("view_hold", "view_content", "view_servicecallrecord").get(call_url(edited.call_id)))
    assert re.search(r"Edited <span class=\"orca-muted\">\(the first 10 of \d+ characters\)", page)
    assert "kinder" not in page
