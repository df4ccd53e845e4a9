"""Searches that are kept above the list of calls: by whom they are seen, and what they say to whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from orchestration.admin import saved_searches
from orchestration.admin.saved_searches import NO_NAME, TOO_LONG
from orchestration.models.saved_searches import SavedSearch
from tests.orchestration.factories import failed

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
LIST = reverse("admin:orchestration_servicecallrecord_changelist")
SAVE = reverse("admin:orchestration_servicecallrecord_save_search")


def save(client: Client, query: str, name: str = "Mine", **more: str) -> str:
    answer = client.post(SAVE, {"query": query, "name": name, **more}, follow=True)
    return str(answer.content.decode())


def shown(client: Client, url: str = LIST) -> dict[str, bool]:
    """Names above the list, and whether each is what the list shows."""
    return {each.name: each.is_current for each in client.get(url).context["searches"]["listed"]}


def forget(client: Client, row: SavedSearch) -> int:
    return client.post(reverse("admin:orchestration_servicecallrecord_forget_search", args=(row.pk,))).status_code


def test_a_search_is_kept_with_its_filters_and_opened(root: Client) -> None:
    """The page and Django's own marks are not part of it, and their order does not matter."""
    call = failed(error_code="rate_limited")
    failed()
    page = save(root, "p=3&status__exact=failed&q=rate_limited&e=1")
    assert "Saved as “Mine”." in page
    row = SavedSearch.objects.get()
    assert row.query == "q=rate_limited&status__exact=failed"
    assert shown(root) == {"Mine": False}
    url = f"{LIST}?status__exact=failed&q=rate_limited"
    assert shown(root, url) == {"Mine": True}
    opened = root.get(f"{LIST}?{row.query}")
    assert [each.pk for each in opened.context["cl"].result_list] == [call.pk]


def test_the_same_name_replaces_and_is_removed(root: Client) -> None:
    save(root, "status__exact=failed")
    save(root, "status__exact=queued")
    row = SavedSearch.objects.get()
    assert row.query == "status__exact=queued"
    assert forget(root, row) == 302
    assert shown(root) == {}
    assert forget(root, row) == 404


def test_a_shared_one_is_seen_by_all_and_removed_by_its_owner(staff: Callable[..., Client]) -> None:
    ada, bob, eve = (staff("view_servicecallrecord") for _ in range(3))
    save(ada, "status__exact=failed", "Ours", is_shared="on")
    save(ada, "status__exact=queued", "Hers")
    assert [shown(client) for client in (ada, bob)] == [{"Hers": False, "Ours": False}, {"Ours": False}]
    ours = SavedSearch.objects.get(name="Ours")
    assert forget(eve, ours) == 403
    housekeeper, address = staff("view_servicecallrecord", "delete_savedsearch"), f"searches/{ours.pk}/remove/"
    offered = [address in client.get(LIST).content.decode() for client in (ada, bob, housekeeper)]
    assert offered == [True, False, True], "who shared it may have left"
    assert forget(housekeeper, ours) == 302


def test_a_shared_one_stays_when_its_owner_is_deleted(staff: Callable[..., Client]) -> None:
    ada, bob = (staff("view_servicecallrecord") for _ in range(2))
    save(ada, "status__exact=failed", "Ours", is_shared="on")
    save(ada, "status__exact=queued", "Hers")
    User.objects.get(pk=SavedSearch.objects.get(name="Ours").owner_id).delete()
    assert shown(bob) == {"Ours": False}
    assert "a deleted user" in bob.get(LIST).content.decode()
    assert not SavedSearch.objects.filter(name="Hers").exists()
    save(bob, "status__exact=failed", "Ours", is_shared="on")
    assert SavedSearch.objects.filter(name="Ours").count() == 2


def test_text_of_content_is_shared_with_those_who_may_read_it(staff: Callable[..., Client]) -> None:
    """The name of a patient in a search is content, too."""
    reader = staff("view_servicecallrecord", "view_content")
    save(reader, "q=input.patient%3DAda", "Ada", is_shared="on")
    save(reader, "q=timeout", "Timeouts", is_shared="on")
    failed()
    save(reader, "q=timeout", "Timeouts", is_shared="on")
    assert shown(staff("view_servicecallrecord", "view_content")) == {"Ada": False, "Timeouts": False}
    assert shown(staff("view_servicecallrecord")) == {"Timeouts": False}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"query": "q=1", "name": ""}, NO_NAME),
        ({"query": "q=1", "name": "x" * 81}, NO_NAME),
        ({"query": "", "name": "x"}, TOO_LONG),
        ({"query": f"q={'x' * 4000}", "name": "x"}, TOO_LONG),
    ],
)
def test_what_cannot_be_kept_is_said(root: Client, given: dict[str, str], told: str) -> None:
    """A search that is too long is refused, and not cut: it would find something else."""
    answer = root.post(SAVE, given, follow=True)
    assert told in answer.content.decode()
    assert not SavedSearch.objects.exists()


def test_one_keeps_so_many_and_no_more(root: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_searches, "MOST_OF_ONE", 2)
    for name in ("a", "b", "c", "b"):
        page = save(root, "q=1", name)
    assert "Saved as" in page
    assert sorted(SavedSearch.objects.values_list("name", flat=True)) == ["a", "b"]


def test_searches_are_for_those_who_may_view_calls(staff: Callable[..., Client]) -> None:
    nobody = staff()
    assert nobody.post(SAVE, {"query": "q=1", "name": "x"}).status_code == 403
    assert nobody.get(reverse("admin:orchestration_servicecallrecord_suggest")).status_code == 403
    assert staff("view_servicecallrecord").get(SAVE).status_code == 405
