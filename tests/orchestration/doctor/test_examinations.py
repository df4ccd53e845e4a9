"""How the doctor looks: whatever breaks, each topic has its line."""

from __future__ import annotations

import io
import json

import pytest
from django.core import checks
from django.core.checks import Error
from django.core.management import CommandError, call_command
from django.utils import timezone

from orchestration.doctor import examinations
from orchestration.doctor.examinations import Examination, add_examinations, examine
from orchestration.models import WorkerNode
from tests.orchestration.doctor.findings import put_schedules_on_time
from tests.outages import database_refused

EXAMINATIONS: tuple[Examination, ...] = ()


@pytest.fixture
def added(monkeypatch):
    """Topics of an app beside the engine's."""
    monkeypatch.setattr(examinations, "_modules", [*examinations._modules])
    add_examinations(__name__)

    def add(*looks):
        topics = (Examination(topic=f"topic {n}", look=look, needs_database=False) for n, look in enumerate(looks))
        monkeypatch.setitem(globals(), "EXAMINATIONS", tuple(topics))

    return add


def lines(topic):
    return [line for line in examine() if line.topic == topic]


def raising():
    yield checks.Warning("first seen", hint="so", id="x.W1")
    raise ValueError("of a person called Ann")


@pytest.mark.django_db
def test_an_examination_that_raises_is_a_line_among_the_others(added):
    added(raising, lambda: [Error("later", hint="mend", id="x.E1")])
    warning, broken = lines("topic 0")
    assert (warning.id, broken.id, broken.status) == ("x.W1", "orchestration.E201", "wrong")
    assert "Ann" not in broken.message
    assert [line.id for line in lines("topic 1")] == ["x.E1"]


@pytest.mark.django_db
def test_what_two_topics_find_is_said_once(added):
    added(*[lambda: [Error("one\ncause", hint="mend", id="x.E1")]] * 2)
    assert [line.message for line in examine() if line.id == "x.E1"] == ["one cause"]


@pytest.mark.django_db
def test_silenced_findings_are_not_said(added, settings):
    settings.SILENCED_SYSTEM_CHECKS = [*settings.SILENCED_SYSTEM_CHECKS, "x.W1"]
    added(lambda: [checks.Warning("known", id="x.W1")])
    assert [line.status for line in lines("topic 0")] == ["ok"]


def run(*options):
    """Exit status and output of the command."""
    out = io.StringIO()
    try:
        call_command("doctor", *options, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue()
    return 0, out.getvalue()


@pytest.mark.django_db
@pytest.mark.postgres
def test_the_exit_status_is_for_scripts():
    put_schedules_on_time()
    assert run()[0] == 1  # there is no worker
    WorkerNode.objects.create(name="a", task_beat_at=timezone.now())
    assert run()[0] == 0
    status, report = run("--json")
    found = json.loads(report)
    assert (status, {line["status"] for line in found["lines"]} - {"ok", "warning"}) == (0, set())
    assert found["status"] in ("ok", "warning")
    assert {"settings", "database", "broker", "workers", "schedules", "disk", "clock", "prices", "keys"} <= {
        line["topic"] for line in found["lines"]
    }


@pytest.mark.slow
@pytest.mark.django_db
def test_strict_counts_warnings(added):
    put_schedules_on_time()
    WorkerNode.objects.create(name="a", task_beat_at=timezone.now())
    added(lambda: [checks.Warning("a little", hint="mend", id="x.W1")])
    assert (run()[0], run("--strict")[0]) == (0, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres_only
def test_it_works_while_the_database_does_not_answer():
    with database_refused():
        status, report = run()
    text = report.splitlines()
    assert status == 1
    assert [line.split()[0] for line in text if "database does not answer:" in line] == ["wrong"]
    assert any(line.startswith("ok") and " disk " in line for line in text)
    assert all(line.startswith("warning") for line in text if "was not looked at" in line)
