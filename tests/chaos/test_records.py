"""The comparison must find whatever can be wrong: each test spoils one of four records that agree."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.utils import timezone

from chaos.records import Findings, Records
from chaos.records import compare as compare_records
from chaos.scenarios.notes import NotesScenario
from orchestration.models import AIRequestAudit, AIResponseAudit, ServiceCallRecord
from orchestration.providers.simulator.request_log import Entry

START = timezone.now()


def compare(records: Records) -> Findings:
    return compare_records(records, NotesScenario())


@dataclass
class Row:
    pk: int
    call_id: str
    number: int
    note: str
    provider_response_id: str


def call(number: int) -> ServiceCallRecord:
    begun = START + timedelta(seconds=10 * number)
    return ServiceCallRecord(
        id=f"call{number}",
        context={"number": number},
        status="succeeded",
        result={"structured_data": {"note": f"note {number}"}},
        domain_persist_state="persisted",
        domain_persisted=True,
        ordering_key="k",
        sequence=number,
        started_at=begun,
        finished_at=begun + timedelta(seconds=2),
        persisted_at=begun + timedelta(seconds=3),
    )


def audit(number: int, outcome: str = "answered", attempt: int = 1) -> AIRequestAudit:
    request = AIRequestAudit(call_id=f"call{number}", attempt=attempt, outcome=outcome)
    if outcome in {"answered", "failed"}:
        request.response_audit = AIResponseAudit()
    else:
        request._state.fields_cache["response_audit"] = None
    return request


def entry(number: int, outcome: str = "answered", attempt: int = 1) -> Entry:
    return Entry(
        id=f"sim{number}a{attempt}",
        time=0.0,
        path="/responses",
        model="m",
        digest="",
        correlation=f"call{number}:{attempt}:0",
        fault="ok",
        status=200,
        outcome=outcome,
    )


@pytest.fixture
def records() -> Records:
    """Two calls of one ordering key; the first was asked twice, because its first worker died."""
    numbers = (1, 2)
    return Records(
        submitted={number: f"call{number}" for number in numbers},
        ledger=[entry(1, "client_left"), entry(1, attempt=2), entry(2)],
        calls={f"call{number}": call(number) for number in numbers},
        audits=[audit(1, "unknown"), audit(1, attempt=2), audit(2)],
        rows=[Row(1, "call1", 1, "note 1", "resp_sim1a2"), Row(2, "call2", 2, "note 2", "resp_sim2a1")],
    )


def test_records_that_agree_are_clean(records):
    assert compare(records).clean


def test_a_call_without_its_row_is_lost(records):
    del records.rows[0]
    assert compare(records).lost == ["call1"]


def test_a_submitted_call_without_a_record_is_lost(records):
    records.submitted[3] = "call3"
    assert compare(records).lost == ["call3"]


def test_a_poisoned_call_is_not_lost(records):
    records.calls["call2"].status, records.calls["call2"].error_code = "failed", "poisoned"
    del records.rows[1]
    assert compare(records).lost == []


def test_a_second_row_of_a_call_is_a_duplicate(records):
    records.rows.append(Row(3, "call2", 2, "note 2", "resp_sim2a1"))
    assert compare(records).duplicated == ["call2"]


def test_a_second_record_of_a_planned_call_is_a_duplicate(records):
    records.calls["again"] = call(2)
    assert compare(records).duplicated == ["2"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: setattr(row, "note", "something else"),
        lambda row: setattr(row, "provider_response_id", "resp_sim9"),
        lambda row: setattr(row, "provider_response_id", "resp_sim1a1"),  # that request was never answered
        lambda row: setattr(row, "number", 7),
        lambda row: setattr(row, "call_id", "nobody"),
    ],
)
def test_a_row_that_no_answer_stands_behind_is_false(records, spoil):
    spoil(records.rows[0])
    assert compare(records).falsely_persisted == [records.rows[0].call_id]


def test_rows_against_the_sequence_are_out_of_order(records):
    records.rows[0].pk, records.rows[1].pk = 2, 1
    assert compare(records).out_of_order == ["call2"]


def test_a_call_begun_before_its_turn_is_out_of_order(records):
    """Its turn comes when the result of the call ahead has been persisted."""
    records.calls["call2"].started_at = records.calls["call1"].persisted_at - timedelta(seconds=0.1)
    assert compare(records).out_of_order == ["call2"]


def test_a_request_without_an_audit_is_unaccounted(records):
    records.ledger.append(entry(2, attempt=2))
    assert compare(records).unaccounted == ["call2:2:0"]


def test_a_request_that_was_made_twice_is_unaccounted(records):
    records.ledger.append(entry(2))
    assert compare(records).unaccounted == ["call2:1:0"]


def test_an_answer_that_the_provider_never_gave_is_unaccounted(records):
    records.ledger[2].outcome = "broken_off"
    assert "call2:1:0" in compare(records).unaccounted
    records.ledger.clear()
    assert set(compare(records).unaccounted) == {"call1:2:0", "call2:1:0"}


def test_an_open_audit_and_a_running_call_are_found(records):
    records.audits[2].outcome = "pending"
    records.calls["call2"].status = "running"
    findings = compare(records)
    assert (findings.open_audits, findings.still_running) == (["call2:1:0"], ["call2"])
    assert not findings.clean
