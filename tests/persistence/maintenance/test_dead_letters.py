"""Dead results by cause."""

import pytest

from orchestration.models import ServiceCallRecord
from persistence.maintenance.dead_letters import calls_of_group, dead_groups, normalized
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


def test_groups_count_and_name_their_calls():
    for conduct in (fail, fail, fail_otherwise):
        persist(note(conduct))
    first, second = dead_groups()
    assert (first.exception, first.count, second.exception, second.count) == ("ValueError", 2, "KeyError", 1)
    assert first.handler == "persist.seedapp.default.NotePersistence"
    assert first.first_seen <= first.last_seen
    of_the_first = ServiceCallRecord.objects.filter(calls_of_group(first.fingerprint))
    assert of_the_first.count() == 2
    for call in of_the_first:
        call.persist_again()
    with pytest.raises(LookupError, match="No dead results"):
        calls_of_group(first.fingerprint)


def test_what_differs_from_call_to_call_is_taken_out():
    one = "KeyError: 'ann' of 0198b6f0-2222-7abc-8def-0123456789ab at a.py:12"
    assert normalized(one) == normalized(one.replace("ann", "bob").replace("0198b6f0", "1198b6f0").replace("12", "99"))


def test_the_code_of_a_database_tells_causes_apart():
    unique, null = (f"IntegrityError:a.py:1 (SQLSTATE {code}, table t1)" for code in ("23505", "23502"))
    assert normalized(unique) == "IntegrityError:a.py:# (SQLSTATE 23505, table t#)" != normalized(null)
