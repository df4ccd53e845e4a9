"""A row made at once has what the model itself gives it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestration.models import ServiceCallRecord
from orchestration.models.new_rows import new_row

GIVEN = {
    "service_identity": "a.b.c",
    "input": {"text": "hello"},
    "priority": 3,
    "due_at": datetime(2030, 1, 1, tzinfo=UTC),
    "parent_id": None,
}
MADE_FOR_EACH = {"id", "correlation_id", "created_at"}


def test_it_is_the_row_that_the_model_makes() -> None:
    row, expected = new_row(ServiceCallRecord, **GIVEN), ServiceCallRecord(**GIVEN)
    assert row._state.adding
    assert set(vars(row)) == set(vars(expected))
    same = set(vars(row)) - MADE_FOR_EACH - {"_state"}
    assert {name: vars(row)[name] for name in same} == {name: vars(expected)[name] for name in same}


def test_no_two_rows_share_a_default() -> None:
    one, other = new_row(ServiceCallRecord), new_row(ServiceCallRecord)
    assert all(vars(one)[name] != vars(other)[name] for name in MADE_FOR_EACH)
    one.context["here"] = True
    assert other.context == new_row(ServiceCallRecord).context == {}


def test_a_name_that_no_column_has_is_refused() -> None:
    with pytest.raises(KeyError, match="parnet_id"):
        new_row(ServiceCallRecord, parnet_id=None)
