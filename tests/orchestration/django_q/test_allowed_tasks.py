"""What workers run is what the project lets them run, whoever writes the rows and signs the messages."""

import json
import logging
import os
import pickle
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest.mock import Mock
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.core import serializers
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from django_q import cluster, core_signing
from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import Failure, OrmQ, Schedule, Success, Task
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from orchestration.django_q import allowed_tasks, plain_pickle
from orchestration.django_q.allowed_tasks import REFUSED, TaskRefused, read_message, refusal
from orchestration.django_q.brokers import OrmBroker
from orchestration.models import EngineCounter

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

SWEEP = "orchestration.tasks.sweep"
FORBIDDEN = [
    "os.system",
    "subprocess.run",
    "builtins.eval",
    "orchestration.tasks.os.system",
    "orchestration.tasks.run_worker_loop",
    "orchestration.tasks.timezone.now",
    "orchestration.tasks._private",
    "orchestration.tasks.__builtins__",
    "orchestration.tasks.annotations",
    "orchestration.tasks.gone",
    "orchestration.tasks.WorkerNode",
    "orchestration.engine.queue.transport.wake",
    "django.core.management.call_command",
    "django_q.tasks.async_task",
    "persistence.tasks",
    "sweep",
    "",
    None,
    os.system,
]


class Bomb:
    """Whoever unpickles it makes a folder."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.fixture
def bomb(tmp_path):
    return Bomb(tmp_path / "ran")


@pytest.fixture
def harmless(tmp_path):
    yield
    assert not (tmp_path / "ran").exists()


@pytest.fixture
def root(client):
    client.force_login(get_user_model().objects.create_superuser("root@example.org", "secret"))
    return client


def package(**changes):
    whole = {"id": "1", "name": "one", "func": SWEEP, "args": (), "kwargs": {}, "started": timezone.now()}
    return {name: value for name, value in (whole | changes).items() if value is not ...}


@pytest.mark.parametrize("path", FORBIDDEN)
def test_what_is_not_a_task_is_refused(path):
    assert refusal(path)


def test_the_projects_tasks_and_those_of_the_setting_may_run(settings):
    assert refusal(SWEEP) == refusal("persistence.export_tasks.run_export") == refusal("apps.gateway.tasks.sweep") == ""
    settings.ORCA_TASKS = ["tests.orchestration.django_q.test_allowed_tasks.package", "chaos.records"]
    assert refusal("tests.orchestration.django_q.test_allowed_tasks.package") == ""
    assert refusal("tests.orchestration.django_q.test_allowed_tasks.Bomb")
    assert refusal(SWEEP) == "", "what the apps themselves allow needs no setting"
    assert "ORCA_TASKS" in refusal("apps.gateway.tasks.sweep")


def test_a_forbidden_module_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "evil_module.py").write_text("import os; os.mkdir(os.path.join(os.path.dirname(__file__), 'ran'))")
    monkeypatch.syspath_prepend(tmp_path)
    assert refusal("evil_module.run")
    assert not (tmp_path / "ran").exists()


REFUSED_PACKAGES = [
    *({"func": path} for path in FORBIDDEN),
    {"hook": "os.system"},
    {"sync": True},
    {"chain": [("os.system", ("true",))]},
    {"cached": True, "iter_count": 1},
    {"func": ...},
    {"name": ...},
    {"started": ...},
    {"kwargs": [1]},
    {"kwargs": {1: 2}},
    {"args": "text"},
    {"timeout": "soon"},
    {"id": "x" * 1000},
]


@pytest.mark.parametrize("changes", REFUSED_PACKAGES, ids=lambda changes: str(changes)[:30])
def test_a_signed_message_that_may_not_run_is_acknowledged(changes, caplog):
    broker = OrmBroker(list_key="common")
    broker.enqueue(SignedPackage.dumps(package(**changes)))
    broker.enqueue(SignedPackage.dumps(package(name="sound")))
    with caplog.at_level(logging.WARNING, "orchestration.django_q.allowed_tasks"):
        assert broker.dequeue() == []
    ((number, payload),) = broker.dequeue()
    assert SignedPackage.loads(payload)["name"] == "sound"
    assert list(OrmQ.objects.values_list("pk", flat=True)) == [number]
    assert EngineCounter.read(REFUSED) == 1
    assert "task refused what=message" in caplog.text


def test_a_forged_pickle_in_a_message_is_not_run(bomb, harmless):
    broker = OrmBroker(list_key="common")
    unsigned = b64encode(pickle.dumps(bomb)).decode()
    for payload in (SignedPackage.dumps(bomb), SignedPackage.dumps(package(args=(bomb,))), unsigned, "", ".", "a:b:c"):
        broker.enqueue(payload)
    for _ in range(6):
        assert broker.dequeue() == []
    assert EngineCounter.read(REFUSED) == 6


def test_a_message_reads_for_the_next_as_it_was_read_here():
    broker = OrmBroker(list_key="common")
    task = package(args=(1, "é", None), kwargs={"when": timezone.now()}, timeout=40, save=False, group=3)
    broker.enqueue(SignedPackage.dumps(task))
    ((_, payload),) = broker.dequeue()
    assert SignedPackage.loads(payload) == task


@pytest.mark.parametrize("options", [{"sync": True}, {"hook": "os.mkdir"}])
def test_nothing_forbidden_is_sent_or_run_where_it_is_sent(options, tmp_path):
    with pytest.raises(TaskRefused):
        async_task("os.mkdir", str(tmp_path / "ran"), q_options=options)
    with pytest.raises(TaskRefused):
        async_task(SWEEP, q_options=options)
    assert not (tmp_path / "ran").exists()


def test_the_hook_of_a_forged_row_is_not_called(bomb, harmless, tmp_path):
    now = timezone.now()
    Task.objects.create(id="1", name="1", func=SWEEP, hook="os.mkdir", args=(), kwargs={}, started=now, stopped=now)
    assert EngineCounter.read(REFUSED) == 1
    assert not Task.objects.filter(hook="os.mkdir", args=str(tmp_path)).exists()


PLAIN = [
    None,
    1,
    "é",
    b"x",
    [1, {"a": (2.5, True)}],
    datetime(2026, 1, 1, tzinfo=UTC),
    UUID(int=7),
    Decimal("1.5"),
    {1},
]


@pytest.mark.parametrize("value", [*PLAIN, timedelta(1), frozenset({2})])
def test_plain_values_are_read_from_pickles(value):
    assert plain_pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize(
    "data", [b"", b"garbage", pickle.dumps(os.system), pickle.dumps(print), b"(dp0\n", b"\x80\x09."]
)
def test_other_pickles_are_refused(data):
    with pytest.raises(plain_pickle.NotPlain):
        plain_pickle.loads(data)


def test_a_pickle_that_asks_for_memory_gets_none():
    """LONG_BINPUT with a high index: the reader in C reserves 64 GB for these bytes."""
    assert plain_pickle.loads(b"]r\xff\xff\xff\x7f.") == []


def doubled(times):
    """A tuple of a hundred bytes that stands for two to the power of `times`, as a key of a dict."""
    tuples = b"K\x01\x85\x94" + b"".join(b"h" + bytes([number]) + b"\x86\x94" for number in range(times))
    return b"\x80\x04}" + tuples + b"K\x01s."


def nested(depth):
    return b"\x80\x04}" + b")" + b"\x85" * depth + b"K\x01s."


@pytest.mark.parametrize(
    "data", [doubled(60), nested(100_000), b"\x80\x05\x96" + (2_000_000_000).to_bytes(8, "little") + b"."]
)
def test_a_pickle_of_a_few_bytes_takes_neither_time_nor_memory(data):
    with pytest.raises(plain_pickle.NotPlain):
        plain_pickle.loads(data)
    assert plain_pickle.from_column(b64encode(data).decode()) == plain_pickle.UNREADABLE


def test_tuples_as_people_send_them_are_read():
    value = {(number, ("a", (number,))): (number,) for number in range(50_000)}
    assert plain_pickle.loads(pickle.dumps(value)) == value


def test_a_message_that_cannot_be_rewritten_holds_up_no_other():
    deep = b"]" * 100_000 + b"a" * 99_999
    message = pickle.dumps(package(args=("here",))).replace(pickle.dumps("here")[11:-1], deep)
    broker = OrmBroker(list_key="common")
    payload = core_signing.dumps(None, key=Conf.SECRET_KEY, salt=Conf.PREFIX, serializer=Raw(message))
    for each in (payload, SignedPackage.dumps(package(name="sound"))):
        broker.enqueue(each)
    assert broker.dequeue() == []
    ((_, kept),) = broker.dequeue()
    assert SignedPackage.loads(kept)["name"] == "sound"


class Raw:
    """Signs bytes as they are."""

    def __init__(self, data):
        self.data = data

    def __call__(self):
        return self

    def dumps(self, _):
        return self.data


@pytest.mark.parametrize("name", ["args", "kwargs", "result"])
def test_no_fixture_and_no_form_runs_the_pickle_of_a_task(bomb, harmless, name):
    field = Task._meta.get_field(name)
    forged = b64encode(pickle.dumps(bomb)).decode()
    assert field.to_python(forged) == forged
    assert field.to_python(b64encode(pickle.dumps((1, "a"))).decode()) == (1, "a")
    now = timezone.now().isoformat()
    fields = {"name": "f", "func": SWEEP, "started": now, "stopped": now, "args": None, "kwargs": None, name: forged}
    rows = serializers.deserialize("json", json.dumps([{"model": "django_q.task", "pk": "f", "fields": fields}]))
    for row in rows:
        row.save()
    assert getattr(Task.objects.get(pk="f"), name) == forged


def forged_task(bomb, *, success):
    row = Task(id="f" * 32, name="forged", func=SWEEP, started=timezone.now(), stopped=timezone.now(), success=success)
    Task.objects.bulk_create([row])
    bytes_of_it = b64encode(pickle.dumps(bomb)).decode()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_q_task SET args = %s, kwargs = %s, result = %s", [bytes_of_it] * 3)
    return row


@pytest.mark.parametrize("model", [Success, Failure])
def test_no_page_runs_the_pickle_of_a_task(root, bomb, harmless, model):
    row = forged_task(bomb, success=model is Success)
    name = f"admin:django_q_{model._meta.model_name}"
    for address in (
        reverse(f"{name}_changelist"),
        reverse(f"{name}_changelist") + "?q=forged",
        reverse(f"{name}_change", args=[row.pk]),
        reverse(f"{name}_delete", args=[row.pk]),
        reverse(f"{name}_history", args=[row.pk]),
    ):
        assert root.get(address).status_code == 200, address
    again = {"action": "resubmit_task", "_selected_action": [row.pk]}
    root.post(reverse(f"{name}_changelist"), again)
    root.post(reverse(f"{name}_change", args=[row.pk]), {"_save": "1"})
    assert Task.objects.get(pk=row.pk).result == plain_pickle.UNREADABLE  # neither does any other reader
    assert Task.get_result(row.pk) == plain_pickle.UNREADABLE
    root.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"})
    assert not Task.objects.exists()


def test_no_page_runs_the_pickle_of_a_message(root, bomb, harmless):
    OrmQ.objects.create(key="common", payload=SignedPackage.dumps(bomb), lock=timezone.now())
    good = OrmQ.objects.create(key="common", payload=SignedPackage.dumps(package()), lock=timezone.now())
    listed = root.get(reverse("admin:django_q_ormq_changelist"))
    assert SWEEP in listed.content.decode()
    assert "more than plain values" in listed.content.decode()
    for row in OrmQ.objects.all():
        assert root.get(reverse("admin:django_q_ormq_change", args=[row.pk])).status_code == 200
    assert read_message(good.payload)["name"] == "one"


@pytest.mark.parametrize("path", [path for path in FORBIDDEN if isinstance(path, str) and path])
@pytest.mark.sampled(5)
def test_the_schedule_form_refuses_what_may_not_run(root, path):
    now = timezone.now()
    fields = {"name": "mine", "schedule_type": Schedule.MINUTES, "minutes": 1, "repeats": -1}
    fields |= {"next_run_0": now.date().isoformat(), "next_run_1": now.time().isoformat("seconds")}
    for changes in ({"func": path}, {"func": SWEEP, "hook": path}):
        answer = root.post(reverse("admin:django_q_schedule_add"), fields | changes)
        assert answer.status_code == 200
        assert set(answer.context["adminform"].form.errors) <= {"func", "hook"}
    assert not Schedule.objects.filter(name="mine").exists()


BAD_ROWS = [
    {"func": "os.mkdir", "args": "'ran'"},
    {"func": "os.mkdir", "args": "'ran'", "kwargs": "q_options={'sync': True}"},
    {"func": "os.mkdir", "args": "'ran'", "kwargs": "sync=True"},
    {"hook": "os.mkdir"},
    {"kwargs": "q_options={'hook': 'os.mkdir'}"},
    {"kwargs": "q_options={'chain': [('os.mkdir', ('ran',))]}"},
    {"kwargs": "q_options={'broker': 3}"},
    {"kwargs": "q_options={'cluster': 3}"},
    {"kwargs": "func=3"},
    {"kwargs": "broker=3"},
    {"args": "not python("},
    {"args": "(" * 5000},
    {"kwargs": "[1]"},
    {"kwargs": "x=y"},
    {"intended_date_kwarg": "func"},
    {"schedule_type": "??"},
    {"schedule_type": Schedule.CRON, "cron": "0 0 30 2 *"},
    {"func": "orchestration.tasks.gone"},
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fields", BAD_ROWS, ids=lambda fields: str(fields)[:50])
def test_a_bad_row_neither_runs_nor_stops_the_others(fields, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Schedule.objects.all().delete()
    past = timezone.now() - timedelta(hours=2)
    common = {"schedule_type": Schedule.MINUTES, "minutes": 1, "next_run": past}
    rows = [{"name": "bad", "func": SWEEP, **common, **fields}, {"name": "good", "func": SWEEP, **common}]
    bad, good = Schedule.objects.bulk_create([Schedule(**row) for row in rows])
    cluster.scheduler(broker=get_broker())
    assert [SignedPackage.loads(message.payload)["group"] for message in OrmQ.objects.all()] == ["good"]
    good.refresh_from_db()
    assert timezone.now() < good.next_run <= timezone.now() + timedelta(minutes=1)
    bad.refresh_from_db()
    assert (bad.next_run, bad.repeats) == (past, -1)
    assert EngineCounter.read(REFUSED) == 1
    assert not (tmp_path / "ran").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("minutes", [1, None, 7])
def test_a_row_from_long_ago_does_not_keep_the_cluster(minutes):
    """Minute by minute from 1900 are 66 million steps."""
    Schedule.objects.all().delete()
    old = datetime(1900, 1, 1, 0, 0, 30, tzinfo=UTC)
    Schedule.objects.bulk_create([Schedule(func=SWEEP, schedule_type=Schedule.MINUTES, minutes=minutes, next_run=old)])
    cluster.scheduler(broker=get_broker())
    row = Schedule.objects.get()
    assert (row.next_run.second, row.next_run > timezone.now()) == (30, True)
    assert (row.next_run - old) % timedelta(minutes=minutes or 1) == timedelta(0)


@pytest.mark.django_db(transaction=True)
def test_schedules_with_a_count_run_that_often_and_are_deleted():
    Schedule.objects.all().delete()
    past = timezone.now() - timedelta(minutes=1)
    Schedule.objects.create(name="once", func=SWEEP, next_run=past)
    Schedule.objects.create(name="twice", func=SWEEP, schedule_type=Schedule.DAILY, repeats=2, next_run=past)
    given = {"args": "'a', 2", "kwargs": "x=1, q_options={'timeout': 40}", "intended_date_kwarg": "due"}
    Schedule.objects.create(name="given", func=SWEEP, schedule_type=Schedule.HOURLY, next_run=past, **given)
    cluster.scheduler(broker=get_broker())
    cluster.scheduler(broker=get_broker())
    sent = {task["group"]: task for task in (SignedPackage.loads(row.payload) for row in OrmQ.objects.all())}
    assert set(sent) == {"once", "twice", "given"}
    assert OrmQ.objects.count() == 3
    assert (sent["given"]["args"], sent["given"]["timeout"]) == (("a", 2), 40)
    assert sent["given"]["kwargs"] == {"x": 1, "due": past.isoformat()}
    assert dict(Schedule.objects.values_list("name", "repeats")) == {"twice": 1, "given": -1}


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_costs_no_schedule(monkeypatch):
    Schedule.objects.all().delete()
    past = timezone.now() - timedelta(minutes=1)
    Schedule.objects.create(name="once", func=SWEEP, next_run=past)
    monkeypatch.setattr(OrmBroker, "enqueue", Mock(side_effect=OSError("no way to the broker")))
    cluster.scheduler(broker=get_broker())
    assert Schedule.objects.get().next_run == past
    assert EngineCounter.read(REFUSED) == 0
    assert allowed_tasks.REFUSED == "tasks_refused"
