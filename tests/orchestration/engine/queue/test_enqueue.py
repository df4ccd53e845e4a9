"""What may be submitted, and what a submit leaves behind."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import reduce
from threading import Barrier

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_q.models import OrmQ

from orchestration.engine.queue import transport
from orchestration.engine.queue.enqueue import CallSpec, submit, submit_many
from orchestration.errors import (
    IdempotencyConflict,
    InvalidCall,
    MissingContext,
    NotJson,
    ServiceNotFound,
    UnknownOption,
)
from orchestration.models import ServiceCallRecord
from tests.engineapp.orca.services.triage import Triage

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
TICKET = {"ticket": "it burns"}


@pytest.fixture(autouse=True)
def _no_recent_wake():
    transport._last_wake.clear()


def spec(**fields):
    return CallSpec(**{"service": Triage, "context": TICKET, **fields})


def test_a_submitted_call_is_queued_with_all_that_its_run_needs():
    record = submit(spec(input={"tone": "dry"}, priority=3, model="gpt-4o", parameters={"temperature": 0}))
    record.refresh_from_db()
    assert (record.status, record.service_identity, record.priority) == ("queued", str(Triage.identity), 3)
    assert (record.input, record.context) == ({"tone": "dry"}, TICKET)
    assert record.service_kwargs == {"model": "gpt-4o", "client": None, "parameters": {"temperature": 0}}
    assert record.schema_identity == "schemas.engineapp.default.TriageOutputSchema"
    assert (record.schema_version, len(record.schema_fingerprint)) == (2, 16)
    assert record.max_attempts == 3


def test_a_service_may_be_named_by_its_identity_or_label():
    assert submit(spec(service="engineapp.default.Triage")).service_identity == str(Triage.identity)


def test_an_unknown_service_is_refused_with_a_suggestion():
    with pytest.raises(ServiceNotFound, match="Triage"):
        submit(spec(service="engineapp.default.Triagge"))


def test_a_missing_context_key_is_refused_and_named():
    with pytest.raises(MissingContext, match=r"needs context ticket; available: colour, shape"):
        submit(spec(context={"colour": 1}, input={"shape": 2}))


def test_a_required_key_in_the_payload_reaches_the_context():
    assert submit(spec(context={}, input=TICKET)).context == TICKET


@pytest.mark.parametrize(
    "value, path",
    [
        ({"a": [1, {"b": datetime(2026, 1, 1)}]}, r"context.a\[1\].b is a datetime"),
        ({"a": {1: 2}}, "context.a has the key 1 of type int"),
        ({"a": float("nan")}, "context.a is nan"),
        ({"a": {1, 2}}, "context.a is a set"),
        ({"a": "x\x00"}, "context.a holds a NUL"),
        ({"a": "\ud800"}, "context.a holds half of a surrogate"),
        ({"a\x00": 1}, "A key of context holds a NUL"),
        ({"\ud800": {}}, "A key of context holds half of a surrogate"),
        ({"a": 10**5000}, "context.a is an integer of more than"),
        ({"a": reduce(lambda inner, _: [inner], range(1200), 1)}, "nested deeper than 100 levels"),
    ],
)
def test_what_is_not_json_is_refused_with_its_path(value, path):
    with pytest.raises(NotJson, match=path):
        submit(spec(context={**TICKET, **value}))


@pytest.mark.parametrize("name", ["ordering_key", "idempotency_key", "model"])
@pytest.mark.parametrize("text", ["a\x00", "\udfff"])
def test_a_text_that_no_database_stores_is_refused_by_name(name, text):
    with pytest.raises(NotJson, match=f"{name} holds"):
        submit(spec(**{name: text}))


def test_an_oversized_payload_is_refused_with_both_sizes(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "MAX_PAYLOAD_BYTES": 100}
    with pytest.raises(InvalidCall, match=r"MAX_PAYLOAD_BYTES\) is 100"):
        submit(spec(input={"text": "x" * 101}))


@pytest.mark.parametrize(
    "options, words",
    [
        ({"priority": 40_000}, "priority"),
        ({"max_attempts": 11}, "max_attempts"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"run_at": datetime(2026, 1, 1)}, "time zone"),
        ({"ordering_key": "k" * 256}, "ordering_key"),
        ({"ordering_key": 7}, "ordering_key is text, not a int"),
        ({"model": "m" * 129}, "model is longer than 128"),
        ({"ordering_policy": "later"}, "ordering_policy"),
        ({"client": "nobody"}, "ORCA_CONFIG"),
        ({"related_object": ServiceCallRecord(pk=None)}, "not saved"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(options, words):
    with pytest.raises(InvalidCall, match=words):
        submit(spec(**options))


def test_an_unknown_keyword_raises_at_once():
    with pytest.raises(UnknownOption, match=r"Triage got prio; options are .*priority"):
        Triage.using(prio=1)


def test_one_bad_call_of_many_leaves_none():
    with pytest.raises(MissingContext):
        submit_many([spec(), spec(context={})])
    assert not ServiceCallRecord.objects.exists()


def test_calls_of_one_key_are_numbered_as_submitted():
    first = submit(spec(ordering_key="chat:1"))
    more = submit_many([spec(ordering_key="chat:1"), spec(ordering_key="chat:2"), spec(ordering_key="chat:1")])
    assert [record.sequence for record in [first, *more]] == [1, 2, 1, 3]


# --- idempotency ----------------------------------------------------------------------------


def test_the_same_key_and_request_give_the_first_call_back(django_user_model):
    user = django_user_model.objects.create_user("a@example.com")
    first = submit(spec(idempotency_key="k", requested_by=user))
    again = submit(spec(idempotency_key="k", requested_by=user))
    assert again.pk == first.pk
    assert ServiceCallRecord.objects.count() == 1


def test_the_same_key_with_another_request_is_refused():
    submit(spec(idempotency_key="k"))
    with pytest.raises(IdempotencyConflict, match="'k'"):
        submit(spec(idempotency_key="k", input={"other": 1}))


def test_a_key_belongs_to_its_user(django_user_model):
    users = [django_user_model.objects.create_user(f"{name}@example.com") for name in "ab"]
    calls = {submit(spec(idempotency_key="k", requested_by=user)).pk for user in [*users, None]}
    assert len(calls) == 3


@pytest.mark.django_db(transaction=True)
def test_simultaneous_submits_with_one_key_make_one_call():
    barrier = Barrier(6)

    def work(_):
        try:
            barrier.wait(10)
            return submit(spec(idempotency_key="k", ordering_key="chat:1")).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(work, range(6)))) == 1
    assert ServiceCallRecord.objects.count() == 1


# --- transactions and wakes -----------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_rollback_means_there_was_no_call_and_no_wake():
    with pytest.raises(RuntimeError, match="changed my mind"), transaction.atomic():
        submit(spec())
        raise RuntimeError("changed my mind")
    assert not ServiceCallRecord.objects.exists()
    assert not OrmQ.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_calls_of_one_transaction_send_one_wake():
    with transaction.atomic():
        submit(spec())
        submit_many([spec(), spec()])
        assert not OrmQ.objects.exists()
    assert OrmQ.objects.count() == 1


def test_a_call_may_be_planned_for_later():
    later = timezone.now() + timedelta(hours=1)
    assert submit(spec(run_at=later)).due_at == later
    assert not ServiceCallRecord.objects.due().exists()


def test_a_batch_is_stored_as_the_orm_stores_it(django_user_model):
    owner = django_user_model.objects.create_user(email="o@example.org", password="pw")
    texts = {"ticket": 'quote " back \\ {"a": [1]} ünïcode 😀', "deep": [{"n": 1.5, "t": True, "z": None}]}
    ways = [
        spec(context=texts, input={"big": 10**30}, requested_by=owner, ordering_key="k", parameters={"t": 0.5}),
        spec(related_object=owner, run_at=timezone.now() + timedelta(days=1), priority=-3, max_attempts=7),
    ]
    by_hand = submit_many(ways)
    with connection.execute_wrapper(lambda execute, *args: execute(*args)):  # somebody follows what is written
        by_orm = submit_many(ways)
    own = {"id", "correlation_id", "sequence", "due_at", "created_at", "updated_at"}
    for left, right in zip(by_hand, by_orm, strict=True):
        one, other = (ServiceCallRecord.objects.filter(pk=each.pk).values().get() for each in (left, right))
        assert {name: one[name] for name in one.keys() - own} == {name: other[name] for name in other.keys() - own}
        assert {name: one[name] for name in own} == {name: getattr(left, name) for name in own}
        assert not left._state.adding


def test_who_is_not_saved_cannot_submit(django_user_model):
    with pytest.raises(InvalidCall, match="requested_by is not saved"):
        submit(spec(requested_by=django_user_model(email="new@example.org")))


@pytest.mark.postgres_only
@pytest.mark.parametrize("many", [1, 50])
def test_calls_are_written_as_one_parameter(many, django_assert_num_queries):
    with django_assert_num_queries(3) as captured:  # with the savepoint around it
        submit_many([spec()] * many)
    assert "jsonb_to_recordset" in captured[1]["sql"]
