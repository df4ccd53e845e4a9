"""The dry run of one call, and applying what it showed, or hearing what changed in between."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from orchestration.models import ServiceCallRecord
from persistence.models import PersistedObject
from persistence.testing import persist
from tests.orchestration.factories import queued
from tests.persistence.results import note
from tests.persistence.test_replay import memo
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def url(call: ServiceCallRecord) -> str:
    return reverse("admin:persistence_dry_run", args=(call.pk,))


def html(response: Any) -> str:
    return " ".join(response.content.decode().split())


def apply(client: Client, call: ServiceCallRecord, page: str, **data: str) -> Any:
    seal = re.search(r'name="seal" value="([^"]+)"', page)
    how = re.search(r'type="hidden" name="how" value="([^"]+)"', page)
    assert seal and how
    return client.post(url(call), {"how": how[1], "seal": seal[1], **data}, follow=True)


def test_it_shows_rows_field_by_field_changes_nothing_and_applies_exactly_that(root: Client) -> None:
    call = memo("hello", 1)
    page = html(root.get(url(call)))
    assert "<strong>persisted</strong>, 1 row created" in page
    assert "<ins>hello</ins>" in page and not Message.objects.exists()
    assert LogEntry.objects.filter(object_id=call.pk, change_message__contains="looked at the content").count() == 1
    done = apply(root, call, page, reason="handler is fixed")
    assert "Persisted: 1 created." in html(done)
    assert Message.objects.get().content == "hello"
    entry = LogEntry.objects.filter(object_id=call.pk, change_message__startswith="Persist").get()
    assert entry.get_change_message() == "Persist again (keep): persisted, 1 created. handler is fixed"


def test_fifty_megabytes_are_tried_out_and_shown_cut(root: Client) -> None:
    call = memo("x" * 50_000_000)
    page = html(root.get(url(call)))
    assert len(page) < 200_000
    assert "1 row created" in page and "xxx…</ins>" in page
    assert "Persisted: 1 created." in html(apply(root, call, page))
    assert len(Message.objects.get().content) == 50_000_000


def test_an_update_shows_before_and_after_and_what_changed_in_between_is_told_not_done(root: Client) -> None:
    call = memo("new")
    persist(call)
    Message.objects.update(content="old", meta={})
    page = html(root.get(url(call), {"how": "update"}))
    assert "<del>old</del>" in page and "<ins>new</ins>" in page
    Message.objects.update(content="older", meta={"tone": "plain"})
    moved = html(apply(root, call, page))
    assert "Nothing was done: what would happen has changed since you looked." in moved
    assert "updated: meta" in moved and "<del>older</del>" in moved
    assert Message.objects.get().content == "older"
    assert "Updated: 1 updated." in html(apply(root, call, moved))
    assert Message.objects.get().content == "new"


def test_it_was_persisted_by_a_worker_meanwhile(root: Client) -> None:
    call = memo("hello")
    page = html(root.get(url(call)))
    persist(call)
    assert "as a whole: outcome" in html(apply(root, call, page))
    assert Message.objects.count() == 1


def test_taking_back_shows_what_would_go_and_needs_its_own_permission(
    root: Client, staff: Callable[..., Client]
) -> None:
    call = memo("hello")
    persist(call)
    page = html(root.get(url(call), {"how": "revert"}))
    assert "1 row deleted" in page
    other = staff("view_servicecallrecord", "preview_servicecallrecord", "persist_servicecallrecord")
    assert apply(other, call, page).status_code == 403
    assert "Reverted: 1 deleted." in html(apply(root, call, page))
    assert not Message.objects.exists() and not PersistedObject.objects.exists()


def test_a_handler_that_fails_is_told_and_cannot_be_applied(root: Client) -> None:
    def broken(handler: Any, response: Any) -> None:
        raise ValueError("secret")

    page = html(root.get(url(note(broken))))
    assert "<strong>failed</strong>" in page and "ValueError" in page
    assert "secret" not in page and 'name="seal"' not in page


def test_a_seal_of_another_call_or_a_forged_one_does_nothing(root: Client) -> None:
    one, two = memo("a"), memo("b")
    page = html(root.get(url(one)))
    assert "look again" in html(apply(root, two, page))
    assert "look again" in html(root.post(url(one), {"how": "keep", "seal": "forged"}))
    assert not Message.objects.exists()


def test_without_the_right_to_read_content_values_are_hidden_and_nothing_is_said_to_be_looked_at(
    staff: Callable[..., Client],
) -> None:
    client, call = staff("view_servicecallrecord", "preview_servicecallrecord"), memo("hello")
    page = html(client.get(url(call)))
    assert "1 row created" in page and "hello" not in page and "Hidden" in page
    assert "Apply" not in page
    assert not LogEntry.objects.filter(change_message__contains="content").exists()
    assert staff("view_servicecallrecord").get(url(call)).status_code == 403
    assert client.get(reverse("admin:persistence_dry_run", args=("gone",))).status_code == 404


def test_the_buttons_stand_on_the_page_of_a_call_that_has_a_result(root: Client) -> None:
    def page(call: ServiceCallRecord) -> str:
        return html(root.get(reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))))

    done, waiting = memo("a"), queued()
    assert url(done) in page(done) and "Take back" not in page(done)
    assert url(waiting) not in page(waiting)
    persist(done)
    assert f"{url(done)}?how=revert" in page(done)
