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
from tests.persistence.reprocessing.test_reprocess import memo
from tests.persistence.results import note
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def url(call: ServiceCallRecord) -> str:
    return reverse("admin:persistence_dry_run", args=(call.pk,))


def html(response: Any) -> str:
    return " ".join(response.content.decode().split())


def apply(client: Client, call: ServiceCallRecord, page: str, **data: str) -> Any:
    seal = re.search(r'name="seal" value="([^"]+)"', page)
    how = re.search(r'type="hidden" name="how" value="([^"]+)"', page)
    assert seal
    assert how
    return client.post(url(call), {"how": how[1], "seal": seal[1], **data}, follow=True)


def test_a_dry_run_shows_each_field_and_applies_exactly_that(root: Client) -> None:
    """It changes nothing until it is applied."""
    call = memo("hello", 1)
    page = html(root.get(url(call)))
    assert "<strong>would persist</strong>, 1 row created" in page
    assert "<ins>hello</ins>" in page
    assert not Message.objects.exists()
    assert LogEntry.objects.filter(object_id=call.pk, change_message__contains="looked at the content").count() == 1
    done = apply(root, call, page, reason="handler is fixed")
    assert "Persisted: 1 created." in html(done)
    assert Message.objects.get().content == "hello"
    entry = LogEntry.objects.filter(object_id=call.pk, change_message__startswith="Reprocess").get()
    assert entry.get_change_message() == "Reprocess (keep): persisted, 1 created. handler is fixed"


@pytest.mark.long
def test_fifty_megabytes_are_tried_out_and_shown_cut(root: Client) -> None:
    call = memo("x" * 50_000_000)
    page = html(root.get(url(call)))
    assert len(page) < 200_000
    assert "1 row created" in page
    assert "xxx…</ins>" in page
    assert "Persisted: 1 created." in html(apply(root, call, page))
    assert len(Message.objects.get().content) == 50_000_000


def test_an_update_that_changed_since_its_dry_run_is_not_done(root: Client) -> None:
    """It shows what was before and after, and says what changed in between."""
    call = memo("new")
    persist(call)
    Message.objects.update(content="old", meta={})
    page = html(root.get(url(call), {"how": "update"}))
    assert "<del>old</del>" in page
    assert "<ins>new</ins>" in page
    Message.objects.update(content="older", meta={"tone": "plain"})
    moved = html(apply(root, call, page))
    assert "Nothing was done: what would happen has changed since you looked." in moved
    assert "updated: meta" in moved
    assert "<del>older</del>" in moved
    assert Message.objects.get().content == "older"
    assert "Updated: 1 updated." in html(apply(root, call, moved))
    assert Message.objects.get().content == "new"


def test_it_was_persisted_by_a_worker_meanwhile(root: Client) -> None:
    call = memo("hello")
    page = html(root.get(url(call)))
    persist(call)
    assert "as a whole: outcome" in html(apply(root, call, page))
    assert Message.objects.count() == 1


def test_a_revert_is_previewed_and_needs_its_own_permission(root: Client, staff: Callable[..., Client]) -> None:
    call = memo("hello")
    persist(call)
    page = html(root.get(url(call), {"how": "revert"}))
    assert "1 row deleted" in page
    other = staff("view_servicecallrecord", "preview_servicecallrecord", "persist_servicecallrecord")
    assert apply(other, call, page).status_code == 403
    assert "Reverted: 1 deleted." in html(apply(root, call, page))
    assert not Message.objects.exists()
    assert not PersistedObject.objects.exists()


def test_a_handler_that_fails_is_told_and_cannot_be_applied(root: Client) -> None:
    def broken(handler: Any, response: Any) -> None:
        raise ValueError("secret")

    page = html(root.get(url(note(broken))))
    assert "<strong>failed</strong>" in page
    assert "ValueError" in page
    assert "secret" not in page
    assert 'name="seal"' not in page


def test_a_seal_of_another_call_or_a_forged_one_does_nothing(root: Client) -> None:
    one, two = memo("a"), memo("b")
    page = html(root.get(url(one)))
    assert "look at it again" in html(apply(root, two, page))
    assert "look at it again" in html(root.post(url(one), {"how": "keep", "seal": "forged"}))
    assert not Message.objects.exists()


def test_values_are_hidden_from_who_may_not_read_content(
    staff: Callable[..., Client],
) -> None:
    """No look is logged for them."""
    client, call = staff("view_servicecallrecord", "preview_servicecallrecord"), memo("hello")
    page = html(client.get(url(call)))
    assert "1 row created" in page
    assert "hello" not in page
    assert "Hidden" in page
    assert "Apply" not in page
    assert not LogEntry.objects.filter(change_message__contains="content").exists()
    assert staff("view_servicecallrecord").get(url(call)).status_code == 403
    assert client.get(reverse("admin:persistence_dry_run", args=("gone",))).status_code == 404


def test_a_call_with_a_result_has_the_buttons(root: Client) -> None:
    def page(call: ServiceCallRecord) -> str:
        return html(root.get(reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))))

    done, waiting = memo("a"), queued()
    assert url(done) in page(done)
    assert "?how=revert" not in page(done)
    assert url(waiting) not in page(waiting)
    persist(done)
    assert f"{url(done)}?how=revert" in page(done)
