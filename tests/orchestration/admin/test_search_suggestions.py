"""What the search suggests while one writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import User
from orchestration.admin import search_suggestions
from orchestration.admin.search_suggestions import forget_seen, last_term, suggestions
from tests.orchestration.admin.rows import succeeded
from tests.orchestration.factories import failed, queued

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
LIST = reverse("admin:orchestration_servicecallrecord_changelist")
SUGGEST = reverse("admin:orchestration_servicecallrecord_suggest")


@pytest.fixture(autouse=True)
def looked_at_now() -> Iterator[None]:
    forget_seen()
    yield
    forget_seen()


def offered(text: str, *, content: bool = True) -> list[str]:
    return [whole for whole, _ in suggestions(text, content=content)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ("", "")),
        ("failed in", ("failed ", "in")),
        ("failed ", ("failed ", "")),
        ('input.a="b c', ("", 'input.a="b c')),
        ('"x y" z', ('"x y" ', "z")),
    ],
)
def test_the_last_term_is_gone_on_with(text: str, parts: tuple[str, str]) -> None:
    assert last_term(text) == parts


def test_it_begins_with_the_kinds_of_terms_and_codes() -> None:
    failed(error_code="rate_limited"), failed(), failed()
    assert offered("") == ["user:", "input.", "context.", "result.", "timeout", "rate_limited"]
    assert offered("us") == ["user:"]
    assert offered("user:1 limi") == ["user:1 rate_limited"]


def test_paths_and_values_of_the_newest_calls_are_offered() -> None:
    """The most frequent first; texts in quotes where the search would take them for something else."""
    for data in ({"urgency": 3, "unit": {"name": "ward two"}}, {"urgency": 3, "unit": {"name": "42"}}, {"urgency": 1}):
        queued(result=data)
    assert offered("result.u") == ["result.urgency=", "result.unit.name="]
    assert offered("result.urgency=") == ["result.urgency=3", "result.urgency=1"]
    assert set(offered("result.unit.name=")) == {'result.unit.name="ward two"', 'result.unit.name="42"'}
    assert offered('result.unit.name="wa') == ['result.unit.name="ward two"']
    assert offered("result.nowhere") == []


def test_every_value_that_is_offered_finds_its_call(root: Client) -> None:
    values = [3, -1.5, True, None, "plain", "two words", "42", "true", "a=b", "Zoë"]
    for number, value in enumerate(values):
        queued(result={f"field{number}": value})
    for number in range(len(values)):
        (term,) = offered(f"result.field{number}=")
        found = root.get(LIST, {"q": term}).context["cl"].result_list
        assert [row.result for row in found] == [{f"field{number}": values[number]}], term


def test_objects_and_users_of_the_newest_calls_are_offered() -> None:
    ada = User.objects.create_user("ada@example.com", "pw")
    succeeded(ada), succeeded(ada)
    queued(requested_by=User.objects.create_user("eve@example.com", "pw"))
    assert offered("user:")[0] == f"user:{ada.pk}"
    assert len(offered("user:")) == 2
    assert offered(f"user:{ada.pk}") == []


def test_content_is_offered_to_those_who_may_read_it(staff: Callable[..., Client]) -> None:
    queued(result={"patient": "Ada Secret"})
    reader, viewer = staff("view_servicecallrecord", "view_content"), staff("view_servicecallrecord")
    for text in ("", "result.", "result.patient="):
        assert "patient" not in viewer.get(SUGGEST, {"q": text}).content.decode()
        assert "result." not in viewer.get(SUGGEST, {"q": text}).content.decode()
    items = reader.get(SUGGEST, {"q": "result.patient="}).json()["items"]
    assert [(item["text"], item["note"]) for item in items] == [('result.patient="Ada Secret"', "1 call lately")]


def test_large_payloads_are_not_read() -> None:
    queued(result={"small": 1})
    queued(result={"large": [str(number) for number in range(5_000)], "beside": 1})
    assert offered("result.") == ["result.small="]


def test_a_look_is_kept_for_some_seconds() -> None:
    failed()
    with CaptureQueriesContext(connection) as first:
        offered("")
    with CaptureQueriesContext(connection) as again:
        offered("ti")
    assert (len(first), len(again)) == (2, 0)
    assert search_suggestions.SAMPLED == 500
