"""How what failed differs from what went well."""

from __future__ import annotations

import pytest

from orchestration.causes.comparison import answered_lately, answered_sizes, shapes_of_results, size_beside_answered
from orchestration.models.audits import Outcome
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import SERVICE, failed, request_audit

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def test_accepted_answers_are_told_by_type_and_length() -> None:
    for reason, lines in (("fire", [1]), ("a flood", [1, 2]), (None, "none")):
        succeeded(result={"structured_data": {"reason": reason, "lines": lines}})
    failed()
    found = shapes_of_results(answered_lately(SERVICE), ["reason", "lines", "lines.0", "nowhere"])
    assert found["reason"] == "text of 4 to 7 characters (2 of 3), nothing (1 of 3)"
    assert found["lines"] == "list of 1 to 2 items (2 of 3), text of 4 characters (1 of 3)"
    assert "number of 1 digits (2 of 3)" in found["lines.0"]
    assert found["nowhere"] == "nothing"
    assert shapes_of_results(answered_lately(SERVICE), []) == {}
    assert shapes_of_results(answered_lately("services.engineapp.default.Other"), ["reason"]) == {}


def test_requests_are_told_by_their_size() -> None:
    short = request_audit(succeeded(), attempt=3, outcome=Outcome.ANSWERED, messages=["a" * 10])
    short.save()
    long = request_audit(failed(), messages=["a" * 1000])
    long.save()
    own, sizes = size_beside_answered(long)
    assert own == 1004
    assert sizes == answered_sizes(SERVICE)
    assert 14 in sizes
    assert max(sizes) < own
