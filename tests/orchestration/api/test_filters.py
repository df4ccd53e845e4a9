"""Date-times over REST that no calendar, time zone or database can hold."""

from __future__ import annotations

import pytest

from orchestration.models import ServiceCallRecord
from tests.orchestration.api.conftest import Caller
from tests.orchestration.values.test_moments import OUTSIDE

pytestmark = pytest.mark.postgres

BODY = {"service": "engineapp.default.Triage", "context": {"ticket": "it burns"}}


@pytest.mark.parametrize("value", OUTSIDE)
def test_run_at_outside_the_range_queues_nothing(ann: Caller, value: str) -> None:
    answer = ann.post("/service-calls", {**BODY, "run_at": value})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "1900" in str(answer.json()["details"])
    assert not ServiceCallRecord.objects.exists()


@pytest.mark.parametrize("value", [1_700_000_000, 0.5, "2026-01-31", "2026-01-31T24:00:00Z"])
def test_run_at_that_is_not_a_moment_is_told_how_to_write(ann: Caller, value: object) -> None:
    answer = ann.post("/service-calls", {**BODY, "run_at": value})
    assert answer.status_code == 422
    assert not ServiceCallRecord.objects.exists()


@pytest.mark.parametrize("name", ["created_from", "created_to"])
@pytest.mark.parametrize("value", [*OUTSIDE, "0.5", "1700000000"])
def test_a_filter_outside_the_range_is_422(ann: Caller, name: str, value: str) -> None:
    assert ann.get("/service-calls", **{name: value}).status_code == 422
