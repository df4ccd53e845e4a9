"""What an overridden `execute()` returns is validated like an answer; what is not allowed is reported once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from orchestration.engine.execution.group_commit import GroupCommit
from orchestration.errors import CallError, InvalidOutput, NotStorable, ProviderError
from orchestration.models import AIResponseAudit, ServiceCallRecord
from orchestration.types import Response
from tests.engineapp.orca.services.answers import MadeBySchema, MadeFreely, Rewrites
from tests.orchestration.engine.execution.asking import TICKET, ask, chat, check_ended, check_pages, run

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
GOOD = '{"urgency": 9, "reason": "fire"}'


def circle() -> Any:
    value: dict[str, Any] = {}
    value["self"] = [value]
    return value


def deep() -> Any:
    value: Any = 1
    for _ in range(600):
        value = [value]
    return {"deep": value}


REFUSED = {
    "text with NUL": ("a\x00b", "response.output holds a NUL character"),
    "text with a surrogate": ("a\ud800", "response.output holds half of a surrogate pair"),
    "NUL": ({"a": ["x", "\x00"]}, r"data.a\[1\] holds a NUL character"),
    "surrogate": ({"a": {"b": "\udfff"}}, "data.a.b holds half of a surrogate pair"),
    "NUL in a key": ({"a": {"\x00": 1}}, "A key of data.a holds a NUL character"),
    "NaN": ({"a": float("nan")}, "data.a is nan"),
    "infinity": ({"a": [float("-inf")]}, "is -inf"),
    "number of thousands of digits": ({"a": 10**5000}, "data.a is an integer of more than"),
    "object": ({"a": object()}, "data.a is a object, which has no form in JSON"),
    "bytes": ({"a": b"\xff"}, "data.a is a bytes, which has no form in JSON"),
    "key": ({1: "a"}, "data has the key 1 of type int"),
    "key below": ({"a": {None: "a"}}, "data.a has the key None"),
    "circle": (circle(), "nested deeper than 100 levels, or holds itself"),
    "depth": (deep(), "nested deeper than 100 levels"),
    "number": (7, "execute\\(\\) returned a int"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_result_that_cannot_be_stored_is_named(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value, told = REFUSED[what]
    monkeypatch.setattr(MadeFreely, "make", staticmethod(lambda: value))
    record = run(MadeFreely, max_attempts=3)
    assert (record.status, record.error_code, record.retryable, record.failures) == (
        "failed",
        "invalid_output",
        False,
        1,
    )
    assert re.search(told, record.error)
    check_ended(record)


def _raise(*given: Any) -> Any:
    raise KeyError("secret patient name")


def of_kind(base: type, method: str, *args: Any) -> Any:
    """A value of a subclass, one of whose methods raises."""
    return type("Odd", (base,), {method: _raise})(*args)


RAISING = {
    "a dict": of_kind(dict, "items"),
    "a list": of_kind(list, "__iter__", [1]),
    "a time zone": datetime(2026, 1, 2, tzinfo=of_kind(tzinfo, "utcoffset")),
    "a key": {of_kind(tuple, "__repr__"): 1},
    "an iterator": map(_raise, [1]),
}


@pytest.mark.parametrize("service", [MadeFreely, MadeBySchema])
@pytest.mark.parametrize("what", RAISING)
def test_values_whose_own_methods_raise_are_refused(what: str, service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "make", staticmethod(lambda: {"urgency": 1, "reason": RAISING[what]}))
    record = run(service, max_attempts=3)
    assert (record.status, record.error_code, record.failures) == ("failed", "invalid_output", 1)
    assert "secret" not in record.error


class Level(IntEnum):
    HIGH = 3


class Mood(StrEnum):
    CALM = "calm"


def test_a_value_of_a_subclass_is_judged_as_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pydantic takes an IntEnum for text, but what is stored of it is a number, which it does not."""
    monkeypatch.setattr(MadeBySchema, "make", staticmethod(lambda: {"urgency": 1, "reason": Level.HIGH}))
    assert run(MadeBySchema).error_code == "invalid_output"
    monkeypatch.setattr(MadeBySchema, "make", staticmethod(lambda: {"urgency": Level.HIGH, "reason": Mood.CALM}))
    stored = run(MadeBySchema).result["structured_data"]
    assert (stored, type(stored["reason"])) == ({"urgency": 3, "reason": "calm"}, str)
    number = of_kind(int, "bit_length", 7)
    monkeypatch.setattr(MadeFreely, "make", staticmethod(lambda: {"n": number, "at": of_kind(float, "__repr__", 1.5)}))
    assert run(MadeFreely).result["structured_data"] == {"n": 7, "at": 1.5}


@pytest.mark.parametrize("what", ["NUL", "NaN", "circle", "object", "number"])
def test_a_caller_who_waits_is_reported(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MadeFreely, "make", staticmethod(lambda: REFUSED[what][0]))
    with pytest.raises(InvalidOutput, match="execute"):
        async_to_sync(MadeFreely.using(context=TICKET).execute)()
    assert ServiceCallRecord.objects.get().error_code == "invalid_output"


@pytest.mark.parametrize("what", ["text with NUL", "surrogate", "NaN", "key", "circle", "depth", "object"])
def test_a_result_under_a_schema_passes_the_same_door(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value = REFUSED[what][0]
    monkeypatch.setattr(MadeBySchema, "make", staticmethod(lambda: {"urgency": 1, "reason": value}))
    record = run(MadeBySchema)
    assert (record.status, record.error_code) == ("failed", "invalid_output")
    check_ended(record)


def test_what_pydantic_writes_as_json_is_stored_so(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    made = {"at": moment, "price": Decimal("1.10"), "pair": (1, 2), "many": {3}, "big": 2**70}
    monkeypatch.setattr(MadeFreely, "make", staticmethod(lambda: made))
    record = run(MadeFreely)
    stored = {"at": "2026-01-02T00:00:00Z", "price": "1.10", "pair": [1, 2], "many": [3], "big": 2**70}
    assert (record.status, record.response().structured_data) == ("succeeded", stored)


def _with(**changes: Any) -> Any:
    def change(response: Any) -> Any:
        for name, value in changes.items():
            setattr(response, name, value)
        return response

    return change


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"output": "a\x00"},
        {"structured_data": {"a": float("nan")}},
        {"structured_data": object()},
        {"structured_data": None},
        {"structured_data": {"urgency": "high", "reason": "fire"}},
        {"structured_data": {"urgency": 9}},
        {"context": {"a": circle()}},
        {"usage": None},
        {"model": 7},
        {"correlation_id": "none"},
    ],
)
def test_a_response_that_was_changed_passes_the_same_door(
    changes: dict[str, Any], root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rewrites, "change", staticmethod(_with(**changes)))
    record = ask(Rewrites, chat(GOOD))
    assert (record.status, record.error_code, record.total_tokens) == ("failed", "invalid_output", 15)
    check_ended(record)
    check_pages(record, root)


@pytest.mark.parametrize("made", [lambda: Response.model_construct(output="x"), Response.model_construct])
def test_a_response_that_lacks_fields_is_reported(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MadeFreely, "make", staticmethod(made))
    record = run(MadeFreely)
    assert (record.status, record.error_code) == ("failed", "invalid_output")
    assert "a Response without namespace" in record.error


def test_a_label_too_long_for_its_column_ends_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite, which has no lengths, it is stored as it is."""
    monkeypatch.setattr(Rewrites, "change", staticmethod(_with(provider="x" * 100)))
    record = ask(Rewrites, chat(GOOD), max_attempts=3)
    assert (record.status, record.error_code) in {("failed", "not_storable"), ("succeeded", "")}
    assert (record.attempts, record.deaths, record.total_tokens) == (1, 0, 15)


def _raises(error: Exception) -> Any:
    def make() -> Any:
        raise error

    return staticmethod(make)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CallError("a\x00b\ud800", code="x" * 100), "x" * 64),
        (CallError("odd", code="a\x00"), r"a\x00"),
        (ProviderError("odd", code="odd", retryable=True, retry_after=1e300), "odd"),
        (CallError("odd", code=7), "internal_error"),  # type: ignore[arg-type]
        (ValueError("\x00"), "internal_error"),
        (RecursionError("\ud800"), "internal_error"),
    ],
)
def test_an_odd_error_of_a_service_ends_its_call(error: Exception, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MadeFreely, "make", _raises(error))
    record = run(MadeFreely)
    assert (record.status, record.error_code, record.deaths) == ("failed", code, 0)


# --- what the database refuses all the same ---------------------------------------------------


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`refusing(kind)`: the group commit refuses writes of this kind for which `when` holds."""
    write = GroupCommit.write

    def refuse(kind: str, when: Any = lambda op: True) -> None:
        async def refused(self: GroupCommit, op: Any) -> None:
            if type(op).__name__ == kind and when(op):
                raise NotStorable("The database refused to store this.")
            await write(self, op)

        monkeypatch.setattr(GroupCommit, "write", refused)

    return refuse


def test_an_answer_the_database_refuses_is_counted_and_final(refusing: Any) -> None:
    refusing("StoreAnswer", lambda op: op.answer.raw is not None)
    record = ask(Rewrites, chat(GOOD), max_attempts=3)
    assert (record.status, record.error_code, record.attempts) == ("failed", "not_storable", 1)
    audit = record.request_audits.get()
    assert (audit.outcome, audit.response_audit.error_code) == ("failed", "not_storable")
    assert record.total_tokens == AIResponseAudit.objects.get().total_tokens == 15


def test_a_result_that_the_database_refuses_ends_its_call(refusing: Any) -> None:
    refusing("Settle", lambda op: op.result is not None)
    record = ask(Rewrites, chat(GOOD), max_attempts=3)
    assert (record.status, record.error_code, record.attempts, record.deaths) == ("failed", "not_storable", 1, 0)
    assert record.request_audits.get().outcome == "answered"


def test_a_request_that_the_database_refuses_is_not_sent(refusing: Any) -> None:
    refusing("OpenRequest")
    record = ask(Rewrites, chat(GOOD), max_attempts=3)
    assert (record.status, record.error_code, record.attempts) == ("failed", "not_storable", 0)
    assert not record.request_audits.exists()
