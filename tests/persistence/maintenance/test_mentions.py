"""Searches that name a person go with them: those that are saved, and those that runs were made of."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from apps.accounts.models import User
from orchestration.models.saved_searches import SavedSearch
from persistence.maintenance.erasure import erase_subject
from persistence.models import BulkRun, BulkState
from tests.apps.people import person

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def searches(user: User) -> tuple[list[str], list[str]]:
    """What names this person, and what does not."""
    key, name = user.pk, user.email
    naming = [f"user:{key}", f"user {key}", f"accounts.user:{key} rate_limited", f'input.a=1 "user:{key}"']
    naming += [f"user:{name}", f"User:{name.upper()}", f"result.mail={name}", f'"{name}"']
    others = [
        f"user:{key}1",
        f"user:1{key}",
        f"simulation:{key}",
        f"superuser:{key}",
        f"user:x{name}",
        f"{name}.it",
        "",
    ]
    return naming, others


def saved(text: str, **fields: str) -> SavedSearch:
    return SavedSearch.objects.create(owner=person(), **{"name": "One", "query": urlencode({"q": text}), **fields})


def run_of(text: str, state: BulkState = BulkState.DONE) -> BulkRun:
    filters = {"all that match": {"q": text, "status": "failed"}}
    return BulkRun.objects.create(kind="retry", filter=filters, list_query=urlencode({"q": text}), state=state)


@pytest.fixture
def ada() -> User:
    return person()


def test_saved_searches_that_name_a_person_are_removed(ada: User) -> None:
    naming, others = searches(ada)
    for text in naming:
        saved(text)
    stay = {saved(text).pk for text in others}
    saved("rate_limited", name=f"Calls of {ada.email}")
    assert erase_subject(ada, dry_run=False).rows == {"searches": len(naming) + 1}
    assert set(SavedSearch.objects.values_list("pk", flat=True)) == stay


def test_runs_forget_the_filter_that_names_a_person(ada: User) -> None:
    naming, others = searches(ada)
    went, stay = [run_of(text).pk for text in naming], [run_of(text) for text in others]
    over_rest = BulkRun.objects.create(kind="retry", filter={"q": f"user:{ada.pk}"}, state=BulkState.DONE)
    assert erase_subject(ada, dry_run=False).rows == {"runs": len(naming) + 1}
    rows = BulkRun.objects.filter(pk__in=[*went, over_rest.pk]).values_list("filter", "list_query")
    assert set(map(str, rows)) == {"({}, '')"}
    assert all(BulkRun.objects.get(pk=run.pk).list_query == run.list_query for run in stay)


def test_a_run_that_has_not_ended_is_held(ada: User) -> None:
    run = run_of(f"user:{ada.pk}", BulkState.RUNNING)
    assert erase_subject(ada, dry_run=False).held == 1
    assert BulkRun.objects.get(pk=run.pk).list_query


def test_an_object_is_found_by_its_kind_and_key(ada: User) -> None:
    search = saved(f"user:{ada.pk}")
    saved(f"savedsearch:{search.pk}")
    saved(f"saved search {search.pk}")
    assert erase_subject(search, dry_run=False).rows == {"searches": 2}
    assert SavedSearch.objects.get().pk == search.pk
