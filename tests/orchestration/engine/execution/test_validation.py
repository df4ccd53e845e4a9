"""Validators are code that an answer runs through: whatever they raise, it is invalid, and nothing of it is told."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.test import Client
from pydantic_core import PydanticCustomError

from tests.engineapp.orca.services.answers import Guarded, GuardedOutputSchema
from tests.orchestration.engine.execution.asking import ask, chat, check_ended, check_pages

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
SECRET = "Maria Muster"
ANSWER = json.dumps({"text": SECRET})
RAISED = {
    "KeyError": KeyError,
    "TypeError": TypeError,
    "RecursionError": RecursionError,
    "ValueError": ValueError,
    "AssertionError": AssertionError,
    "a custom error": lambda text: PydanticCustomError("odd_name", "is {text}", {"text": text}),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", RAISED)
def test_a_validator_that_raises_leaves_a_counted_answer(
    what: str, root: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def guard(text: str) -> Any:
        raise RAISED[what](text)

    monkeypatch.setattr(GuardedOutputSchema, "guard", staticmethod(guard))
    with caplog.at_level(logging.DEBUG, "orchestration"):
        record = ask(Guarded, chat(ANSWER), max_attempts=3)
    assert (record.status, record.error_code, record.attempts, record.total_tokens) == (
        "failed",
        "invalid_output",
        1,
        30,
    )
    check_ended(record)
    check_pages(record, root)
    assert SECRET not in record.error + caplog.text
    assert SECRET not in record.request_audits.get(repair=1).messages[-1]["content"]


class WorkerDied(BaseException):
    """Like a kill: nothing in the engine may catch it."""


def test_what_an_authors_validator_kills_was_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only answers whose validation runs no code of an author are stored with their results."""

    def guard(text: str) -> Any:
        raise WorkerDied

    monkeypatch.setattr(GuardedOutputSchema, "guard", staticmethod(guard))
    record = ask(Guarded, chat(ANSWER))
    assert record.status == "running"
    assert (record.request_audits.get().outcome, record.total_tokens) == ("answered", 15)


def test_a_tag_that_no_member_has_is_not_quoted() -> None:
    record = ask(Guarded, chat(json.dumps({"text": "a", "pet": {"kind": SECRET}})))
    assert record.error == "pet: its tag is not one of 'cat', 'dog'"
