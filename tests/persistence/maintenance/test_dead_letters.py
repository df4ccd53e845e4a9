"""Results that persistence failed with, by cause."""

import pytest
from django.utils import timezone

from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.maintenance.dead_letters import (
    calls_in,
    calls_of_group,
    dead_groups,
    examples_of,
    failure_groups,
    normalized,
)
from persistence.models.failures import PersistenceFailure
from persistence.outbox.drain import drain_batch
from persistence.outbox.outcomes import Outcome
from persistence.tasks import prune_content
from persistence.testing import persist
from tests.persistence.results import digest, lonely, note
from tests.seedapp.models import Message

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
FIXED: list[bool] = []


def fail(handler, response):
    raise ValueError("at one line")


def fail_otherwise(handler, response):
    raise KeyError


def fail_on_one_of_two_lines(handler, response):
    if response.context["first"]:
        raise ValueError("the first line")
    raise ValueError("the second line")


def fail_until_fixed(handler, response):
    if FIXED:
        return Message.objects.create(role="note")
    raise ValueError


@pytest.fixture
def one_attempt(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_MAX_ATTEMPTS": 1}


@pytest.fixture(autouse=True)
def not_fixed():
    FIXED.clear()
    yield
    FIXED.clear()


@pytest.mark.usefixtures("one_attempt")
def test_groups_count_and_name_their_calls():
    for conduct in (fail, fail, fail_otherwise):
        persist(note(conduct))
    first, second = dead_groups()
    assert (first.exception, first.dead, second.exception, second.dead) == ("ValueError", 2, "KeyError", 1)
    assert first.handler == "persist.seedapp.default.NotePersistence"
    assert first.first_seen <= first.last_seen
    of_the_first = ServiceCallRecord.objects.filter(calls_of_group(first.fingerprint))
    assert set(of_the_first) == set(calls_in(first))
    assert len(examples_of([first, second], 1)[first.fingerprint]) == 1
    for call in of_the_first:
        call.persist_again()
    with pytest.raises(LookupError, match="No result fails"):
        calls_of_group(first.fingerprint)


def test_a_group_is_there_from_the_first_failure():
    persist(note(fail))
    (group,) = failure_groups()
    assert (group.dead, group.failing, group.exception) == (0, 1, "ValueError")
    assert dead_groups() == []
    assert calls_in(group).count() == 1
    persist(note(fail, domain_persist_attempts=9))
    (group,) = failure_groups()
    assert (group.dead, group.failing) == (1, 1)


def test_two_lines_of_one_function_are_two_groups():
    for first in (True, False, False):
        persist(note(fail_on_one_of_two_lines, context={"first": first}))
    assert [(group.failing, group.cause.frames[-1].source) for group in failure_groups()] == [
        (2, 'raise ValueError("the second line")'),
        (1, 'raise ValueError("the first line")'),
    ]


def test_the_last_cause_counts_and_since_when():
    record = note(fail)
    persist(record)
    since = PersistenceFailure.objects.get().first_at
    ServiceCallRecord.objects.update(next_persist_at=timezone.now())
    persist(record)
    failure = PersistenceFailure.objects.get()
    assert failure.first_at == since
    assert failure.last_at > since


@pytest.mark.parametrize("make", [note, digest])
def test_what_is_persisted_in_the_end_fails_no_more(make):
    def conduct(*given):
        if not FIXED:
            raise ValueError
        return Message.objects.create(role="note") if make is note else {}

    record = make(conduct)
    assert persist(record) is Outcome.FAILED
    assert PersistenceFailure.objects.filter(call=record).exists()
    FIXED.append(True)
    ServiceCallRecord.objects.update(next_persist_at=timezone.now())
    assert persist(record) is Outcome.PERSISTED
    assert not PersistenceFailure.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_group_that_is_persisted_fails_no_more():
    records = [note(fail_until_fixed) for _ in range(3)]
    drain_batch()
    assert PersistenceFailure.objects.count() == 3
    FIXED.append(True)
    ServiceCallRecord.objects.update(next_persist_at=timezone.now())
    assert drain_batch().processed == 3
    assert not PersistenceFailure.objects.filter(call__in=records).exists()


def test_what_is_left_over_is_pruned():
    record = note(fail)
    persist(record)
    lost = note(fail)
    persist(lost)
    ServiceCallRecord.objects.filter(pk=record.pk).update(
        domain_persist_state=PersistState.SKIPPED, next_persist_at=None
    )
    assert [group.failing for group in failure_groups()] == [1]
    prune_content()
    assert [failure.call_id for failure in PersistenceFailure.objects.all()] == [lost.pk]


# --- what an older version charged ----------------------------------------------------------


def test_failures_without_a_cause_are_grouped_by_their_text():
    """An older version, which may run beside this one, leaves a text alone."""
    now = timezone.now()
    for number in range(3):
        state = {"domain_persist_state": PersistState.DEAD, "next_persist_at": None} if number else {}
        lonely(domain_persist_attempts=3, domain_persist_error=f"ValueError:a.py:{number}", finished_at=now, **state)
    (group,) = failure_groups()
    assert (group.dead, group.failing, group.exception) == (2, 1, "ValueError")
    assert group.headline == "ValueError:a.py:#"
    assert calls_in(group).count() == 3
    assert ServiceCallRecord.objects.filter(calls_of_group(group.fingerprint)).count() == 3
    assert len(examples_of([group], 5)[group.fingerprint]) == 3


def test_what_differs_from_call_to_call_is_taken_out():
    one = "KeyError: 'ann' of 0198b6f0-2222-7abc-8def-0123456789ab at a.py:12"
    assert normalized(one) == normalized(one.replace("ann", "bob").replace("0198b6f0", "1198b6f0").replace("12", "99"))


def test_the_code_of_a_database_tells_causes_apart():
    unique, null = (f"IntegrityError:a.py:1 (SQLSTATE {code}, table t1)" for code in ("23505", "23502"))
    assert normalized(unique) == "IntegrityError:a.py:# (SQLSTATE 23505, table t#)" != normalized(null)
