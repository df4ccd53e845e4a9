"""Date-times that come in: one range, whichever way they come."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django_q.models import Schedule
from pydantic import TypeAdapter
from pydantic import ValidationError as Invalid

from apps.accounts.models import ApiKey, User
from apps.training.forms import AssignmentForm
from orchestration.django_q.schedules import problems
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.errors import InvalidCall
from orchestration.models import ModelPrice, ServiceCallRecord
from orchestration.services import DjangoBaseService
from orchestration.values.moments import EARLIEST, LATEST, LONGEST, Moment, check_moment, later, readable
from persistence.bulk.runs import select
from persistence.errors import BulkRefused
from persistence.maintenance.retention import prune
from tests.apps.people import person, signed_in
from tests.engineapp.orca.services.triage import Triage
from tests.orchestration.factories import SERVICE, queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

OUTSIDE = [
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59Z",
    "1899-12-31T23:59:59Z",
    "1900-01-01T00:00:00+00:01",
    "2200-01-01T00:00:00Z",
    "2199-12-31T23:59:59-23:59",
]
NOT_A_MOMENT = [
    "2026-01-31T12:00:00",
    "2026-01-31",
    "2026-W05-6T12:00:00Z",
    "2026-031T12:00:00Z",
    "2026-06-30T23:59:60Z",
    "2026-01-31T24:00:00Z",
    "2026-02-30T12:00:00Z",
    "20000-01-01T00:00:00Z",
    "2026-01-31T12:00:00 02:00",
    "\uff12026-01-31T12:00:00Z",
    "1700000000",
    "0.5",
    "infinity",
    "now",
    "",
]


@pytest.mark.parametrize("value", [*OUTSIDE, *NOT_A_MOMENT, 1_700_000_000, 0.5, True, float("inf"), [], {}])
def test_what_is_not_a_moment_in_range_is_refused_in_words(value: object) -> None:
    with pytest.raises(Invalid) as refused:
        TypeAdapter(Moment).validate_python(value)
    assert [error["type"] for error in refused.value.errors()]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31t12:00z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31 12:00:00.5+02:00", datetime(2026, 1, 31, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-31T12:00:00-0330", datetime(2026, 1, 31, 15, 30, tzinfo=UTC)),
        ("1900-01-01T00:00:00Z", EARLIEST),
        ("2200-01-01T13:59:59+14:00", LATEST - timedelta(seconds=1)),
    ],
)
def test_a_moment_in_range_is_taken_and_kept_in_utc(text: str, moment: datetime) -> None:
    taken = TypeAdapter(Moment).validate_python(text)
    assert (taken, taken.tzinfo) == (moment, UTC)


def test_every_bound_converts_to_every_time_zone() -> None:
    zones = [ZoneInfo(name) for name in available_timezones()] + [timezone(timedelta(hours=h)) for h in (-23, 14, 23)]
    for moment in (EARLIEST, LATEST, EARLIEST - LONGEST, LATEST + LONGEST, readable(datetime.min.replace(tzinfo=UTC))):
        assert {moment.astimezone(zone) for zone in zones} == {moment}
    assert readable(datetime.max.replace(tzinfo=UTC)).astimezone(zones[-1])


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), 1e300, 10.0**10])
def test_a_wait_without_end_is_the_longest(seconds: float) -> None:
    assert later(EARLIEST, seconds) == EARLIEST + LONGEST
    assert later(EARLIEST, 1.5) == EARLIEST + timedelta(seconds=1.5)


@pytest.mark.parametrize(
    "value",
    [datetime(1, 1, 1), datetime.max.replace(tzinfo=UTC), datetime(1899, 1, 1, tzinfo=UTC), date(2026, 1, 1)],
)
def test_run_at_in_code_is_checked_alike(value: object) -> None:
    with pytest.raises(InvalidCall, match="run_at"):
        submit(CallSpec(service=SERVICE, context={"ticket": "x"}, run_at=value))  # type: ignore[arg-type]


def test_run_at_that_has_passed_makes_no_call_more_urgent() -> None:
    first = submit(CallSpec(service=SERVICE, context={"ticket": "x"}))
    second = submit(CallSpec(service=SERVICE, context={"ticket": "x"}, run_at=datetime(1990, 1, 1, tzinfo=UTC)))
    assert second.due_at >= first.due_at


@pytest.mark.parametrize("value", OUTSIDE)
def test_a_key_that_expires_outside_the_range_is_refused(value: str) -> None:
    body = {"name": "n", "scopes": ["calls:read"], "expires_at": value}
    assert signed_in(person()).post("/api-keys", body).status_code == 422
    with pytest.raises(ValidationError), transaction.atomic():
        ApiKey.issue(person(), "n", [], expires_at=datetime.fromisoformat(value))
    assert not ApiKey.objects.exists()


def test_a_write_and_a_lookup_in_code_are_refused() -> None:
    call = queued()
    for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=timezone(-timedelta(hours=14)))):
        with pytest.raises(ValidationError):
            ServiceCallRecord.objects.filter(pk=call.pk).update(due_at=moment)
        with pytest.raises(ValidationError):
            ServiceCallRecord.objects.filter(due_at__lt=moment).exists()
        with pytest.raises(ValidationError):
            User.objects.filter(date_joined=moment).exists()


@pytest.mark.parametrize("value", OUTSIDE)
def test_a_bulk_filter_outside_the_range_is_refused(value: str) -> None:
    with pytest.raises(BulkRefused, match="1900"):
        select({"since": value})


def test_a_price_may_hold_since_long_ago() -> None:
    ModelPrice.objects.create(
        provider="p",
        model="m",
        valid_from=datetime(1970, 1, 1, tzinfo=UTC),
        input_per_million=1,
        cached_input_per_million=1,
        output_per_million=1,
    )
    assert ModelPrice.objects.at("p", "m", datetime(2026, 1, 1, tzinfo=UTC)) is not None


def test_a_schedule_outside_the_range_is_a_problem() -> None:
    broken = Schedule(func="orchestration.tasks.sweep", next_run=datetime(9999, 12, 31, tzinfo=UTC))
    assert "1900" in problems(broken)["next_run"]


def test_retention_of_more_days_than_a_calendar_has_keeps_all() -> None:
    assert prune(days={"calls": 10**12}).rows == {"calls": 0}


def test_naive_and_out_of_range_are_told_apart() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        check_moment(datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="1900"):
        check_moment(datetime(2300, 1, 1, tzinfo=UTC))


def test_options_of_a_service_are_checked() -> None:
    assert issubclass(Triage, DjangoBaseService)
    with pytest.raises(InvalidCall, match="run_at"):
        Triage.using(context={"ticket": "x"}, run_at=datetime.max.replace(tzinfo=UTC)).enqueue_now()


def test_the_form_of_assignments_is_checked() -> None:
    field = AssignmentForm.base_fields["due_at"]
    assert isinstance(field, forms.DateTimeField)
    with pytest.raises(ValidationError, match="1900"):
        field.clean("9999-12-31T23:59")
