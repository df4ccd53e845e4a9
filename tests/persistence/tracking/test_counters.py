"""A revert moves no counter back on which others built since: declared ones, and those that handlers count on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Case, F, Value, When
from django.test import Client
from django.urls import reverse

from orchestration.models import ServiceCallRecord
from persistence.models import PersistedObject
from persistence.reprocessing.reprocess import Policy, ReprocessOutcome, reprocess, revert
from persistence.testing import persist
from tests.persistence.results import note
from tests.seedapp.models import Message, Register

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def numbered(handler: Any, response: Any) -> Message:
    """Takes the next number of a register, as `Simulation.take_sequence` does."""
    register = Register.objects.get()
    register.next_number += 1
    register.save()
    return Message.objects.create(role=f"number {register.next_number - 1}")


def counting(handler: Any, response: Any) -> Message:
    """Takes the next page of a register in the database."""
    Register.objects.update(next_page=F("next_page") + 1)
    return Message.objects.create(role="page")


def renaming(name: str) -> Callable[[Any, Any], Message]:
    def conduct(handler: Any, response: Any) -> Message:
        Register.objects.update(name=name, next_page=F("next_page") + 1)
        return Message.objects.create(role=name)

    conduct.__qualname__ = f"renaming {name}"
    return conduct


def persisted(*conducts: Callable[[Any, Any], Any]) -> list[ServiceCallRecord]:
    records = [note(conduct) for conduct in conducts]
    for record in records:
        persist(record)
    return records


@pytest.fixture(autouse=True)
def register() -> Register:
    return Register.objects.create(name="first")


def now() -> tuple[str, int, int]:
    return Register.objects.values_list("name", "next_number", "next_page").get()


@pytest.mark.parametrize("force", [False, True])
def test_a_declared_counter_never_goes_back(force: bool, register: Register) -> None:
    first, second = persisted(numbered, numbered)
    report = revert(first.pk, force=force)
    assert report.outcome is ReprocessOutcome.REVERTED
    assert now() == ("first", 3, 1)
    assert list(Message.objects.values_list("role", flat=True)) == ["number 2"]
    assert report.kept == [f"register {register.pk} keeps next_number: others counted on from there."]
    assert revert(second.pk, force=force).outcome is ReprocessOutcome.REVERTED
    assert now() == ("first", 3, 1)


@pytest.mark.parametrize("force", [False, True])
def test_where_others_counted_on_only_own_rows_go(force: bool, register: Register) -> None:
    first, _ = persisted(counting, counting)
    report = revert(first.pk, force=force)
    assert (report.outcome, report.error, report.contradicted) == (ReprocessOutcome.REVERTED, "", [])
    assert report.counts == {"deleted": 1}
    assert now() == ("first", 1, 3)
    assert report.kept[0] == f"register {register.pk} keeps next_page: others counted on from there."


def test_a_counter_that_nobody_counted_on_since_goes_back() -> None:
    (record,) = persisted(counting)
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert now() == ("first", 1, 1)


def test_newest_first_everything_goes_back() -> None:
    first, second = persisted(counting, counting)
    for record in (second, first):
        assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert now() == ("first", 1, 1)
    assert not Message.objects.exists()


def test_a_force_tells_what_it_contradicts(register: Register) -> None:
    first, second = persisted(renaming("second"), renaming("third"))
    refused = revert(first.pk)
    assert refused.outcome is ReprocessOutcome.REFUSED
    dry, done = revert(first.pk, force=True, dry=True), revert(first.pk, force=True)
    assert done.contradicted == dry.contradicted
    assert done.contradicted[0] == f"register {register.pk} was touched later by call {second.pk}."
    assert all(reason in refused.error for reason in done.contradicted)
    assert now() == ("first", 1, 3)
    assert done.as_json()["contradicted"] == done.contradicted


def test_counting_does_not_change_the_row() -> None:
    first, _ = persisted(renaming("second"), counting)
    assert revert(first.pk, dry=True).outcome is ReprocessOutcome.REVERTED
    Register.objects.update(name="by hand")
    report = revert(first.pk)
    assert report.outcome is ReprocessOutcome.REFUSED
    assert "changed since" in report.error
    assert now()[0] == "by hand"


def test_counting_under_a_condition_is_found_and_setting_is_none() -> None:
    def by_case(handler: Any, response: Any) -> None:
        step = Case(When(pk__gte=0, then=F("next_page") + Value(2)), default=F("next_page"))
        Register.objects.update(next_page=step, name="set")

    persisted(by_case)
    changes = PersistedObject.objects.get().changes
    assert changes == {"name": ["first", "set"], "next_page": [1, 3, "counted"]}


def test_a_deleted_row_gets_its_counters_back() -> None:
    Register.objects.update(next_number=7, next_page=5)

    def remove(handler: Any, response: Any) -> None:
        Register.objects.all().delete()

    (record,) = persisted(remove)
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert now() == ("first", 7, 5)


def test_doing_it_again_would_count_twice_and_is_refused() -> None:
    first, _ = persisted(counting, counting)
    report = reprocess(first.pk, Policy.RECREATE)
    assert report.outcome is ReprocessOutcome.REFUSED
    assert "count twice" in report.error
    assert now() == ("first", 1, 3)


def test_the_page_shows_what_a_force_contradicts(admin_client: Client, register: Register) -> None:
    first, second = persisted(renaming("second"), renaming("third"))
    page = reverse("admin:persistence_dry_run", args=(first.pk,))
    without, forced = (
        admin_client.get(page, {"how": "revert", **more}).content.decode() for more in ({}, {"force": "on"})
    )
    assert "Forced: this contradicts what happened since" not in without
    assert "Forced: this contradicts what happened since" in forced
    assert f"register {register.pk} was touched later by call {second.pk}." in forced
    assert f"register {register.pk} keeps next_page" in forced
