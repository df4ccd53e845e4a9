"""The short way through a body says what the long one does."""

from __future__ import annotations

import json

import orjson
import pytest

from orchestration.providers import response_bodies
from orchestration.providers.response_bodies import Body, read_body

VALUE = {
    "id": "r",
    "output": [{"n": 1, "f": 1.5, "t": "ä/\n", "none": None, "yes": True, "empty": [], "none at all": {}}],
}
BODIES = {
    "compact": orjson.dumps(VALUE),
    "indented": orjson.dumps(VALUE, option=orjson.OPT_INDENT_2) + b"\n",
    "of the standard library": json.dumps(VALUE).encode(),
    "equal keys": b'{"a":1,"a":2}',
    "equal keys of one value": b'{"a":1,"a":1}',
    "NaN": b'{"a":NaN}',
    "1e999": b'{"a":1e999}',
    "a long float": b'{"a":0.1000000000000000055511151231257827}',
    "20 digits": b'{"a":18446744073709551616}',
    "-0": b'{"a":-0}',
    "-0.0": b'{"a":-0.0}',
    "NUL": rb'{"a":"\u0000"}',
    "half of a surrogate pair": rb'{"a":"\ud800"}',
    "not UTF-8": b'{"a":"\xff"}',
    "101 levels": b"[" * 101 + b"]" * 101,
    "100 levels": b"[" * 100 + b"]" * 100,
    "102 levels": b"[" * 102 + b"]" * 102,
    "300 levels": b"[" * 300 + b"]" * 300,
    "2,000 levels": b"[" * 2_000 + b"]" * 2_000,
    "many brackets": orjson.dumps({"a": "[" * 500}),
    "null": b"null",
    "a number": b"7",
    "nothing": b"",
    "a page": b"<html>",
    "with a byte-order mark": b"\xef\xbb\xbf{}",
    "blanks around": b' {"a":1} ',
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_read_alike_on_both_ways(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = read_body(BODIES[name])
    monkeypatch.setattr(response_bodies, "_written_alike", lambda content: None)
    assert body == read_body(BODIES[name])


@pytest.mark.parametrize("name", ["compact", "indented", "many brackets"])
def test_what_servers_commonly_write_is_read_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response_bodies, "_read_any", lambda content: pytest.fail("read a second time"))
    value = orjson.loads(BODIES[name])
    assert read_body(BODIES[name]) == Body(value=value, is_json=True, stored=value)
