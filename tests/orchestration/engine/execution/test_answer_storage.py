"""Bytes that JSON or the database cannot hold: stored, counted, then validated."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.worker.rescuer import rescue
from orchestration.fault_injection import armed
from orchestration.models import ServiceCallRecord
from orchestration.providers.response_bodies import read_body
from orchestration.testing import drain
from tests.engineapp.orca.services import triage
from tests.engineapp.orca.services.answers import Measured
from tests.orchestration.admin.rows import answer, succeeded
from tests.orchestration.engine.execution.asking import (
    TICKET,
    ask,
    chat,
    check_ended,
    check_pages,
    provider,
    responses,
)
from tests.orchestration.factories import request_audit

pytestmark = [pytest.mark.django_db, pytest.mark.postgres, pytest.mark.slow]
GOOD = '{"urgency": 9, "reason": "fire"}'
ESCAPED = orjson.dumps(chat(GOOD))


def with_field(json: bytes, body: bytes = ESCAPED) -> bytes:
    """The answer with a field of its own."""
    return body[:-1] + b',"x":' + json + b"}"


BODIES_OF_A_GOOD_ANSWER = {
    "byte-order mark": b"\xef\xbb\xbf" + ESCAPED,
    "UTF-16": ESCAPED.decode().encode("utf-16"),
    "NaN": with_field(b"[NaN,-Infinity]"),
    "1e999": with_field(b"1e999"),
    "-1e999": with_field(b"-1e999"),
    "1e308": with_field(b"1e308"),
    "400 digits": with_field(b"1" * 400),
    "5,000 digits": with_field(b"-" + b"1" * 5000),
    "200 levels": with_field(b"[" * 200 + b"]" * 200),
    "20,000 levels": with_field(b"[" * 20_000 + b"]" * 20_000),
    "20,000 objects": with_field(b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    "levels in a text": with_field(orjson.dumps("[" * 20_000)),
    "equal keys": with_field(b'{"a":1,"a":2}'),
    "lone surrogate": with_field(rb'"\ud83d"'),
    "lone surrogate in a key": with_field(rb'{"\udc00":1}'),
    "NUL": with_field(rb'"a\u0000b"'),
    "NUL in a key": with_field(rb'{"a\u0000b":1}'),
    "not UTF-8": with_field(b'"\xff\xfe"'),
    "raw line break in a text": with_field(b'"a\nb"'),
    "raw NUL in a text": with_field(b'"a\x00b"'),
    "a key that marks bodies": with_field(b'{"$body":1}'),
    "megabytes": with_field(orjson.dumps("x" * 3_000_000)),
}
"""Bodies in which something is odd, though not the answer itself."""


@pytest.mark.parametrize("what", BODIES_OF_A_GOOD_ANSWER)
@pytest.mark.sampled(5)
def test_what_is_odd_beside_an_answer_harms_nothing(what: str, root: Client) -> None:
    record = ask(triage.Triage, BODIES_OF_A_GOOD_ANSWER[what])
    assert (record.status, record.error) == ("succeeded", None)
    assert record.response().structured_data == {"urgency": 9, "reason": "fire"}
    assert (record.input_tokens, record.output_tokens, record.total_tokens) == (10, 5, 15)
    check_ended(record)
    check_pages(record, root)


ODD_TEXTS = {
    "lone surrogate": rb"hi \ud83d there",
    "lone surrogate within JSON": rb"{\"urgency\": 1, \"reason\": \"\udc00\"}",
    "escaped surrogate within JSON": rb"{\"urgency\": 1, \"reason\": \"\\ud83d\"}",
    "not UTF-8": b"\xff",
    "20,000 brackets": b"[" * 20_000,
    "20,000 closed brackets": b"[" * 20_000 + b"]" * 20_000,
    "NaN": rb"{\"urgency\": NaN, \"reason\": \"x\"}",
    "1e999": rb"{\"urgency\": 1e999, \"reason\": \"x\"}",
    "5,000 digits": rb"{\"urgency\": " + b"1" * 5000 + rb", \"reason\": \"x\"}",
    "an odd key": rb"{\"urgency\": 1, \"reason\": \"x\", \"a\\u0000\": 1}",
    "nothing": b"",
    "blanks": rb" \n",
}


@pytest.mark.parametrize("what", ODD_TEXTS)
@pytest.mark.sampled(4)
def test_an_answer_that_cannot_be_used_is_repaired(what: str) -> None:
    odd = orjson.dumps(chat("TEXT")).replace(b"TEXT", ODD_TEXTS[what])
    record = ask(triage.Triage, odd, chat(GOOD))
    assert (record.status, record.error) == ("succeeded", None)
    assert [audit.repair for audit in record.request_audits.order_by("repair")] == [0, 1]
    assert record.total_tokens == 30
    check_ended(record)


@pytest.mark.parametrize("what", ODD_TEXTS)
@pytest.mark.sampled(4)
def test_an_answer_that_stays_unusable_is_invalid(what: str, root: Client) -> None:
    odd = orjson.dumps(chat("TEXT")).replace(b"TEXT", ODD_TEXTS[what])
    record = ask(triage.Triage, odd)
    assert (record.status, record.error_code) == ("failed", "invalid_output")
    assert record.total_tokens == 30
    check_ended(record)
    check_pages(record, root)


@pytest.mark.parametrize("text", [rb"hi \ud83d there", b"\xff", b""])
def test_a_free_text_that_cannot_be_used_is_repaired(text: bytes) -> None:
    odd = orjson.dumps(chat("TEXT")).replace(b"TEXT", text)
    record = ask(triage.FreeText, odd, chat("hello"))
    assert (record.status, record.response().output, record.total_tokens) == ("succeeded", "hello", 30)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 400, '"nan"', '"1e999"'])
@pytest.mark.sampled(4)
def test_a_float_that_json_has_not_is_invalid(number: str) -> None:
    for text in (f'{{"value": {number}, "values": []}}', f'{{"value": 1, "values": [{number}]}}'):
        record = ask(Measured, chat(text))
        assert (record.status, record.error_code, record.total_tokens) == ("failed", "invalid_output", 30)


UNREADABLE = {
    "nothing": b"",
    "a page": b"<html><body>502 Bad Gateway</body></html>",
    "half of it": ESCAPED[:100],
    "all but the end": ESCAPED[:-1],
    "a list": b"[1,2]",
    "a text": b'"hello"',
    "null": b"null",
    "NaN": b"NaN",
    "bytes": bytes(range(256)),
    "NULs": b"\x00" * 10,
    "brackets": b"[" * 200_000,
    "an event stream": b"data: " + ESCAPED + b"\n\ndata: [DONE]\n\n",
    "no choices": b'{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}',
}


@pytest.mark.parametrize("surface", ["chat", "responses"])
@pytest.mark.parametrize("what", UNREADABLE)
@pytest.mark.sampled(5)
def test_bytes_that_are_no_answer_are_kept_and_counted(what: str, surface: str, root: Client) -> None:
    record = ask(triage.Triage, UNREADABLE[what], surface=surface)
    assert (record.status, record.error_code, record.retryable) == ("failed", "malformed_response", True)
    answer = record.request_audits.get().response_audit
    assert answer.raw is not None or what == "null"
    counted = b"total_tokens" in UNREADABLE[what] or what == "no choices"
    assert record.total_tokens == answer.total_tokens == (15 if counted and what != "half of it" else 0)
    check_ended(record)
    check_pages(record, root)


def test_counts_are_looked_for_at_few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each place may cost a walk over the whole text: twenty thousand held up the worker for 17 seconds."""
    asked: list[int] = []
    read = json.JSONDecoder.raw_decode

    def count(decoder: json.JSONDecoder, text: str, idx: int = 0) -> Any:
        asked.append(idx)
        return read(decoder, text, idx)

    monkeypatch.setattr(json.JSONDecoder, "raw_decode", count)
    assert read_body(b'{"usage":{"prompt_tokens":1},' + b'"usage":{' * 20_000).value == {}
    assert len(asked) < 20
    assert read_body(b'{"usage":{"prompt_tokens":1},"more":').value == {"usage": {"prompt_tokens": 1}}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": -5, "completion_tokens": 7}, (0, 7, 7)),
        ({"prompt_tokens": 10.0, "completion_tokens": 5.9}, (10, 5, 15)),
        ({"prompt_tokens": 1e30, "completion_tokens": 1}, (2**31 - 1, 1, 2**31 - 1)),
        ({"prompt_tokens": 2**70, "completion_tokens": 2**70}, (2**31 - 1, 2**31 - 1, 2**31 - 1)),
        ({"prompt_tokens": "ten", "completion_tokens": None, "total_tokens": True}, (0, 0, 0)),
        ({"prompt_tokens": [], "completion_tokens": {}, "prompt_tokens_details": 7}, (0, 0, 0)),
        ([1, 2], (0, 0, 0)),
        ({"prompt_tokens": 0, "completion_tokens": 2000, "total_tokens": 2000}, (0, 2000, 2000)),
        ({"prompt_tokens": 1000, "total_tokens": 1000}, (1000, 0, 1000)),
        ({"input_tokens": None, "output_tokens": 0, "prompt_tokens": 10, "completion_tokens": 5}, (10, 5, 15)),
        ({"prompt_tokens": "10", "completion_tokens": "5.0", "total_tokens": " 15"}, (10, 5, 15)),
        ({"prompt_tokens": "-1", "completion_tokens": "\u0665", "total_tokens": "1e3"}, (0, 0, 0)),
    ],
)
@pytest.mark.sampled(4)
def test_odd_counts_are_counted_sanely(usage: Any, expected: tuple[int, ...], root: Client) -> None:
    body = orjson.dumps(chat(GOOD) | {"usage": None}).replace(b'"usage":null', b'"usage":' + _dumps(usage))
    record = ask(triage.Triage, body)
    assert record.status == "succeeded"
    assert (record.input_tokens, record.output_tokens, record.total_tokens) == expected
    check_pages(record, root)


def test_counts_beyond_a_column_add_up_to_its_most() -> None:
    """The repair's tokens are added to those of the first answer."""
    huge = {"prompt_tokens": 2**40, "completion_tokens": 2**40}
    record = ask(triage.Triage, chat("no JSON", usage=huge), chat(GOOD, usage=huge))
    assert (record.status, record.total_tokens) == ("succeeded", 2**31 - 1)


def test_labels_that_fit_no_column_are_cut(root: Client) -> None:
    odd = "\x00" + "x" * 10_000
    body = orjson.dumps(chat(GOOD, finish=odd, id=odd, model=odd, service_tier={"name": odd}))
    record = ask(triage.Triage, body)
    assert record.status == "succeeded"
    check_pages(record, root)
    halved = orjson.dumps(responses(GOOD, id="ID", model="MODEL")).replace(b'"ID"', rb'"\ud800"')
    record = ask(triage.Triage, halved.replace(b'"MODEL"', rb'"\udfff"'), surface="responses")
    assert (record.status, record.model) == ("succeeded", r"\udfff")
    check_pages(record, root)


class WorkerDied(BaseException):
    """Like a kill: nothing in the engine may catch it."""


def _die() -> None:
    raise WorkerDied


def test_an_odd_answer_of_a_dead_worker_is_judged_as_it_came(root: Client) -> None:
    """What was escaped to be stored is read back as it was: the repair shows it, and nobody pays for it again."""
    odd = orjson.dumps(chat("TEXT")).replace(b"TEXT", rb"back\\slash \ud83d \\ud83d")
    record = submit(CallSpec(service=triage.Triage, context=TICKET))
    with provider(odd, orjson.dumps(chat(GOOD))) as server:
        with armed("after_store", _die):
            drain()
        ServiceCallRecord.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        assert rescue().requeued == 1
        drain()
    record.refresh_from_db()
    assert (record.status, record.attempts, record.deaths, len(server.bodies)) == ("succeeded", 1, 1, 2)
    assert record.request_audits.get(repair=1).messages[-2]["content"] == r"back\slash \ud83d \ud83d"
    check_pages(record, root)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL refuses such rows")
def test_rows_that_sqlite_took_are_shown(root: Client) -> None:
    """Escapes of surrogates and NUL in JSON, as older versions stored them."""
    odd = {"content": "a\ud83d\x00", "\udc00": ["\x00"]}
    record = succeeded(result={"structured_data": odd}, input=odd, context=odd)
    for repair in (0, 1):
        audit = request_audit(record, attempt=3, repair=repair, messages=[{"role": "user", **odd}], tools=[odd])
        audit.save()
        answer(audit, raw=odd, outputs=[{"type": "text", "text": "\ud800"}], structured_data=odd, tool_calls=[odd])
    check_pages(record, root)


def _dumps(value: Any) -> bytes:
    return json.dumps(value).encode()
