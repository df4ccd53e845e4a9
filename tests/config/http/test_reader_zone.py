"""Times are shown in the reader's zone, which is named; what they write is read in it, too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.template import Context, Template
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from apps.accounts.reader_zone import COOKIE, abbreviation
from apps.trainerlab.models import Assignment
from tests.apps.people import person, signed_in
from tests.apps.training.visits import Visitor, scenario_of
from tests.orchestration.factories import failed

MOMENT = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "short"),
    [("UTC", "UTC"), ("Europe/Berlin", "CEST"), ("America/Sao_Paulo", "UTC-3"), ("Asia/Kathmandu", "UTC+5:45")],
)
def test_a_zone_has_a_short_name(zone: str, short: str) -> None:
    with timezone.override(ZoneInfo(zone)):
        assert abbreviation(MOMENT) == short


def test_a_moment_is_shown_with_its_zone() -> None:
    template = Template("{% load design %}{% moment at 'zone' %}|{% moment at 'time' %}|{% moment none %}")
    with timezone.override(ZoneInfo("Europe/Berlin")):
        shown, clock, nothing = template.render(Context({"at": MOMENT, "none": None})).split("|")
    assert "2 Jul 2026, 00:30 CEST</time>" in shown
    assert 'datetime="2026-07-01T22:30:00+00:00"' in shown
    assert ">00:30</time>" in clock
    assert nothing == ""


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        ("Asia/Tokyo", "2 Jul 2030, 07:30 JST"),
        ("", "1 Jul 2030, 22:30 UTC"),
        ("Mars/Olympus", "1 Jul 2030, 22:30 UTC"),
        ("../../etc/passwd", "1 Jul 2030, 22:30 UTC"),
        ("Europe/" + "x" * 3000, "1 Jul 2030, 22:30 UTC"),
    ],
)
def test_pages_are_in_the_zone_that_the_browser_names(cookie: str, expected: str) -> None:
    instructor, trainee = Visitor(person(UserRole.INSTRUCTOR)), Visitor(person())
    due = datetime(2030, 7, 1, 22, 30, tzinfo=UTC)
    Assignment.objects.create(template=scenario_of(instructor.user), trainee=trainee.user, due_at=due)
    trainee.client.cookies[COOKIE] = cookie
    assert expected in trainee.get("/simulations").content.decode()


@pytest.mark.django_db
def test_the_console_is_in_the_zone_of_its_reader() -> None:
    """A time on a page and the text that a filter is written in are of one zone; the API is for programs."""
    call = failed(created_at=datetime(2026, 11, 1, 22, 30, tzinfo=UTC))
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "pw"))
    client.cookies[COOKIE] = "Asia/Tokyo"
    page = client.get(reverse("admin:orchestration_servicecallrecord_change", args=(call.pk,))).content.decode()
    assert "2026-11-02 07:30:00.000" in page
    assert "Times of the day are in JST." in page
    assert "2026-11-01T22:30:00Z" in client.get(f"/api/v1/service-calls/{call.pk}").content.decode()


@pytest.mark.django_db
def test_what_is_written_is_read_in_the_zone_of_its_writer() -> None:
    instructor, trainee = Visitor(person(UserRole.INSTRUCTOR)), person()
    instructor.client.cookies[COOKIE] = "Asia/Tokyo"
    fields = {"template": scenario_of(instructor.user).pk, "trainees": [trainee.pk], "due_at": "2030-07-02T07:30"}
    assert "Asia/Tokyo" in instructor.get("/assignments").content.decode()
    instructor.post("/assignments", **fields)
    assert Assignment.objects.get().due_at == datetime(2030, 7, 1, 22, 30, tzinfo=UTC)


@pytest.mark.django_db
def test_a_due_date_in_the_past_is_refused_everywhere() -> None:
    author = person(UserRole.INSTRUCTOR)
    template, trainee = scenario_of(author), person()
    past: Any = timezone.now() - timedelta(minutes=1)
    page = Visitor(author)
    fields = {"template": template.pk, "trainees": [trainee.pk], "due_at": past.strftime("%Y-%m-%dT%H:%M")}
    refused = page.client.post("/training/assignments", fields)
    assert (refused.status_code, "in the past" in refused.content.decode()) == (422, True)
    body = {"scenario": str(template.uuid), "trainee": trainee.email, "due_at": past.isoformat()}
    answer = signed_in(author).post("/assignments", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "due_in_the_past")
    assert not Assignment.objects.exists()
    assert signed_in(author).post("/assignments", {**body, "due_at": None}).status_code == 201
