"""How a value that was not accepted differs from those that were persisted."""

from __future__ import annotations

import pytest

from persistence.causes.cause import Cause, Fault, Kind
from persistence.causes.comparison import differences
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import SERVICE
from tests.seedapp.models import Message, Tally

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_columns_are_told_by_what_is_stored_in_them() -> None:
    for role in ("a", "doctor"):
        Message.objects.create(role=role, content="x")
    Tally.objects.create(key="a", count=1200)
    long = Cause(exception="DataError", kind=Kind.TOO_LONG, table="seedapp_message", columns=("role",))
    assert list(differences(long)) == [("role in stored rows", "text of 1 to 6 characters")]
    large = Cause(exception="DataError", kind=Kind.OUT_OF_RANGE, table="seedapp_tally", columns=("count",))
    assert list(differences(large)) == [("count in stored rows", "number of 4 digits")]
    assert list(differences(Cause(exception="E", kind=Kind.TOO_LONG, table="gone", columns=("x",)))) == []


def test_choices_are_named() -> None:
    cause = Cause(exception="E", kind=Kind.CHOICE, table="service_call_record", columns=("status",))
    assert list(differences(cause)) == [("Choices of status", "queued, running, succeeded, failed, cancelled")]


def test_fields_of_an_answer_are_told_by_persisted_ones() -> None:
    succeeded(result={"structured_data": {"reason": "fire"}})
    succeeded(result={"structured_data": {"reason": "a long story"}}, domain_persist_state="dead")
    faults = (Fault(path="reason", rule="missing", value=""), Fault(path="by_name.<key>", rule="int", value="nothing"))
    cause = Cause(exception="ValidationError", kind=Kind.VALIDATION, faults=faults)
    assert list(differences(cause, SERVICE)) == [("reason in persisted answers", "text of 4 characters")]
    assert list(differences(cause)) == []
