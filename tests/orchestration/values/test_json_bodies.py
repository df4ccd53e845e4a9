"""Bodies that are JSON in name only, at everything that takes a body: refused with a reason, never an error of ours."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.consensus.forms import text_or_object
from apps.gateway.errors import GatewayError
from apps.gateway.http.request import read_object
from orchestration.models import ServiceCallRecord
from orchestration.values.json_bodies import MAX_DEPTH, NotReadable, read_json
from tests.descriptions import documents
from tests.orchestration.factories import queued

pytestmark = pytest.mark.django_db
UNKNOWN = "0190b7c2-0000-7000-8000-000000000001"


def nested(levels: int, inner: str = "1") -> bytes:
    return (b"[" * levels) + inner.encode() + (b"]" * levels)


def deep_object(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


NOT_JSON = {
    "blank": b"  ",
    "open": b'{"service": ',
    "nan": b'{"priority": NaN}',
    "infinity": b'{"priority": -Infinity}',
    "overflow": b'{"priority": 1e400}',
    "a megabyte of digits": b'{"priority": ' + b"9" * 1_000_000 + b"}",
    "lone surrogate": b'{"service": "\\ud800"}',
    "byte-order mark": b'\xef\xbb\xbf{"service": "x"}',
    "not UTF-8": b'{"service": "\xff"}',
    "UTF-16": json.dumps({"service": "x"}).encode("utf-16"),
    "gzip": gzip.compress(b"{}"),
    "two": b"{}{}",
    "trailing comma": b'{"a": 1,}',
    "600 deep": b'{"context": ' + nested(600) + b"}",
    "600 objects deep": deep_object(600),
    "a little too deep": nested(MAX_DEPTH + 1),
    "100,000 deep": nested(100_000),
}
NOT_AN_OBJECT = {
    "empty": b"",
    "array": b"[]",
    "null": b"null",
    "text": b'"x"',
    "number": b"1",
    "array of objects": b'[{"service": "x"}]',
    "wide": b"[" + b"0," * 100_000 + b"0]",
    "as deep as it may be": nested(MAX_DEPTH),
    "NUL": b'{"service": "a\\u0000b", "context": {"a\\u0000": "\\u0000"}}',
    "a large number": b'{"priority": 1e300, "service": "x"}',
    "not known": b'{"no such field": 1}',
}


def operations() -> Iterator[tuple[str, str]]:
    """(method, path) of everything that takes JSON, with keys that nothing has."""
    for document in documents():
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if "application/json" in operation.get("requestBody", {}).get("content", {}):
                    yield method, path.format_map({p["name"]: _key(p) for p in operation.get("parameters", [])})


def _key(parameter: Any) -> str:
    if parameter["name"] == "call_id":
        return ServiceCallRecord.objects.values_list("pk", flat=True)[0]
    return "1" if parameter["schema"].get("type") == "integer" else UNKNOWN


def _names_a_row(path: str) -> bool:
    return not {"1", UNKNOWN}.isdisjoint(path.split("/"))


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sends a body as somebody who may do everything."""
    root = User.objects.create_superuser("root@example.com", "pw")
    monkeypatch.setattr("apps.accounts.throttle.Window.hit", lambda self, identity: 0)
    queued()
    client = Client(raise_request_exception=False)
    client.force_login(root)

    def send(method: str, path: str, body: bytes) -> Any:
        return client.generic(method.upper(), path, body, "application/json")

    return send


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", NOT_JSON)
@pytest.mark.sampled(5)
def test_what_is_not_json_is_400_everywhere(ask: Any, name: str) -> None:
    offered = list(operations())
    assert len(offered) > 15
    read = 0
    for method, path in offered:
        answer = ask(method, path, NOT_JSON[name])
        told = answer.json()
        if told["code"] == "not_found" and _names_a_row(path):
            continue  # the row is looked for before the body is read
        assert (answer.status_code, told["code"]) == (400, "malformed_json"), (method, path)
        assert told["message"].startswith("The body is not valid JSON: "), told
        read += 1
    assert read > 10


@pytest.mark.postgres
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", NOT_AN_OBJECT)
@pytest.mark.sampled(5)
def test_json_that_is_not_what_is_asked_for_is_4xx(ask: Any, name: str) -> None:
    for method, path in operations():
        answer = ask(method, path, NOT_AN_OBJECT[name])
        assert answer.status_code in {400, 401, 403, 404, 409, 415, 422}, (method, path, answer.status_code)


@pytest.mark.postgres
@pytest.mark.parametrize(
    "value", [10**30, -(10**30), [10**30], {"n": 10**30}], ids=["long", "negative", "list", "object"]
)
def test_a_long_integer_in_any_field_is_never_our_error(ask: Any, value: Any) -> None:
    """Its digits are kept, so that it is a number which fits no column."""
    sent = 0
    for document in documents():
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                schema = (
                    operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
                )
                named = document["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], schema)
                place = path.format_map({each["name"]: _key(each) for each in operation.get("parameters", [])})
                for name in named.get("properties", {}):
                    answer = ask(method, place, json.dumps(_sample(named) | {name: value}).encode())
                    assert answer.status_code < 500, (method, path, name, answer.content)
                    sent += 1
    assert sent > 50


def _sample(schema: dict[str, Any]) -> dict[str, Any]:
    """Something in each field that has to be there."""
    of_type = {"string": "x", "object": {}, "array": [], "boolean": True, "integer": 1, "number": 1}
    fields = schema.get("properties", {})
    return {name: of_type.get(fields[name].get("type"), "x") for name in schema.get("required", [])}


@pytest.mark.parametrize("body", [NOT_JSON[name] for name in NOT_JSON], ids=list(NOT_JSON))
def test_the_gateway_refuses_it_in_the_same_way(body: bytes) -> None:
    with pytest.raises(GatewayError) as refused:
        read_object(body)
    assert (refused.value.status, refused.value.code) == (400, "invalid_json")


def test_a_reason_says_where_and_repeats_nothing() -> None:
    with pytest.raises(NotReadable, match="line 1 column 13") as refused:
        read_json(b'{"secret": 1,}')
    assert "secret" not in str(refused.value)
    with pytest.raises(NotReadable, match="nested deeper than 100 levels"):
        read_json(nested(600))
    assert read_json(nested(MAX_DEPTH))
    assert read_json('{"a": 1}') == {"a": 1}


def test_pages_take_what_is_too_deep_for_text() -> None:
    text = deep_object(5000).decode()
    assert text_or_object(text) == text
    assert text_or_object('{"a": 1}') == {"a": 1}


@pytest.mark.postgres
def test_a_search_for_deep_json_is_answered() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "pw"))
    for value in ("[" * 900, "NaN", "1e400", '"\\ud800"'):
        assert client.get("/admin/orchestration/servicecallrecord/", {"q": f"input.a={value}"}).status_code == 200
