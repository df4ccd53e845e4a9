"""Whatever form a value is assigned in, the row is known as the database has it."""

import datetime as dt
import json
import uuid
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import F, Value
from django.test.utils import CaptureQueriesContext
from django.utils.safestring import mark_safe

from persistence.models import PersistedObject
from persistence.outbox.outcomes import Outcome
from persistence.reprocessing.reprocess import Policy, ReprocessOutcome, dry_run, reprocess, revert
from persistence.testing import persist
from persistence.tracking.snapshots import digest_of, read_images, remembered_image
from tests.persistence.results import note
from tests.persistence.statements import reads_of
from tests.seedapp.models import Specimen, Tag

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

EAST = dt.timezone(dt.timedelta(hours=5, minutes=45))
ODD = dt.timezone(dt.timedelta(seconds=3217))
NOON = dt.datetime(2026, 3, 29, 12, 30, 15, 123456)
TOKEN = uuid.UUID("0123456789abcdef0123456789abcdef")

PLAIN = {
    "moment": [NOON.replace(tzinfo=dt.UTC), NOON.replace(tzinfo=EAST), NOON.replace(tzinfo=ODD)],
    "day": [dt.date(2026, 2, 28), dt.date(1, 1, 1)],
    "hour": [dt.time(23, 59, 59, 999999)],
    "lasted": [dt.timedelta(days=-1, microseconds=1), dt.timedelta(days=4000, hours=30)],
    "count": [0, -5],
    "amount": [Decimal("1.5"), Decimal("1E+3"), Decimal("-0.01"), Decimal("12345678901.25")],
    "ratio": [0.1, 1e16, 1e-7, 5, 1e300],
    "data": [{"b": [1, 1.5, "1e16", None, True], "a": {"-0.0": "é\n"}}, [], "text", 10**30, {1: "a"}],
    "blob": [b"\x00\xff"],
    "token": [TOKEN],
    "name": ["  spaces  ", "é", "é", "tab\t"],
}
"""Values of which memory knows how they are stored."""
ODD_FORMS = {
    "moment": ["2026-03-29T12:30:15.5+05:45", "2026-03-29"],
    "day": ["2026-02-28", NOON.replace(tzinfo=dt.UTC)],
    "hour": ["23:59", "23:59:59.5"],
    "count": ["5", True, Decimal("7"), 7.0],
    "amount": ["1.5", 1.5, 2, Decimal("0.125"), Decimal("0.135"), Decimal("-0.00"), Decimal("123456789012345678.12")],
    "ratio": ["0.5", -0.0, Decimal("0.1"), 2**60],
    "blob": [memoryview(b"abc"), bytearray(b"abc")],
    "address": ["2001:DB8:0:0::1", "::ffff:10.0.0.1", "10.0.0.1"],
    "token": [str(TOKEN), TOKEN.hex.upper()],
    "name": [mark_safe("safe"), 5],
    "given": [3, Value(4)],
    "data": [Value({"a": 1}, output_field=Specimen._meta.get_field("data"))],
}
"""Values of which only the database knows."""
STRANGE_NUMBERS = [1e16, -0.0, {"a": [1e300]}, [5e-324], {"deep": [{"x": -1e22}]}]
"""Numbers that `jsonb` writes in another way than JSON."""


def kind_of(value):
    return value if isinstance(value, str) and value in vars(Specimen) else type(value).__name__


everything = pytest.mark.parametrize(
    ("column", "value"),
    [
        *((column, value) for kinds in (PLAIN, ODD_FORMS) for column, values in kinds.items() for value in values),
        *(("data", value) for value in STRANGE_NUMBERS),
    ],
    ids=kind_of,
)


@everything
@pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive datetime")
@pytest.mark.sampled(5)
def test_a_row_is_the_same_whatever_was_assigned(column, value):
    def making(handler, response):
        Specimen.objects.create(**{column: value})

    record = note(making)
    assert persist(record) is Outcome.PERSISTED
    row = Specimen.objects.get()
    assert PersistedObject.objects.get().row_digest == digest_of(read_images(Specimen, [row.pk])[Specimen, row.pk])
    again = reprocess(record.pk, Policy.RECREATE)
    assert (again.outcome, again.error) == (ReprocessOutcome.UNCHANGED, "")
    assert (dry_run(record.pk, Policy.RECREATE)).outcome is ReprocessOutcome.UNCHANGED
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert not Specimen.objects.exists()


@pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive datetime")
def test_a_naive_time_is_the_same_row_in_any_zone(settings):
    settings.TIME_ZONE = "Asia/Kathmandu"
    record = note(lambda handler, response: Specimen.objects.create(moment=NOON))
    assert persist(record) is Outcome.PERSISTED
    settings.TIME_ZONE = "America/New_York"
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED


@everything
@pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive datetime")
@pytest.mark.sampled(5)
def test_a_revert_puts_the_value_back_exactly(column, value):
    old = Specimen.objects.create(**{column: value})
    gone = Specimen.objects.create(**{column: value})
    before = stored()

    def changing(handler, response):
        blank = {"given": 0, "name": "x"}.get(column)
        Specimen.objects.filter(pk=old.pk).update(**{column: blank})
        Specimen.objects.filter(pk=gone.pk).delete()

    record = note(changing)
    assert persist(record) is Outcome.PERSISTED
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert stored() == before


def stored():
    """All rows as queries give them, exactly: `-0.0` and `0.0` differ."""
    rows = Specimen.objects.order_by("pk").values()
    return [{name: repr(bytes(v) if name == "blob" and v else v) for name, v in row.items()} for row in rows]


@pytest.mark.parametrize(("column", "value"), [(c, v) for c, values in PLAIN.items() for v in values], ids=kind_of)
def test_plain_values_cost_no_query_more(column, value):
    row = Specimen.objects.create(**{column: value})
    known = remembered_image(row, Specimen, {"given": row.given})
    assert known == read_images(Specimen, [row.pk])[Specimen, row.pk]


def test_rows_of_odd_values_are_read_again_in_one_query():
    def making(handler, response):
        for number in range(5):
            Specimen.objects.create(count=str(number))

    record = note(making)
    with CaptureQueriesContext(connection) as captured:
        persist(record)
    assert len(reads_of(captured, "seedapp_specimen")) == 1


@pytest.mark.parametrize(("before", "after"), [({"a": 1}, {"a": True}), ([0], [False]), ({"a": 1}, {"a": 1.0})])
def test_a_change_that_python_takes_for_none_is_seen(before, after):
    row = Specimen.objects.create(data=before)

    def changing(handler, response):
        Specimen.objects.filter(pk=row.pk).update(data=after)

    record = note(changing)
    assert [c.fields for c in dry_run(record.pk).changes] == [{"data": [before, after]}]
    persist(record)
    revert(record.pk)
    row.refresh_from_db()
    assert json.dumps(row.data) == json.dumps(before)


def test_columns_that_the_database_computes_are_left_out():
    def making(handler, response):
        row = Specimen.objects.create(name="abc")
        Specimen.objects.filter(pk=row.pk).update(count=F("given") + 1)
        return row

    record = note(making)
    shown = dry_run(record.pk)
    (change,) = shown.changes
    assert change.after["count"] == 8
    assert "shout" not in change.after
    persist(record)
    assert reprocess(record.pk, Policy.RECREATE).outcome is ReprocessOutcome.UNCHANGED


def test_a_field_that_stores_in_a_way_of_its_own_is_read_again():
    record = note(lambda handler, response: Tag.objects.create(name="MiXed"))
    assert persist(record) is Outcome.PERSISTED
    assert reprocess(record.pk, Policy.RECREATE).outcome is ReprocessOutcome.UNCHANGED
    Tag.objects.update(name="other")
    assert revert(record.pk).outcome is ReprocessOutcome.REFUSED
    Tag.objects.update(name="mixed")
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert not Tag.objects.exists()


def test_a_field_that_stores_in_a_way_of_its_own_comes_back():
    tag = Tag.objects.create(name="Old")

    def changing(handler, response):
        Tag.objects.filter(pk=tag.pk).update(name="New")

    record = note(changing)
    persist(record)
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert Tag.objects.get().name == "old"
