"""Dead results by cause."""

import pytest

from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from persistence.dead_letters import dead_groups, normalized, retry_group
from persistence.testing import persist
from tests.persistence.results import note

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def fail(handler, response):
    raise ValueError


def fail_otherwise(handler, response):
    raise KeyError


@pytest.fixture(autouse=True)
def one_attempt(settings):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_MAX_ATTEMPTS": 1}


def test_groups_count_and_a_retry_takes_one_group():
    for conduct in (fail, fail, fail_otherwise):
        persist(note(conduct))
    first, second = dead_groups()
    assert (first.exception, first.count, second.exception, second.count) == ("ValueError", 2, "KeyError", 1)
    assert first.handler == "persist.seedapp.default.NotePersistence" and first.first_seen <= first.last_seen
    assert retry_group(first.fingerprint) == 2
    states = ServiceCallRecord.objects.values_list("domain_persist_state", flat=True)
    assert sorted(states) == [PersistState.DEAD, PersistState.PENDING, PersistState.PENDING]
    with pytest.raises(LookupError, match="No dead results"):
        retry_group(first.fingerprint)


def test_what_differs_from_call_to_call_is_taken_out():
    one = "KeyError: 'ann' of 0198b6f0-2222-7abc-8def-0123456789ab at a.py:12"
    assert normalized(one) == normalized(one.replace("ann", "bob").replace("0198b6f0", "1198b6f0").replace("12", "99"))
