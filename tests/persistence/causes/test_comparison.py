"""How a value that was not accepted differs from those that were persisted."""

from __future__ import annotations

import pytest

from persistence.causes.cause import Cause, Fault, Kind
from persistence.causes.comparison import differences
from persistence.testing import persist
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import SERVICE, failed
from tests.persistence.results import note
from tests.seedapp.models import Message, Simulation, Tally

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


def test_values_of_choices_are_counted_and_named_on_demand() -> None:
    succeeded(), succeeded(), failed()
    cause = Cause(exception="E", kind=Kind.CHOICE, table="service_call_record", columns=("status",))
    choices = ("Choices of status", "queued, running, succeeded, failed, cancelled")
    assert list(differences(cause)) == [choices, ("status in stored rows", "2 different values in 3 rows")]
    named = list(differences(cause, content=True))
    assert named == [choices, ("status in stored rows", "succeeded (2), failed (1)")]


def test_empty_columns_are_counted() -> None:
    """A value that was not there differs from rows in which it nearly always is."""
    for data in ({"role": "doctor"}, {"role": "nurse"}, {"role": None}):
        succeeded(result={"structured_data": data})
    Message.objects.create(role="doctor")
    cause = Cause(exception="E", kind=Kind.NULL, table="seedapp_message", columns=("role",))
    assert list(differences(cause, SERVICE)) == [
        ("role in stored rows", "text of 6 characters"),
        ("role in persisted answers", "text of 5 to 6 characters (2 of 3), nothing (1 of 3)"),
    ]


def test_a_column_that_no_answer_has_is_left_out() -> None:
    succeeded(result={"structured_data": {"reason": "fire"}})
    cause = Cause(exception="E", kind=Kind.NULL, table="seedapp_message", columns=("role",))
    assert list(differences(cause, SERVICE)) == []


def test_a_missing_row_is_told_by_the_table_it_is_missing_in() -> None:
    Simulation.objects.create(sim_patient_full_name="Ada")
    of_key = Cause(exception="E", kind=Kind.MISSING_ROW, table="seedapp_message", columns=("simulation_id",))
    asked = Cause(exception="Simulation.DoesNotExist", kind=Kind.MISSING_ROW, table="seedapp_simulation")
    told = [("Rows of seedapp_simulation", "1 now, without the one that was looked for")]
    assert list(differences(of_key)) == list(differences(asked)) == told


def test_a_duplicate_is_told_by_who_wrote_such_rows() -> None:
    for _ in range(2):
        persist(note(lambda handler, response: Message.objects.create(role="a")))
    cause = Cause(exception="E", kind=Kind.DUPLICATE, table="seedapp_message", columns=("role",))
    who = "persist.seedapp.default.NotePersistence (2)"
    assert list(differences(cause)) == [("Rows of seedapp_message were written recently by", who)]


def test_fields_of_an_answer_are_told_by_persisted_ones() -> None:
    succeeded(result={"structured_data": {"reason": "fire"}})
    succeeded(result={"structured_data": {"reason": "a long story"}}, domain_persist_state="dead")
    faults = (Fault(path="reason", rule="missing", value=""), Fault(path="by_name.<key>", rule="int", value="nothing"))
    cause = Cause(exception="ValidationError", kind=Kind.VALIDATION, faults=faults)
    assert list(differences(cause, SERVICE)) == [("reason in persisted answers", "text of 4 characters")]
    assert list(differences(cause)) == []
