"""Periodic work: rows made by `migrate`, and no row that stops the others."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import OrmQ, Schedule

from orchestration.django_q import schedules
from orchestration.django_q.registration import PERIODIC, Periodic
from orchestration.django_q.scheduler import run_due
from orchestration.django_q.schedules import check_definitions, check_rows, problems

pytestmark = pytest.mark.django_db

SWEEP = "orchestration.tasks.sweep"


def saved_unchecked(**fields):
    """A row that came to be before anybody checked."""
    row = Schedule(**{"func": SWEEP, "schedule_type": Schedule.MINUTES, "minutes": 1, **fields})
    Schedule.objects.bulk_create([row])  # sends no pre_save
    return row


def ids(messages):
    return [message.id for message in messages]


def test_migrate_creates_a_row_for_each_entry():
    Schedule.objects.all().delete()
    call_command("migrate", verbosity=0)
    assert {(row.name, row.func, row.minutes) for row in Schedule.objects.all()} == {
        (entry.name, entry.func, entry.minutes) for entry in PERIODIC
    }


def test_creating_them_again_keeps_the_next_run():
    schedules.create_all()
    row = Schedule.objects.get(name=PERIODIC[0].name)
    next_run = timezone.now() + timedelta(seconds=30)
    Schedule.objects.filter(pk=row.pk).update(minutes=59, next_run=next_run)
    schedules.create_all()
    row.refresh_from_db()
    assert (row.minutes, row.next_run) == (1, next_run)
    assert Schedule.objects.count() == len(PERIODIC)


@pytest.mark.django_db(transaction=True)
def test_the_scheduler_makes_tasks_of_the_rows():
    Schedule.objects.all().delete()
    OrmQ.objects.all().delete()
    schedules.create_all()
    Schedule.objects.update(next_run=timezone.now() - timedelta(minutes=1))
    run_due(broker=get_broker())
    assert {message.task["func"] for message in OrmQ.objects.all()} == {entry.func for entry in PERIODIC}


@pytest.mark.django_db(transaction=True)
def test_a_brokers_own_error_holds_back_one_row(caplog):
    """Whatever a broker's library raises for one task: its row keeps its time, and the others are sent."""

    class NotAccepted(Exception):
        pass

    class Picky(type(get_broker())):
        calls = 0

        def enqueue(self, task):
            Picky.calls += 1
            if Picky.calls == 1:
                raise NotAccepted("throttled")
            return super().enqueue(task)

    Schedule.objects.all().delete()
    OrmQ.objects.all().delete()
    due = timezone.now() - timedelta(minutes=1)
    first, second = saved_unchecked(next_run=due), saved_unchecked(next_run=due)
    run_due(broker=Picky())
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.next_run == due
    assert second.next_run > due
    assert OrmQ.objects.count() == 1
    assert f"schedule not run schedule={first.pk} error=NotAccepted" in caplog.text
    assert "throttled" not in caplog.text


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, []),
        ({"args": "1, 2, 'John'"}, []),
        ({"args": "'one'"}, []),
        ({"args": "not python("}, ["args"]),
        ({"args": "a, b"}, ["args"]),
        ({"kwargs": "x=1, name='John'"}, []),
        ({"kwargs": "{'x': 1}"}, []),
        ({"kwargs": "x=y"}, ["kwargs"]),
        ({"kwargs": "[1, 2]"}, ["kwargs"]),
        ({"kwargs": "**{}"}, ["kwargs"]),
        ({"kwargs": "1, x=2"}, ["kwargs"]),
        ({"kwargs": "x=1) + f(y=2"}, ["kwargs"]),
        ({"kwargs": "q_options=3"}, ["kwargs"]),
        ({"minutes": 0}, ["minutes"]),
        ({"func": "nothing"}, ["func"]),
        ({"func": "orchestration.tasks.missing"}, ["func"]),
        ({"func": "orchestration.missing.sweep"}, ["func"]),
        ({"func": "orchestration.tasks.annotations"}, ["func"]),
        ({"hook": "orchestration.tasks.missing"}, ["hook"]),
        ({"schedule_type": "X"}, ["schedule_type"]),
        ({"schedule_type": Schedule.CRON, "cron": "* * * * *"}, ["cron"]),
    ],
)
def test_what_the_scheduler_cannot_work_with_is_found_by_field(fields, wrong):
    row = Schedule(**{"func": SWEEP, "schedule_type": Schedule.MINUTES, "minutes": 1, **fields})
    assert list(problems(row)) == wrong


def test_a_broken_row_is_not_saved():
    with pytest.raises(ValidationError, match="Python literals"):
        Schedule.objects.create(func=SWEEP, args="not python(")
    assert not Schedule.objects.filter(args="not python(").exists()


def test_the_admin_refuses_a_broken_row_at_its_field(client):
    client.force_login(get_user_model().objects.create_superuser("admin@example.org", "secret"))
    answer = client.post(reverse("admin:django_q_schedule_add"), form(args="not python("))
    assert answer.status_code == 200
    assert "args" in answer.context["adminform"].form.errors
    assert not Schedule.objects.filter(name="mine").exists()


def test_the_admin_saves_a_sound_row(client):
    client.force_login(get_user_model().objects.create_superuser("admin@example.org", "secret"))
    answer = client.post(reverse("admin:django_q_schedule_add"), form(args="1, 2"))
    assert answer.status_code == 302
    assert Schedule.objects.get(name="mine").args == "1, 2"


def form(**fields):
    now = timezone.now()
    return {
        "name": "mine",
        "func": SWEEP,
        "schedule_type": Schedule.MINUTES,
        "minutes": 1,
        "repeats": -1,
        "next_run_0": now.date().isoformat(),
        "next_run_1": now.time().isoformat("seconds"),
        **fields,
    }


def test_the_entries_can_work():
    assert check_definitions() == []


def test_an_entry_whose_function_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(schedules, "PERIODIC", (Periodic(name="x", func="orchestration.tasks.gone", minutes=1),))
    (finding,) = check_definitions()
    assert finding.id == "orchestration.E141"
    assert "has no function 'gone'" in finding.msg


def test_a_missing_row_is_reported():
    schedules.create_all()
    assert check_rows(databases=["default"]) == []
    Schedule.objects.filter(name=PERIODIC[0].name).delete()
    assert ids(check_rows(databases=["default"])) == ["orchestration.W141"]


def test_a_row_that_was_switched_off_counts_as_missing():
    schedules.create_all()
    Schedule.objects.filter(name=PERIODIC[0].name).update(repeats=0)
    assert ids(check_rows(databases=["default"])) == ["orchestration.W141"]


def test_a_broken_row_is_reported_with_its_number():
    schedules.create_all()
    row = saved_unchecked(kwargs="x=y")
    (finding,) = check_rows(databases=["default"])
    assert finding.id == "orchestration.E142"
    assert f"Schedule {row.pk}" in finding.msg


def test_rows_are_looked_at_only_when_the_database_is_checked():
    Schedule.objects.all().delete()
    assert check_rows() == []
