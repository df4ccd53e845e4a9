"""Calls whose provider answers with given bytes, and everything that shows such a call afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from django.conf import settings
from django.test import Client, override_settings
from django.urls import reverse

from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.states import Status
from orchestration.testing import drain
from tests.apps.gateway.raw_provider import Part, RawProvider, http

TICKET = {"ticket": "it burns"}
ENDS = {Status.SUCCEEDED, Status.FAILED}
CONTENT = {
    "servicecallrecord": ("result", "input", "context"),
    "airequestaudit": ("messages", "tools", "response_schema"),
    "airesponseaudit": ("raw", "outputs", "structured_data", "tool_calls", "execution_metadata"),
}


def chat(text: Any = "hello", usage: Any = None, finish: str = "stop", **fields: Any) -> dict[str, Any]:
    """An answer of Chat Completions."""
    message = {"role": "assistant", "content": text, "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": usage or {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    } | fields


def responses(text: Any = "hello", usage: Any = None, **fields: Any) -> dict[str, Any]:
    """An answer of Responses."""
    part = {"type": "output_text", "text": text, "annotations": []}
    return {
        "id": "resp_1",
        "status": "completed",
        "model": "gpt-4o-mini-2024-07-18",
        "output": [{"type": "message", "content": [part]}],
        "usage": usage or {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
    } | fields


@contextmanager
def provider(*bodies: bytes | list[Part], surface: str = "chat") -> Iterator[RawProvider]:
    """The only client of the block: a server that answers with these bodies, the last one again and again."""
    answers = [http(200, body) if isinstance(body, bytes) else body for body in bodies]
    with RawProvider(*answers) as server, asked_at(server, surface):
        yield server


@contextmanager
def asked_at(server: RawProvider, surface: str) -> Iterator[None]:
    client = {
        "provider": "openai",
        "model": "gpt-4o-mini",
        "surface": surface,
        "base_url": server.base_url,
        "api_key_envvar": "ORCA_TEST_KEY",
    }
    engine = {**settings.ORCHESTRAI, "RETRY_INITIAL_SECONDS": 60, "CIRCUIT_FAILURES": 0}
    with override_settings(ORCA_CONFIG={"MODE": "single", "CLIENT": client}, ORCHESTRAI=engine):
        yield


def ask(service: Any, *bodies: Any, surface: str = "chat", **fields: Any) -> ServiceCallRecord:
    """Run a call whose provider answers with these bodies (bytes, or JSON), and return its row."""
    raw = [body if isinstance(body, bytes | list) else orjson.dumps(body) for body in bodies]
    with provider(*raw, surface=surface):
        return run(service, **fields)


def run(service: Any, **fields: Any) -> ServiceCallRecord:
    record = submit(CallSpec(**{"service": service, "context": TICKET, "max_attempts": 1, **fields}))
    drain()
    record.refresh_from_db()
    return record


def check_ended(record: ServiceCallRecord) -> None:
    """It ended by itself, at the first try, and nothing about it is unknown."""
    assert record.status in ENDS, record.error
    assert record.error_code not in {"internal_error", "poisoned", "not_storable"}, record.error
    assert (record.deaths, record.attempts <= 1) == (0, True)
    for audit in record.request_audits.all():
        assert audit.outcome in {"answered", "failed"}
        assert audit.answer is not None


def check_pages(record: ServiceCallRecord, client: Client) -> None:
    """Everything that shows the call answers, to somebody who may see it all."""
    for path in paths(record):
        answer = client.get(path, raise_request_exception=True)
        assert answer.status_code == 200, (path, answer.status_code)
        assert b"".join(answer) if answer.streaming else answer.content.decode(), path


def paths(record: ServiceCallRecord) -> Iterator[str]:
    audits = list(AIRequestAudit.objects.filter(call=record))
    rows: dict[str, list[Any]] = {
        "servicecallrecord": [record],
        "airequestaudit": audits,
        "airesponseaudit": [audit.answer for audit in audits if audit.answer],
    }
    for model, found in rows.items():
        name = f"admin:orchestration_{model}"
        if found:  # one list, searched and filtered, that shows the rows: lists are what costs time
            query = {"q": record.pk} | ({} if model == "airequestaudit" else {"error_code": found[-1].error_code})
            yield reverse(f"{name}_changelist", query=query)
        for row in found:
            yield reverse(f"{name}_change", args=(row.pk,))
            yield from (reverse(f"{name}_content", args=(row.pk, column)) for column in CONTENT[model])
    api = f"/api/v1/service-calls/{record.pk}"
    yield from (api, f"{api}/attempts", f"{api}/timeline", f"{api}/objects", "/api/v1/service-calls", "/api/v1/stats")
