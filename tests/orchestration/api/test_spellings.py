"""One call, however its UUID is spelled; and ids that are none."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from orchestration.api.pagination import write_cursor
from orchestration.models import ServiceCallRecord
from tests.orchestration.api.conftest import Caller
from tests.orchestration.factories import queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
BELOW = ("", "/attempts", "/timeline", "/objects")


def spellings(key: str) -> list[str]:
    return [key.upper(), key.replace("-", ""), f"{{{key}}}", f"urn:uuid:{key}", f"URN:UUID:{key.upper()}"]


def test_a_call_is_found_by_any_spelling_of_its_id(operator: Caller) -> None:
    call = queued()
    for spelled in spellings(call.pk):
        for below in BELOW:
            assert operator.get(f"/service-calls/{quote(spelled)}{below}").status_code == 200, (spelled, below)
        assert operator.get(f"/service-calls/{quote(spelled)}").json()["id"] == call.pk
    assert operator.post(f"/service-calls/{call.pk.upper()}/cancel").json()["id"] == call.pk


def test_calls_are_listed_by_any_spelling_of_related_keys(operator: Caller) -> None:
    about = queued()
    call = queued(related_object=about)
    queued()
    for spelled in spellings(about.pk):
        found = operator.get("/service-calls", related_model="orchestration.servicecallrecord", related_id=spelled)
        assert [item["id"] for item in found.json()["items"]] == [call.pk], spelled
    for spelled in spellings(str(call.correlation_id))[:4]:
        found = operator.get("/service-calls", correlation_id=spelled)
        assert [item["id"] for item in found.json()["items"]] == [call.pk], spelled


def test_a_row_is_stored_in_the_canonical_spelling() -> None:
    key = "0190B7C2-0000-7000-8000-0000000000AB"
    assert queued(id=key).pk
    assert ServiceCallRecord.objects.get().pk == key.lower()
    assert list(ServiceCallRecord.objects.in_bulk([key])) == [key.lower()]


@pytest.mark.parametrize("odd", ["x", "a" * 64, "0190-" * 7, str(10**30), "%00", "a%00b", "%ff", "..", "{}", "%7B%7D"])
def test_an_id_that_is_not_a_uuid_is_404_everywhere(operator: Caller, odd: str) -> None:
    for below in BELOW:
        assert operator.get(f"/service-calls/{odd}{below}").status_code == 404, below
    for below in ("/retry", "/cancel", "/reprocess", "/rerun", "/persist", "/replay"):
        assert operator.post(f"/service-calls/{odd}{below}").status_code in {403, 404}, below


@pytest.mark.parametrize("key", ["x", "a\x00b", "a" * 65])
def test_a_cursor_with_an_odd_id_is_422(operator: Caller, key: str) -> None:
    call: Any = queued()
    call.pk = key
    assert operator.get("/service-calls", cursor=write_cursor(call)).status_code == 422
