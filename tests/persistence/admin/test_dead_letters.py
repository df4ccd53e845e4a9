"""The page of dead letters."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pydantic import BaseModel

from apps.accounts.models import User
from orchestration.admin.call_actions import call_url
from orchestration.models import ServiceCallRecord
from persistence.admin.causes import explained
from persistence.bulk.worker import work
from persistence.causes.cause import Cause, Kind
from persistence.models import BulkRun
from persistence.models.failures import PersistenceFailure
from persistence.operations import DRY_RUN, REPROCESS
from persistence.testing import persist
from tests.persistence.results import lonely, note
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
DEAD = reverse("admin:persistence_dead_letters")


def html(response: Any) -> str:
    return " ".join(response.content.decode().split())


@pytest.fixture
def broken(settings: Any) -> list[bool]:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_MAX_ATTEMPTS": 1}
    return [True]


def test_a_group_is_understood_looked_at_and_persisted_again(root: Client, broken: list[bool]) -> None:
    def write(handler: Any, response: Any) -> Message:
        if broken:
            raise ValueError
        return Message.objects.create(role="note", content=response.structured_data["text"])

    for record in [note(write) for _ in range(3)]:
        assert persist(record) == "dead"
    page = html(root.get(DEAD))
    assert "3 dead results in 1 group" in page
    assert "3 times ValueError" in page
    assert "persist.seedapp.default.NotePersistence" in page
    group = root.get(DEAD).context["groups"][0][0]
    broken.clear()
    page = html(root.post(DEAD, {"fingerprint": group.fingerprint, "do": "preview"}, follow=True))
    assert "<strong>3 calls</strong> will be persisted in transactions that are rolled back" in page
    page = html(root.post(DEAD, {"fingerprint": group.fingerprint, "do": "persist"}, follow=True))
    assert "<strong>3 calls</strong> will have their stored results persisted now" in page
    run = BulkRun.objects.latest("pk")
    root.post(reverse("admin:persistence_run_steer", args=(run.pk, "start")))
    work(run.pk)
    assert Message.objects.count() == 3
    assert "0 dead results in 0 groups" in html(root.get(DEAD))
    again = root.post(DEAD, {"fingerprint": group.fingerprint, "do": "persist"}, follow=True)
    assert "This group is empty by now." in html(again)
    assert set(BulkRun.objects.values_list("kind", flat=True)) == {DRY_RUN.key, REPROCESS.key}


def test_a_cause_is_told_with_its_line_and_what_helps(root: Client) -> None:
    def write(handler: Any, response: Any) -> Message:
        return Message.objects.create(role=None)

    record = note(write)
    assert persist(record) == "failed"
    page = html(root.get(DEAD))
    assert "0 dead results and 1 that fails and will be tried again in 1 group" in page
    assert "failing, not dead yet" in page
    assert "in seedapp_message (role)" in page
    assert "seedapp_message.role: not null, got nothing" in page
    assert "return Message.objects.create(role=None)" in page
    assert "Give the field a default in the handler or the model" in page
    assert f'href="{reverse("admin:persistence_upgrades")}"' in page
    of_call = html(root.get(reverse("admin:orchestration_servicecallrecord_change", args=(record.pk,))))
    assert "Why it is not persisted" in of_call
    assert "seedapp_message.role: not null, got nothing" in of_call
    overview = html(root.get(reverse("admin:persistence_overview")))
    assert "seedapp_message.role: not null" in overview


class Reading(BaseModel):
    text: int


def test_pages_say_how_a_value_differs_from_those_that_stayed(root: Client) -> None:
    """Of columns in the rows that are stored, of fields of the answer in those that were persisted."""
    assert persist(note(lambda handler, response: Message.objects.create(role="nurse", text="hi"))) == "persisted"

    def without_text(handler: Any, response: Any) -> Message:
        return Message.objects.create(role="a", text=None)

    def as_number(handler: Any, response: Any) -> Reading:
        return Reading.model_validate(response.structured_data)

    unfit, unread = note(without_text), note(as_number)
    assert [persist(record) for record in (unfit, unread)] == ["failed", "failed"]
    column = "<dt>text in stored rows</dt><dd>text of 2 characters</dd>"
    field = "<dt>text in persisted answers</dt><dd>text of 5 characters</dd>"
    page = html(root.get(DEAD))
    assert (page.count(column), page.count(field)) == (1, 1)
    pages = [html(root.get(call_url(record.pk))) for record in (unfit, unread)]
    assert [column in page for page in pages] == [True, False]
    assert [field in page for page in pages] == [True, True]


def test_a_result_that_fails_leads_to_those_that_fail_alike(root: Client, broken: list[bool]) -> None:
    def write(handler: Any, response: Any) -> Message:
        raise [KeyError, ValueError][response.context["kind"]]

    one, like, other = [note(write, context={"kind": kind}) for kind in (0, 0, 1)]
    for record in (one, like, other):
        assert persist(record) == "dead"
    assert similar_to(root, one) == {one.pk, like.pk}
    assert similar_to(root, other) == {other.pk}
    PersistenceFailure.objects.filter(call__in=[one.pk, like.pk]).delete()  # an older version noted none
    assert similar_to(root, one) == {one.pk, like.pk}
    good = note(lambda handler, response: Message.objects.create(role="a"))
    assert persist(good) == "persisted"
    assert "not persisted for the same cause" not in html(root.get(call_url(good.pk)))


def similar_to(client: Client, record: ServiceCallRecord) -> set[str]:
    """The calls on the list to which the page of a call leads."""
    page = html(client.get(call_url(record.pk)))
    found = re.search(r'<a[^>]+href="([^"]+\?dead=[0-9a-f]{16})"[^>]*>not persisted for the same cause</a>', page)
    assert found is not None, page[page.index("At a glance") :][:3000]
    return {call.pk for call in client.get(found[1]).context["cl"].result_list}


def test_the_ids_of_examples_are_told_apart_and_copied(root: Client, broken: list[bool]) -> None:
    """By their ends, as in lists; the script puts a button beside each that copies the whole."""

    def write(handler: Any, response: Any) -> Message:
        raise ValueError

    records = [note(write) for _ in range(3)]
    for record in records:
        assert persist(record) == "dead"
    page = html(root.get(DEAD))
    for record in records:
        assert f'title="{record.pk}" data-id="{record.pk}">…{record.pk[-8:]}</span></a>' in page
    assert len({record.pk[-8:] for record in records}) == 3


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_cause_leads_to_a_page(rf: Any, root: Client, kind: Kind) -> None:
    request = rf.get("/")
    request.user = User.objects.get()
    shown = explained(request, Cause(exception="E", kind=kind, table="message", columns=("content",)))
    assert [place for place in shown.places if place.title != "Rows of message"]
    assert shown.remedy


def test_a_failure_of_an_older_version_is_shown_by_its_text(root: Client, broken: list[bool]) -> None:
    lonely(
        domain_persist_state="dead",
        next_persist_at=None,
        domain_persist_attempts=10,
        domain_persist_error="KeyError: 7",
    )
    assert "1 time KeyError" in html(root.get(DEAD))
    assert "KeyError: #" in html(root.get(DEAD))


def test_the_page_takes_no_more_queries_for_more_groups(
    root: Client, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    def write(handler: Any, response: Any) -> Message:
        raise [KeyError, ValueError, TypeError, LookupError][response.context["kind"]]

    for kind in range(4):
        persist(note(write, context={"kind": kind}))
    with django_assert_max_num_queries(12):
        page = root.get(DEAD)
    assert page.context["group_count"] == 4
    for group, *_ in page.context["groups"]:  # listed above, as there are many
        assert html(page).count(f'orca-group-{group.fingerprint}"') == 3


def test_it_needs_the_right_to_view_calls_and_to_persist(staff: Callable[..., Client]) -> None:
    assert staff("view_persistedchunk").get(DEAD).status_code == 403
    viewer = staff("view_servicecallrecord")
    assert viewer.get(DEAD).status_code == 200
    assert viewer.post(DEAD, {"fingerprint": "x", "do": "persist"}).status_code == 403
