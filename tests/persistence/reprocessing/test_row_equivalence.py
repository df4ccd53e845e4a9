"""What is the same when it is made again, and what is not: chosen keys and times are compared, drawn ones are not."""

import datetime as dt
import uuid

import pytest
from django.utils import timezone

from orchestration.clock import earlier_than_new_times
from persistence.outbox.outcomes import Outcome
from persistence.reprocessing.dry_run_check import apply_if_as_shown, essence
from persistence.reprocessing.reprocess import Policy, ReprocessOutcome, dry_run, reprocess, revert
from persistence.testing import persist
from tests.persistence.reprocessing.test_recreate import provenance, recreated
from tests.persistence.results import note
from tests.seedapp.models import Attachment, Book, Document, Line, Member, Message, Remark, Simulation, Specimen

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

DAYS = {"a": "2091-01-01T00:00:00Z", "b": "2092-01-01T00:00:00Z"}
NUMBERS = {"a": 1, "b": 2}


def two_times(v):
    Member.objects.create(name="now", due=timezone.now())
    Member.objects.create(name="then", due=DAYS[v].replace("209", "199"))


def in_json_beside_a_time(v):
    Member.objects.create(name="x", data={"at": timezone.now().isoformat()})
    Member.objects.create(name="y", data={"at": DAYS[v].replace("209", "199")})


def remark(v):
    old = [Message.objects.get(role=role) for role in ("a", "b")]
    return Remark.objects.create(target=old[v == "b"])


DIFFERENT = {
    "text key": lambda v: Document.objects.create(path=v, title="t"),
    "number as key": lambda v: Book.objects.create(isbn=NUMBERS[v]),
    "key in two columns": lambda v: Line.objects.create(simulation=Simulation.objects.get(), position=NUMBERS[v]),
    "key made of a name": lambda v: Attachment.objects.create(id=uuid.uuid5(uuid.NAMESPACE_DNS, v), kind="k"),
    "uuid that was given": lambda v: Specimen.objects.create(token=uuid.UUID(int=NUMBERS[v])),
    "time to come": lambda v: Member.objects.create(name="z", due=DAYS[v]),
    "time to come in JSON": lambda v: Member.objects.create(name="z", data={"due": DAYS[v]}),
    "time to come in text": lambda v: Message.objects.create(role="z", content=DAYS[v]),
    "past time beside the present": two_times,
    "past time beside it in JSON": in_json_beside_a_time,
    "generic key": remark,
    "true for one": lambda v: Member.objects.create(name="z", data={"is": {"a": 1, "b": True}[v]}),
}


@pytest.fixture(autouse=True)
def rows():
    Simulation.objects.create()
    for role in "ab":
        Message.objects.create(role=role)


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_a_handler_chose_is_a_difference(name):
    chosen = ["a"]
    record = note(lambda handler, response: DIFFERENT[name](chosen[0]) and None)
    started = earlier_than_new_times()
    shown = essence(dry_run(record.pk), started)
    chosen[0] = "b"
    assert apply_if_as_shown(lambda: reprocess(record.pk), shown)[1] != []
    persist(record)
    chosen[0] = "a"
    assert reprocess(record.pk, Policy.RECREATE).outcome is ReprocessOutcome.RECREATED
    assert reprocess(record.pk, Policy.RECREATE).outcome is ReprocessOutcome.UNCHANGED


def ids_in_json():
    one, two = (Message.objects.create(role=role) for role in "cd")
    one.meta = {"message_ids": [one.pk, two.pk], "ids": [two.pk], "messageId": one.pk, "pk": two.pk}
    one.save()


def ids_of_others():
    """Some of them are the keys that the rows get, or get the next time."""
    next_key = Message.objects.order_by("-pk")[0].pk
    Message.objects.create(role="c", meta=[{"patient_id": next_key + n} for n in range(6)])


def deadlines():
    now = timezone.now() + dt.timedelta(days=7)
    Member.objects.create(name="n", due=now, data={"until": now.isoformat(), "day": DAYS["a"]})


ALIKE = {
    "drawn key": lambda: Attachment.objects.create(kind="k"),
    "key that the handler drew": lambda: Attachment.objects.create(id=uuid.uuid4(), kind="k"),
    "chosen key": lambda: Book.objects.create(isbn=5),
    "time to come": lambda: Member.objects.create(name="z", due=DAYS["a"], data={"due": DAYS["b"]}),
    "past time beside the present": lambda: two_times("a"),
    "generic key": lambda: Remark.objects.create(target=Message.objects.create(role="g")),
    "ids": ids_in_json,
    "ids of others": ids_of_others,
    "deadlines": deadlines,
}


@pytest.mark.parametrize("name", ALIKE)
def test_what_is_drawn_again_is_not_a_difference(name):
    record = note(lambda handler, response: ALIKE[name]() and None)
    assert persist(record) is Outcome.PERSISTED
    before = provenance()
    assert recreated(record).outcome is ReprocessOutcome.UNCHANGED
    assert provenance() == before
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
