"""The rows that a hold stores, as its page shows them."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from persistence.admin.approvals.rows import MOST_ROWS, ShownRows

pytestmark = pytest.mark.django_db


def change(model: str, key: str, action: str, **fields: list[Any]) -> dict[str, Any]:
    return {"model": model, "id": key, "action": action, "fields": fields}


def rows(*changes: dict[str, Any], content: bool = True) -> list[dict[str, Any]]:
    shown = ShownRows({"parts": [{"part": "", "changes": list(changes)}], "other": []}, content)
    return [row for _, listed in shown.parts for row in listed]


def test_objects_that_are_there_are_linked() -> None:
    user = reverse("admin:accounts_user_change", args=(7,))
    row = rows(change("accounts.user", "7", "updated", email=["a", "b"]))[0]
    assert (row["url"], row["label"], row["fields"]) == (user, "user 7", [("email", "a", "b")])
    made = rows(change("admin.logentry", "1", "created", user_id=[None, 7], object_id=[None, "9"]))
    assert (made[0]["url"], made[0]["label"]) == ("", "new log entry")
    assert made[0]["fields"][0][2] == f'<a class="orca-link" href="{user}">user 7</a>'


def test_what_is_new_itself_is_not_linked_to() -> None:
    new = change("accounts.user", "7", "created", email=[None, "a"], first_name=[None, ""])
    made = rows(new, change("admin.logentry", "1", "created", user_id=[None, 7]))
    assert made[0]["fields"] == [("email", "", "a")]
    assert made[1]["fields"] == [("user_id", "", "new user")]


def test_values_are_for_those_who_may_read_them() -> None:
    assert rows(change("accounts.user", "7", "deleted", email=["a", None]), content=False)[0]["fields"] == []


def test_a_model_that_is_gone_and_text_that_no_page_can_hold() -> None:
    row = rows(change("gone.model", "7", "updated", text=["\x00", "\ud800 <b>"]))[0]
    assert (row["label"], row["model"], row["url"]) == ("gone.model 7", "its model is gone", "")
    assert row["fields"] == [("text", r"\x00", r"\ud800 <b>")]


def test_beyond_a_number_of_rows_it_says_how_many_more() -> None:
    listed = [change("accounts.user", str(key), "deleted") for key in range(MOST_ROWS)]
    shown = ShownRows(
        {"parts": [{"part": "p", "changes": listed}], "other": listed[:5], "counts": {"deleted": 205}}, True
    )
    assert [(title, len(found)) for title, found in shown.parts] == [
        ("Part p", MOST_ROWS),
        ("Outside the handler's own rows", 0),
    ]
    assert (shown.more, shown.counts) == (5, [("deleted", 205)])
