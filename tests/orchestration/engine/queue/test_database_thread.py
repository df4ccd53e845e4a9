"""A database that goes away in the middle of a call is a reason to wait or to try again, never to fail."""

import asyncio
import random

import pytest
from asgiref.sync import async_to_sync
from django.db import InterfaceError, OperationalError

from orchestration.api.errors import ApiError
from orchestration.api.prefer_wait import link_when_away
from orchestration.engine.queue.database_thread import when_database_answers
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.errors import OutOfSight
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from tests.engineapp.orca.services.triage import BeyondALimit, FreeText


class Flaky:
    """Answers at the third time."""

    def __init__(self):
        self.asked = 0

    def __call__(self, answer):
        self.asked += 1
        if self.asked < 3:
            raise (OperationalError if self.asked == 1 else InterfaceError)("the connection is lost")
        return answer


@pytest.mark.django_db(transaction=True)
def test_a_read_that_a_call_needs_waits_for_the_database():
    flaky = Flaky()
    assert asyncio.run(when_database_answers(flaky, "row")) == "row"
    assert flaky.asked == 3


@pytest.mark.django_db(transaction=True)
def test_a_service_whose_own_query_fails_is_tried_again(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "RETRY_INITIAL_SECONDS": 60}
    random.seed(1)  # the jitter: not so little that the retry is due at once
    record = submit(CallSpec(service="services.engineapp.default.LosesTheDatabase"))
    drain()
    record.refresh_from_db()
    assert (record.status, record.error_code, record.failures) == ("queued", "database_away", 1)


def too_much(*_):
    """PostgreSQL reports a statement that exceeds a limit as it does a lost connection; waiting changes nothing."""
    raise OperationalError("stack depth limit exceeded") from BeyondALimit()


def lost(*_):
    raise OperationalError("the connection is lost")


@pytest.mark.django_db(transaction=True)
def test_a_read_beyond_a_limit_is_not_tried_for_ever():
    with pytest.raises(OperationalError):
        asyncio.run(when_database_answers(too_much))


@pytest.mark.parametrize(("what", "told"), [(lost, ApiError), (too_much, OperationalError)])
def test_only_a_database_that_is_away_is_told_as_such(what, told):
    with pytest.raises(told), link_when_away("/there"):
        what()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("what", "told"), [(lost, OutOfSight), (too_much, OperationalError)])
def test_only_a_database_that_is_away_puts_a_call_out_of_sight(what, told, monkeypatch):
    monkeypatch.setattr("orchestration.engine.execution.inline._announce", what)
    with scripted(), pytest.raises(told):
        async_to_sync(FreeText.using(context={"ticket": "1"}).execute)()


@pytest.mark.django_db(transaction=True)
def test_a_service_that_asks_too_much_has_failed():
    record = submit(CallSpec(service="services.engineapp.default.AsksTooMuch"))
    drain()
    record.refresh_from_db()
    assert (record.status, record.error_code) == ("failed", "internal_error")
