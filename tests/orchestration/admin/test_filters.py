"""Date-times in the console that no calendar, time zone or database can hold."""

from __future__ import annotations

import pytest
from django.test import Client

from orchestration.models import ModelPrice
from tests.orchestration.values.test_moments import OUTSIDE

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize("value", OUTSIDE)
@pytest.mark.parametrize("path", ["accounts/invitation/?created_at", "consensus/run/?created_at"])
@pytest.mark.sampled(4)
def test_a_lookup_in_the_address_of_the_admin_is_refused(root: Client, path: str, value: str) -> None:
    name, _, lookup = path.partition("?")
    for kind in ("gte", "lt", "exact"):
        assert root.get(f"/admin/{name}", {f"{lookup}__{kind}": value}, follow=True).status_code == 200


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "1899-12-31", "2026-W01-1", "1e5", "2200-01-01"])
def test_a_range_of_the_admin_outside_is_reported(root: Client, day: str) -> None:
    answer = root.get(
        "/admin/orchestration/servicecallrecord/", {"created_at_from_0": day, "created_at_from_1": "00:00"}
    )
    assert answer.status_code == 200


def test_a_form_of_the_admin_names_the_field(root: Client) -> None:
    sent = {"provider": "p", "model": "m", "currency": "USD", "valid_from_0": "9999-12-31", "valid_from_1": "23:59:59"}
    sent |= dict.fromkeys(("input_per_million", "cached_input_per_million", "output_per_million"), "1")
    answer = root.post("/admin/orchestration/modelprice/add/", sent)
    assert answer.status_code == 200
    assert "must be between the years 1900 and 2199" in answer.content.decode()
    assert not ModelPrice.objects.exists()
