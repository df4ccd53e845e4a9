"""Reverting what exchanged unique values, and what others hold by now; on both databases."""

import itertools

import pytest
from django.db import connection
from django.db.models import F

from persistence.models import PersistedObject
from persistence.reprocessing.reprocess import ReprocessOutcome, revert
from persistence.testing import persist
from tests.persistence.reprocessing.test_recreate import recreated
from tests.persistence.results import note
from tests.seedapp.models import Message, Place

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def places(*positions, **fields):
    return [
        Place.objects.create(name=str(n), position=p, seen=5, **{k: v[n] for k, v in fields.items()})
        for n, p in enumerate(positions)
    ]


def moving(**targets):
    """A handler that gives rows these values, over a value that is free."""

    def move(handler, response):
        rows = list(Place.objects.order_by("name"))
        for column, values in targets.items():
            blank = {"position": 9, "number": None, "is_first": False}[column]
            for row in rows:
                Place.objects.filter(pk=row.pk).update(**{column: blank})
                if column != "position":
                    continue
                blank -= 1
            for row, value in zip(rows, values, strict=True):
                Place.objects.filter(pk=row.pk).update(**{column: value})

    return move


def state():
    return list(Place.objects.order_by("pk").values())


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3)))[1:])
def test_every_exchange_of_unique_values_is_taken_back(order):
    first, *others = places(1, 2, 3)
    others[0].after = others[1].after = first
    Place.objects.bulk_update(others, ["after"])
    before = state()
    record = note(moving(position=order))
    persist(record)
    assert [place["position"] for place in state()] == list(order)
    assert recreated(record).outcome is ReprocessOutcome.UNCHANGED
    report, dry = revert(record.pk, dry=True), None
    assert report.outcome is ReprocessOutcome.REVERTED, report.error
    dry = [(change.key, change.fields) for change in report.changes]
    applied = revert(record.pk)
    assert [(change.key, change.fields) for change in applied.changes] == dry
    assert state() == before
    connection.check_constraints()


@pytest.mark.parametrize(
    "fields",
    [
        {"number": (1, 2), "is_first": (False, False)},
        {"number": (1, None), "is_first": (True, False)},
        {"number": (2, 1), "is_first": (True, False)},
    ],
)
def test_values_that_are_unique_together_or_on_a_condition(fields):
    places(1, 2, **fields)
    before = state()
    record = note(moving(**{name: values[::-1] for name, values in fields.items()}, position=(2, 1)))
    persist(record)
    assert state() != before
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert state() == before


def test_a_chain_of_moves_needs_no_row_to_be_replaced():
    places(1, 2, 3, 4, 5)
    before = state()

    def shift(handler, response):
        for place in Place.objects.order_by("-position"):
            Place.objects.filter(pk=place.pk).update(position=F("position") + 1)

    record = note(shift)
    persist(record)
    Place.objects.update(seen=7)
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert state() == [{**place, "seen": 7} for place in before]


def test_a_row_that_hangs_on_what_is_removed_stays():
    (old,) = places(1)

    def wedge(handler, response):
        Place.objects.filter(pk=old.pk).update(position=2)
        new = Place.objects.create(name="new", position=1)
        Place.objects.filter(pk=old.pk).update(after=new)
        return [old, new]

    before = state()
    record = note(wedge)
    persist(record)
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert state() == before


def test_a_value_that_somebody_has_taken_since_is_reported():
    (old, _) = places(1, 2)

    def leave(handler, response):
        Place.objects.filter(pk=old.pk).update(position=3)

    def remove(handler, response):
        Place.objects.filter(position=2).delete()

    for conduct, position in ((leave, 1), (remove, 2)):
        record = note(conduct)
        persist(record)
        taken = Place.objects.create(name="another", position=position)
        before = state()
        for force in (False, True):
            report = revert(record.pk, force=force)
            assert report.outcome is ReprocessOutcome.REFUSED
            assert "cannot be put back as it was" in report.error
            assert "place" in report.error
            assert "another" not in report.error
            assert state() == before
        taken.delete()
        assert revert(record.pk).outcome is ReprocessOutcome.REVERTED


def test_a_deleted_row_made_again_since_is_not_overwritten():
    (old,) = places(1)
    record = note(lambda handler, response: Place.objects.all().delete() and None)
    persist(record)
    Place.objects.create(pk=old.pk, name="anew", position=5)
    report = revert(record.pk)
    assert report.outcome is ReprocessOutcome.REFUSED
    assert "created again" in report.error
    assert Place.objects.get().name == "anew"


def by_hand(handler, response):
    with connection.cursor() as cursor:
        cursor.execute(statement[0])
    return Message.objects.create(role="seen")


statement = [""]


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("UPDATE seedapp_place SET position = 9", "UPDATE seedapp_place"),
        ('/* why */ UPDATE "seedapp_place" SET position = 9', "UPDATE seedapp_place"),
        ("-- why\nDELETE FROM seedapp_place", "DELETE seedapp_place"),
        ("WITH one AS (SELECT 1) UPDATE seedapp_place SET position = 9", "UPDATE seedapp_place"),
    ],
)
def test_what_was_written_by_hand_demands_force_and_is_reported(sql, named):
    places(1)
    statement[0] = sql
    record = note(by_hand)
    persist(record)
    for refused in (revert(record.pk, dry=True), revert(record.pk)):
        assert refused.outcome is ReprocessOutcome.REFUSED
        assert named in refused.error
    assert Message.objects.exists()
    forced = revert(record.pk, force=True)
    assert (forced.outcome, forced.unseen) == (ReprocessOutcome.REVERTED, [named])
    assert not Message.objects.exists()


def test_an_entry_whose_model_is_gone_demands_force():
    record = note(lambda handler, response: Message.objects.create(role="a"))
    persist(record)
    PersistedObject.objects.update(content_type=None, gone_model="old.thing")
    report = revert(record.pk)
    assert report.outcome is ReprocessOutcome.REFUSED
    assert "old.thing" in report.error
    assert revert(record.pk, force=True).outcome is ReprocessOutcome.REVERTED
