"""The dialects that the simulated model speaks: those of the built-in providers."""

from __future__ import annotations

import re

import orjson

from orchestration.errors import InvalidCall
from orchestration.providers.anthropic.dialect import MESSAGES
from orchestration.providers.dialect import Dialect, SimulatedRequest
from orchestration.providers.gemini.dialect import GENERATE_CONTENT, STREAM_GENERATE_CONTENT
from orchestration.providers.openai.dialects import DIALECTS as OPENAI

BUILT_IN: tuple[Dialect, ...] = (*OPENAI, MESSAGES, GENERATE_CONTENT, STREAM_GENERATE_CONTENT)
VERSION = re.compile(r"/(?:openai/)?v1(?:beta)?(?=/)")
"""What stands before the paths of the dialects in addresses of HTTP."""


def dialect_of(path: str, dialects: tuple[Dialect, ...]) -> Dialect | None:
    """The dialect of a path without its version."""
    return next((dialect for dialect in dialects if dialect.path.fullmatch(path)), None)


def read_request(dialect: Dialect, path: str, raw: bytes) -> SimulatedRequest:
    """Read a request's body; InvalidCall when the real server would answer 400."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidCall("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise InvalidCall("The body must be an object.")
    match = dialect.path.fullmatch(path)
    return dialect.read(body, (match.groupdict().get("model") or "") if match else "")
