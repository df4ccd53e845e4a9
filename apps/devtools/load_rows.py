"""Rows like those of a busy system: calls of some weeks with their attempts, audits, chunks and objects.

All of it follows from a seed. Times rise from row to row, with a wave for each day; a few calls fail, are repaired,
lose an answer, wait or run; some results could not be persisted, for a handful of causes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

import orjson

from apps.devtools.load_services import TEXTS, LoadService
from orchestration.types import JsonObject
from persistence.causes.cause import Cause, Fault, Kind

PRICES = {"gpt-4o-mini": (15, 60), "gpt-4.1-mini": (40, 160), "gpt-4o": (250, 1000), "house-model": None}
"""Cents per million input and output tokens; one model has no price."""
MODELS = ("gpt-4o-mini", "gpt-4o-mini", "gpt-4o-mini", "gpt-4.1-mini", "gpt-4.1-mini", "gpt-4o", "house-model")
FAILURES = ("timeout", "timeout", "rate_limited", "provider_unavailable", "invalid_output", "refused", "truncated")
DEAD = (
    Cause(
        exception="IntegrityError",
        kind=Kind.NULL,
        sqlstate="23502",
        table="message",
        columns=("content",),
        faults=(Fault(path="message.content", rule="not null", value="nothing"),),
    ),
    Cause(
        exception="DataError",
        kind=Kind.TOO_LONG,
        sqlstate="22001",
        table="simulation",
        columns=("chief_complaint",),
        faults=(
            Fault(path="simulation.chief_complaint", rule="at most 255 characters", value="text of 312 characters"),
        ),
    ),
    Cause(exception="Simulation.DoesNotExist", kind=Kind.MISSING_ROW),
    Cause(exception="KeyError"),
)
"""Why results are dead."""
WAVE = 0.6
OPEN_MINUTES = 20
"""Queued and running calls are not older."""


@dataclass(slots=True, kw_only=True)
class Load:
    """The load to generate: `calls` over the days before `until`."""

    calls: int
    until: datetime
    days: float
    services: list[LoadService]
    owners: list[int]
    """Keys of users."""
    objects: list[int]
    """Keys of the objects that calls are about and change."""
    object_type: int
    seed: int = 1
    open_calls: bool = True
    """Leave some calls queued or running; not where a worker would then send them to a real provider."""
    next_request: int = 1
    next_answer: int = 1
    next_chunk: int = 1
    made: list[str] = field(default_factory=list)
    """Keys of the calls of a day that is to be copied."""
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 - no secret

    def bundles(self) -> Iterator[Bundle]:
        """One bundle of rows per call, oldest first."""
        for number in range(self.calls):
            yield self._bundle(number)

    def _bundle(self, number: int) -> Bundle:
        random = self.random
        at = self._moment(number)
        service, text = random.choice(self.services), random.randrange(len(TEXTS))
        call = self._call(at, service, text)
        bundle = Bundle(call=call, service=service, text=text)
        if call["status"] not in {"queued", "cancelled"}:
            self._attempts(bundle, at + timedelta(milliseconds=random.randrange(5, 900)))
        elif call["status"] == "cancelled":
            call["finished_at"] = call["updated_at"] = at + timedelta(seconds=random.randrange(1, 60))
        if call["domain_persist_state"] == "persisted":
            self._persisted(bundle)
        elif call["domain_persist_state"] == "dead":
            self._dead(bundle)
        return bundle

    def _moment(self, number: int) -> datetime:
        """Ascending with the number, denser by day than by night."""
        share = (number + 0.5) / self.calls
        turn = 2 * math.pi * self.days
        share += WAVE * math.sin(share * turn) / turn
        return self.until - timedelta(days=self.days * (1 - share)) + timedelta(microseconds=number % 997)

    def _call(self, at: datetime, service: LoadService, text: int) -> dict[str, Any]:
        random = self.random
        about = random.choice(self.objects)
        context = {"simulation_id": about, "turn": random.randrange(40), "text": TEXTS[text]}
        return {
            "id": _call_id(random, at),
            "service_identity": service.identity,
            "namespace": service.namespace,
            "input": json.dumps({"ticket": random.randrange(100_000), "tone": "calm"}),
            "context": json.dumps(context),
            "schema_identity": service.schema_identity,
            "schema_version": service.schema_version,
            "schema_fingerprint": service.schema_fingerprint,
            "correlation_id": UUID(int=random.getrandbits(128), version=4),
            "requested_by_id": random.choice(self.owners),
            "related_content_type_id": self.object_type,
            "related_object_id": str(about),
            "client": "default",
            "model_requested": random.choice(MODELS),
            "dispatch": '{"mode": "queued"}',
            "created_at": at,
            "updated_at": at,
            "due_at": at,
            **NOTHING_YET,
            **self._state(at, persists=bool(service.handler)),
        }

    def _state(self, at: datetime, *, persists: bool) -> dict[str, Any]:
        chance = self.random.random()
        if self.open_calls and self.until - at < timedelta(minutes=OPEN_MINUTES):
            if chance < 0.5:
                return {"status": "queued"}
            if chance < 0.55:
                later = self.until + timedelta(days=1)  # so that no rescuer takes it
                worker = f"node-{self.random.randrange(1, 4)}:{self.random.randrange(100, 999)}:load"
                return {"status": "running", "lease_expires_at": later, "lease_token": 1, "worker": worker}
        if chance < 0.03:
            code = self.random.choice(FAILURES)
            return {"status": "failed", "error_code": code, "error": f"The provider said: {code} (request 7c1f)."}
        if chance < 0.035:
            return {"status": "cancelled", "error_code": "cancelled", "error": "Cancelled before it ran."}
        state = "skipped" if not persists else "dead" if chance < 0.039 else "persisted"
        return {"status": "succeeded", "domain_persist_state": state}

    # --- attempts ---------------------------------------------------------------------------

    def _attempts(self, bundle: Bundle, began: datetime) -> None:
        call, random = bundle.call, self.random
        call["started_at"] = at = began
        attempts = 3 if call["status"] == "failed" else 2 if random.random() < 0.02 else 1
        for attempt in range(1, attempts + 1):
            good = attempt == attempts and call["status"] != "failed"
            at = self._request(bundle, at, attempt, 0, "answered" if good else self._mishap(call))
            if good and random.random() < 0.03:
                at = self._repair(bundle, at, attempt)
        call["attempts"] = call["judged_attempts"] = attempts
        if call["status"] == "running":
            return
        call["finished_at"] = call["updated_at"] = at + timedelta(milliseconds=random.randrange(2, 30))
        call["failures"] = attempts if call["status"] == "failed" else 0
        if call["status"] == "succeeded":
            call |= {"model": call["model_requested"], "provider": "simulator", "result": _result(bundle)}

    def _repair(self, bundle: Bundle, at: datetime, attempt: int) -> datetime:
        """The answer was not valid: the model is told why, and answers again."""
        if not (bundle.answers and bundle.said):
            return at
        first, *_ = bundle.said
        answered = {name: value for name, value in bundle.said.items() if name != first}
        bundle.answers[-1]["structured_data"] = refused = _json(answered)
        at = self._request(bundle, at, attempt, 1, "answered")
        complaint = f"{first}: Field required. You wrote {refused}"
        messages = [*json.loads(bundle.requests[-2]["messages"]), {"role": "user", "content": complaint}]
        bundle.requests[-1]["messages"] = json.dumps(messages)
        return at

    def _mishap(self, call: dict[str, Any]) -> str:
        return "unknown" if call["status"] != "failed" and self.random.random() < 0.3 else "failed"

    def _request(self, bundle: Bundle, at: datetime, attempt: int, repair: int, outcome: str) -> datetime:
        """One request and, unless it was lost, its answer; returns the time of the answer."""
        call, number = bundle.call, self.next_request
        self.next_request += 1
        if call["status"] == "running":
            outcome = "pending"
        namespace, kind, name = bundle.service.parts
        bundle.requests.append(
            {
                "id": number,
                "call_id": call["id"],
                "attempt": attempt,
                "repair": repair,
                "repair_of_id": number - 1 if repair else None,
                "correlation_id": call["correlation_id"],
                "service_identity": call["service_identity"],
                "namespace": namespace,
                "kind": kind,
                "name": name,
                "provider": "simulator",
                "model": call["model_requested"],
                "messages": MESSAGES[bundle.text],
                "response_schema_identity": call["schema_identity"],
                "parameters": '{"temperature": 0.7}',
                "outcome": outcome,
                "dispatched_at": at,
            }
        )
        latency = round(self.random.lognormvariate(6.3, 0.6))
        received = at + timedelta(milliseconds=latency)
        if outcome in {"answered", "failed"}:
            bundle.answers.append(self._answer(bundle, number, outcome, received, latency))
        return received + timedelta(milliseconds=1)

    def _answer(self, bundle: Bundle, request: int, outcome: str, at: datetime, latency: int) -> dict[str, Any]:
        call, number, good = bundle.call, self.next_answer, outcome == "answered"
        self.next_answer += 1
        answer: dict[str, Any] = {
            "id": number,
            "ai_request_id": request,
            "call_id": call["id"],
            "received_at": at,
            "latency_ms": latency,
            "model": call["model_requested"],
            "finish_reason": "stop" if good else "",
            "provider_response_id": f"resp_{number:x}" if good else "",
            "http_status": 200 if good else 429,
            "error_code": "" if good else call["error_code"] or "timeout",
            "error": "" if good else "The provider did not answer in time.",
            **dict.fromkeys(USAGE, 0),
            "cost": None,
            "raw": None,
            "structured_data": None,
        }
        if good:
            answer |= self._usage(call["model_requested"])
            answer["structured_data"] = _json(bundle.said)
            answer["raw"] = _json({"id": answer["provider_response_id"], "object": "response", "simulated": True})
            for name in USAGE:
                call[name] += answer[name]
            if answer["cost"] is not None:
                call["cost"] = (call["cost"] or Decimal(0)) + answer["cost"]
        return answer

    def _usage(self, model: str) -> dict[str, Any]:
        given, said = round(self.random.lognormvariate(6.5, 0.5)), round(self.random.lognormvariate(5, 0.6))
        price = PRICES[model]
        cost = price and Decimal(given * price[0] + said * price[1]) / Decimal(100_000_000)
        return {"input_tokens": given, "output_tokens": said, "total_tokens": given + said, "cost": cost}

    # --- persistence --------------------------------------------------------------------------

    def _dead(self, bundle: Bundle) -> None:
        """`call` holds the cause as text, as the drain would have written it, and a row the cause itself."""
        call, cause = bundle.call, self.random.choice(DEAD)
        call |= {"domain_persist_attempts": 10, "domain_persist_error": f"{cause.exception}:handlers.py:21"}
        handler, at = bundle.service.handler, call["updated_at"]
        bundle.failures.append(
            {
                "call_id": call["id"],
                "handler": handler,
                "fingerprint": cause.fingerprint(handler),
                "cause": _json(cause.as_json()),
                "first_at": at,
                "last_at": at,
            }
        )

    def _persisted(self, bundle: Bundle) -> None:
        call, service, number = bundle.call, bundle.service, self.next_chunk
        self.next_chunk += 1
        done = call["finished_at"] + timedelta(milliseconds=40)
        call |= {"persisted_at": done, "domain_persist_attempts": 1, "updated_at": done}
        pointer = {"content_type_id": self.object_type, "object_id": call["related_object_id"]}
        bundle.chunks.append(
            {
                "id": number,
                "call_id": call["id"],
                "schema_identity": call["schema_identity"],
                "schema_version": call["schema_version"],
                "namespace": call["namespace"],
                "handler_identity": service.handler,
                "handler_fingerprint": service.handler_fingerprint,
                "persisted_at": done,
                **pointer,
            }
        )
        bundle.objects.append(
            {"chunk_id": number, "role": "primary", "action": "updated", "changes": CHANGES, **pointer}
        )


@dataclass(slots=True, kw_only=True)
class Bundle:
    """The rows of one call, by table."""

    call: dict[str, Any]
    service: LoadService
    text: int
    """The number of what is said to the model."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    chunks: list[dict[str, Any]] = field(default_factory=list)
    objects: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def said(self) -> JsonObject:
        """What the model answers."""
        return self.service.answers[self.text]

    def rows_of(self, table: str) -> list[dict[str, Any]]:
        """Those of one table: `call`, `requests`, `answers`, `chunks`, `objects` or `failures`."""
        return [self.call] if table == "call" else getattr(self, table)


def _result(bundle: Bundle) -> str:
    """The stored `Response` of a call that succeeded."""
    call, last = bundle.call, bundle.answers[-1]
    correlation = str(call["correlation_id"])
    return _json(
        {
            **bundle.service.labels(),
            "call_id": call["id"],
            "correlation_id": correlation,
            "request_correlation_id": correlation,
            "provider": "simulator",
            "model": call["model_requested"],
            "provider_response_id": last["provider_response_id"],
            "structured_data": bundle.said,
            "usage": {name: call[name] for name in USAGE},
            "finish_reason": "stop",
            "context": {**json.loads(call["context"]), "call_id": call["id"]},
            "execution_metadata": bundle.service.metadata(call["attempts"]),
        }
    )


def _json(value: JsonObject) -> str:
    return orjson.dumps(value).decode()


USAGE = ("input_tokens", "output_tokens", "total_tokens")
CHANGES = '{"status": ["preparing", "running"]}'
NOTHING_YET: dict[str, Any] = {
    **{"domain_persist_state": "none", "domain_persist_attempts": 0, "domain_persist_error": None},
    **{"result": None, "error": None, "error_code": "", "model": "", "provider": "", "cost": None},
    **{"attempts": 0, "judged_attempts": 0, "failures": 0, "lease_token": 0, "lease_expires_at": None, "worker": ""},
    **{"started_at": None, "finished_at": None, "persisted_at": None},
    **dict.fromkeys(USAGE, 0),
}


MESSAGES = tuple(
    json.dumps(
        [
            {"role": "developer", "content": "You play the patient. Stay in your role, and answer in one paragraph."},
            {"role": "user", "content": text},
        ]
    )
    for text in TEXTS
)


def _call_id(random: Random, at: datetime) -> str:
    """A UUID of version 7, as new calls get them."""
    ms = int(at.timestamp() * 1000)
    bits = ms << 80 | 0x7 << 76 | random.getrandbits(12) << 64 | 0b10 << 62 | random.getrandbits(62)
    return str(UUID(int=bits))
