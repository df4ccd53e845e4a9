"""A database that goes away in the middle of a call is a reason to wait or to try again, never to fail."""

import asyncio
import random

import pytest
from django.db import InterfaceError, OperationalError

from orchestration.engine.database import when_database_answers
from orchestration.engine.submit import CallSpec, submit
from orchestration.testing import run_due_calls


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
    run_due_calls()
    record.refresh_from_db()
    assert (record.status, record.error_code, record.failures) == ("queued", "database_away", 1)
