"""Scripts of faults: what the simulator does instead of answering well."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from orchestration.errors import InvalidCall
from orchestration.typed_settings import explain

Kind = Literal[
    "ok",  # a good answer; with `latency_ms` a slow one
    "text",  # exactly the text in `text`
    "json",  # exactly the JSON in `data`
    "not_json",  # a good HTTP answer whose text is prose where JSON was asked for
    "wrong_shape",  # valid JSON that no schema accepts
    "refusal",
    "truncated",  # cut off by the token limit
    "content_filter",  # cut off by the content filter
    "tool_call",  # calls the tool in `data`: {"name", "arguments"}, or several; says `text` beside it
    "failed",  # HTTP 200 with an error inside
    "malformed",  # HTTP 200 whose body breaks off inside the JSON; a stream with an event that is not JSON
    "html",  # HTTP 200 with a web page
    "bad_request",  # 400
    "unauthorized",  # 401
    "payment_required",  # 402
    "forbidden",  # 403
    "model_not_found",  # 404
    "request_timeout",  # 408
    "conflict",  # 409
    "unprocessable",  # 422
    "redirect",  # 307, to another path of this server
    "rate_limit",  # 429, with `retry_after`
    "quota",  # 429 that waiting does not cure
    "server_error",  # 500
    "unavailable",  # 503, with `retry_after`
    "hang",  # accepts the request and never answers
    "trickle",  # sends the body byte by byte, for ever; half of a stream, and then nothing more
    "reset",  # closes the connection instead of answering
    "cut",  # closes the connection in the middle of the body; of a stream after so many `events`
]
KINDS: tuple[Kind, ...] = get_args(Kind)
REFUSING = frozenset(
    {"bad_request", "unauthorized", "payment_required", "forbidden", "model_not_found", "request_timeout", "conflict"}
    | {"unprocessable", "redirect", "rate_limit", "quota", "server_error", "unavailable"}
)
"""Kinds that answer with another status than 200."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One entry of a script: what to do, to which requests, how often."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: Kind
    times: Annotated[int, Field(ge=0)] = 1
    """How many requests it applies to; 0: all."""
    model: str = ""
    """Only requests whose model contains this."""
    contains: str = ""
    """Only requests with this in one of their messages."""
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    """How likely it strikes when it matches; a miss does not count for `times`."""
    latency_ms: Annotated[int, Field(ge=0)] | None = None
    """Wait this long before answering, instead of the simulator's own latency."""
    pace_ms: Annotated[int, Field(ge=0)] | None = None
    """Wait this long before each event of a stream but the first, instead of the simulator's own pace."""
    events: Annotated[int, Field(ge=0)] | None = None
    """Of a stream that is `cut`, or `malformed`: how many events are sent before; half of them where not given."""
    results_below: Annotated[int, Field(ge=1)] | None = None
    """Only requests whose conversation has fewer results of tools than this: so a `tool_call` ends. In its arguments
    `"$results"` is their number."""
    retry_after: Annotated[float, Field(ge=0)] | None = None
    """Seconds, sent as `Retry-After`."""
    text: str = ""
    data: Any = None
    cached_tokens: Annotated[int, Field(ge=0)] = 0
    """Of the prompt, in the answer's usage."""
    reasoning_tokens: Annotated[int, Field(ge=0)] = 0
    """Of the output, beside what was said."""


OK = Fault(kind="ok")
_FAULTS = TypeAdapter(list[Fault])


def parse_faults(raw: object) -> list[Fault]:
    """Faults from their JSON, a list of objects; InvalidCall says which field of which entry is wrong."""
    try:
        return _FAULTS.validate_python(raw)
    except ValidationError as error:
        raise InvalidCall(f"This is not a valid script: {explain(error)}") from None


@dataclass(slots=True, eq=False)
class _Remaining:
    fault: Fault
    times: int
    """Requests it still applies to; below 1 from the start: all."""


class Script:
    """Faults in order: each request takes the first one that matches it, and is answered well when none does.

    The same `seed` gives the same strikes for the same sequence of requests. Safe to use from several threads.
    """

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self._left = [_Remaining(fault, fault.times) for fault in faults]
        self._rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._lock = threading.Lock()

    def take(self, model: str, texts: Iterable[str], results: int = 0) -> Fault:
        """The fault for a request to `model` with these messages, of which so many are results of tools."""
        if not self._left:
            return OK
        prompt = "\n".join(texts)
        with self._lock:
            for remaining in self._left:
                if self._strikes(remaining.fault, model, prompt, results):
                    remaining.times -= 1
                    if remaining.times == 0:
                        self._left.remove(remaining)
                    return remaining.fault
        return OK

    def _strikes(self, fault: Fault, model: str, prompt: str, results: int) -> bool:
        if fault.results_below is not None and results >= fault.results_below:
            return False
        if fault.model not in model or fault.contains not in prompt:
            return False
        return fault.probability >= 1 or self._rng.random() < fault.probability
