"""`drain()` in every kind of test: inside a TestCase's transaction, outside of one, and from asynchronous code."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase
from django.utils import timezone

from orchestration.models import ServiceCallRecord
from orchestration.signals import ai_response_ready
from orchestration.testing import assert_persisted, drain, make_result, run_calls, running, scripted_provider
from persistence.errors import PersistenceError
from tests.persistence.results import note
from tests.seedapp.models import Message
from tests.seedapp.orca.persist.behaviours import GenerateNote
from tests.seedapp.orca.readme import GenerateTicketAnswer

pytestmark = pytest.mark.postgres
ANSWER = {"answer": "We are on it.", "urgent": True}


def ask(**options):
    return GenerateTicketAnswer.using(context={"ticket": "It burns."}, **options).enqueue_now()


class Drains:
    """What holds in every kind of test."""

    def test_a_call_becomes_its_row_on_this_connection(self):
        call = ask()
        with scripted_provider() as provider, self.assertNumQueriesOutside(0):
            provider.answer(ANSWER, service=GenerateTicketAnswer)
            done = drain()
        assert (done.calls, done.results) == (1, 1)
        assert [each.text for each in assert_persisted(call, Message)] == ["We are on it."]

    def test_what_follows_from_a_result_is_run_as_well(self):
        """A receiver that is called after the commit submits the next call."""

        def follow_up(*, context, **_):
            if context["ticket"] == "It burns.":
                GenerateTicketAnswer.using(context={"ticket": "Does it still burn?"}).enqueue_now()

        ai_response_ready.connect(follow_up)
        try:
            ask()
            assert drain().calls == 2
        finally:
            ai_response_ready.disconnect(follow_up)
        assert Message.objects.count() == 2

    def test_run_calls_leaves_results_to_the_drain(self):
        call = ask()
        assert run_calls() == 1
        assert ServiceCallRecord.objects.get(pk=call.id).domain_persist_state == "pending"
        assert not Message.objects.exists()
        assert drain().results == 1
        assert_persisted(call, Message)

    def test_a_handler_that_fails_is_tried_again_when_scheduled(self):
        tries = []

        def third_time_lucky(handler, response):
            tries.append(response)
            if len(tries) < 3:
                raise PersistenceError("not yet")
            return Message.objects.create(role="note", text="at last")

        call = note(third_time_lucky)
        assert drain().results == 0
        assert drain(scheduled=True).results == 1
        assert len(tries) == 3
        assert_persisted(call, Message)

    def assertNumQueriesOutside(self, count):  # noqa: N802 - as Django names it
        """No connection but the one of this test is used: another one could not see its rows."""
        return OnlyThisConnection(count)


class OnlyThisConnection:
    def __init__(self, count):
        self.count = count

    def __enter__(self):
        self.before = connection.connection

    def __exit__(self, *_):
        assert connection.connection is self.before


class InTestCase(Drains, TestCase):
    """Everything is in one transaction that never commits."""

    def test_the_hooks_of_the_test_itself_are_left_alone(self):
        ran = []
        transaction.on_commit(lambda: ran.append(1))
        ask()
        drain()
        assert ran == []


class InTransactionTestCase(Drains, TransactionTestCase):
    """Everything commits; the broker's messages of the calls have nobody who takes them."""

    def test_a_hook_of_an_open_transaction_runs_once(self):
        heard = []

        def hear(*, call_id, **_):
            heard.append(call_id)

        ai_response_ready.connect(hear)
        try:
            with transaction.atomic():
                call = ask()
                drain()
            assert heard == [call.id]
        finally:
            ai_response_ready.disconnect(hear)


@pytest.mark.django_db
def test_what_is_due_later_waits_unless_it_is_asked_for():
    ask(run_at=timezone.now() + timedelta(days=1))
    assert drain().calls == 0
    assert drain(scheduled=True).calls == 1


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["server_error", "rate_limit", "unavailable"])
def test_a_call_is_retried_without_waiting_when_scheduled(kind):
    call = ask()
    with scripted_provider() as provider:
        provider.fail(kind, times=2, retry_after=30)
        provider.answer(ANSWER)
        assert drain(scheduled=True).calls == 3
    assert_persisted(call, Message)


@pytest.mark.django_db
def test_calls_that_submit_each_other_are_found_out(monkeypatch):
    monkeypatch.setattr(running, "MOST_ROUNDS", 5)

    def once_more(handler, response):
        make_result(GenerateNote, {"text": "again"}, context=response.context)

    note(once_more)
    with pytest.raises(RuntimeError, match="submit each other"):
        drain()


class Asynchronous(TestCase):
    async def test_it_drains_in_the_thread_of_the_database(self):
        call = await GenerateTicketAnswer.using(context={"ticket": "It burns."}).enqueue()
        assert (await sync_to_async(drain)()).results == 1
        await sync_to_async(assert_persisted)(call, Message)
