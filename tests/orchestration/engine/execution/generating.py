"""Bytes that a provider may send, and values that `execute()` may return: what nobody wrote down."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tests.orchestration.engine.execution.asking import chat, responses

FEW = 20
EXAMPLES = int(os.environ.get("ORCA_TEST_EXAMPLES", FEW))
"""How many are tried; a few, always the same ones, where nobody asks for more."""
bounded = settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES == FEW,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

LEAVES = (
    *(b"null", b"true", b"0", b"-1", b"1.5", b"-0.0", b"1e16", b"1e308", b"1e999", b"-1e999", b"NaN", b"-Infinity"),
    *(b"1" * 400, b"-" + b"9" * 5000, b"18446744073709551616", b'""', b'" "', b'"\xff"', b'"\x00"', b'"\n"'),
    *(
        rb'"\ud83d"',
        rb'"\udc00\ud83d"',
        rb'"\u0000"',
        rb'"\\u0000"',
        rb'"\\ud83d"',
        rb'"\\\u0000"',
        b'"x"',
        b"[]",
        b"{}",
    ),
    *(b"[" * 150 + b"]" * 150, b"[" * 20_000 + b"]" * 20_000, b'{"a":' * 3000 + b"1" + b"}" * 3000),
    *(b'{"a":1,"a":2}', rb'{"\u0000":1}', rb'{"\ud800":1}', b'{"$body":"x"}', b'{"escaped":["text"]}'),
    *(b'{"code":429,"message":"m"}', b'"rate limit"', b'{"code":"server_error","type":["x"]}', b"<html>", b"", b"]"),
)
GOOD = '{"urgency": 9, "reason": "fire"}'
BASES: dict[str, Any] = {"chat": chat(GOOD), "responses": responses(GOOD)}


@dataclass(frozen=True)
class Sent:
    """A body on one of the surfaces; `counted` when its token counts can be read."""

    surface: str
    status: int
    body: bytes
    counted: bool


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _paths(item, (*path, key))


json_values = st.recursive(
    st.sampled_from(LEAVES),
    lambda parts: st.one_of(
        st.lists(parts, max_size=3).map(lambda items: b"[" + b",".join(items) + b"]"),
        st.lists(parts, max_size=3).map(lambda items: b"{" + b",".join(b'"k":' + item for item in items) + b"}"),
    ),
    max_leaves=4,
)


@st.composite
def bodies(draw: st.DrawFn) -> Sent:
    """Any bytes, or an answer in which values were exchanged, and perhaps bytes."""
    surface = draw(st.sampled_from(sorted(BASES)))
    status = draw(st.sampled_from((200, 200, 200, 200, 400, 429, 500)))
    if draw(st.integers(0, 4)) == 0:
        return Sent(surface, status, draw(st.binary(max_size=300)), counted=False)
    base = copy.deepcopy(BASES[surface])
    put: list[bytes] = []
    whole = True
    for path in draw(st.lists(st.sampled_from(list(_paths(base))), max_size=3)):
        put.append(draw(json_values))
        whole = _put(base, path, f"@{len(put) - 1}@") and whole
    body = orjson.dumps(base)
    for number, value in enumerate(put):
        body = body.replace(b'"@%d@"' % number, value)
    cut = draw(st.integers(0, 3)) == 0
    if cut:
        place = draw(st.integers(0, len(body)))
        body = body[:place] + draw(st.binary(max_size=3)) + draw(st.sampled_from((body[place:], b"")))
    body = draw(st.sampled_from((b"", b"", b"\xef\xbb\xbf", b"\n "))) + body
    valid = all(value not in {b"<html>", b"", b"]"} and b"\x00" not in value for value in put)
    return Sent(surface, status, body, counted=whole and valid and not cut and status == 200)


def _put(base: Any, path: tuple[Any, ...], value: str) -> bool:
    """False when the token counts are what was exchanged, or lie within it."""
    place = base
    for key in path[:-1]:
        place = place[key] if isinstance(place, dict | list) else None
    if isinstance(place, dict | list):
        place[path[-1]] = value
    return path[0] != "usage"


# --- results ----------------------------------------------------------------------------------


class Colour(Enum):
    RED = "red"


class Thing(BaseModel):
    number: float = float("nan")
    text: str = "\ud800"


texts = st.text(alphabet="ab \\u0d8\x00\x1f\ud800\udfff\U0001f600é", max_size=8)
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from((63, 70, 1400, 20_000)).map(lambda bits: -(2**bits)),
    st.floats(),
    texts,
    st.sampled_from(
        (
            *(Decimal("1.10"), Decimal("NaN"), Decimal("Infinity"), datetime.max, datetime.now(UTC), date.min),
            *(
                UUID(int=1),
                Colour.RED,
                Colour,
                object,
                object(),
                b"\xff",
                b"ok",
                {1, 2},
                frozenset("a"),
                range(3),
                Thing,
            ),
            *(Thing(), 1j, len, ValueError("x"), memoryview(b"x"), (i for i in range(2))),
        )
    ),
)
values = st.recursive(
    plain,
    lambda parts: st.one_of(
        st.lists(parts, max_size=3),
        st.tuples(parts, parts),
        st.dictionaries(st.one_of(texts, st.integers(), st.none(), st.booleans()), parts, max_size=3),
    ),
    max_leaves=6,
)


def _circle() -> Any:
    circle: dict[str, Any] = {"a": []}
    circle["a"].append(circle)
    return circle


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": [value]}
    return value


results = st.one_of(
    values,
    st.dictionaries(texts, values, max_size=3),
    st.fixed_dictionaries({"urgency": values, "reason": values}),
    st.builds(_circle),
    st.integers(1, 2000).map(_deep),
)
