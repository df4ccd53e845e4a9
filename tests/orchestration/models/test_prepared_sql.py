"""Rows as one JSON parameter: what JSON holds arrives as it is, what it does not is not made into something else."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from orchestration.models import ServiceCallRecord
from orchestration.models.prepared_sql import as_recordset, count_together
from tests.orchestration.factories import failed, queued


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("ä\n\0\u2028", "ä\n\0\u2028"),
        ("half \ud800", "half \ud800"),
        (2**70, 2**70),
        (True, True),
        (None, None),
        (1.5, 1.5),
        (1e22, 1e22),
        (Decimal("1.10"), "1.10"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "2026-01-02T03:04:05.000006+00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
    ],
)
def test_a_value_arrives_as_it_is(value: Any, written: Any) -> None:
    assert json.loads(as_recordset(["x", "y"], [[value, 1], [1, value]])) == [
        {"v_x": written, "v_y": 1},
        {"v_x": 1, "v_y": written},
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"deep": float("nan")}])
def test_what_is_not_a_number_stays_none(value: Any) -> None:
    """The database refuses it; null would be something else."""
    assert "null" not in as_recordset(["x"], [[value]])


def test_rows_must_have_all_columns() -> None:
    with pytest.raises(ValueError, match="zip"):
        as_recordset(["x", "y"], [[1]])


@pytest.mark.postgres
@pytest.mark.django_db
def test_rows_are_counted_together_each_up_to_its_own_limit(django_assert_num_queries: Any) -> None:
    for _ in range(3):
        queued()
    failed(error_code="timeout")
    calls = ServiceCallRecord.objects.all()
    found = (calls.queued().values("pk")[:2], calls.failed().values("pk"), calls.filter(error_code="100%").values("pk"))
    with django_assert_num_queries(1):
        assert count_together(*found) == [2, 1, 0]
