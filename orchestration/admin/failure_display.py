"""What went wrong with a call, at the head of its page: the cause in words, its facts, what helps and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from orchestration.admin.sections import Section
from orchestration.causes.comparison import answered_lately, shapes_of_results, size_beside_answered
from orchestration.causes.failure_cause import FailureCause, cause_of_failure
from orchestration.causes.known import Place
from orchestration.errors import PUT_OFF
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.states import Status
from orchestration.theme.reach import Way, needs, way_to
from orchestration.theme.words import seconds
from orchestration.values.truncated_json import value_of

_pages: dict[Place, tuple[str, str]] = {
    Place.PROMPTS: ("Prompt texts", "orchestration_prompttext_changelist"),
    Place.LIMITS: ("Limits", "orchestration_ratelimit_changelist"),
    Place.CIRCUITS: ("Circuits", "orchestration_providercircuit_changelist"),
    Place.PAUSES: ("Pause its models", "orchestration_pause_add"),
    Place.WORKERS: ("Workers", "orchestration_workernode_changelist"),
}


def add_page(place: Place, title: str, name: str, permission: str) -> None:
    """Let causes lead to a page of another package: its name without `admin:`, and the permission (`app.codename`) that
    it takes."""
    _pages[place] = (title, name)
    needs(name, permission)


def ways(request: HttpRequest, cause: FailureCause) -> list[Way]:
    """To the pages on which it can be mended."""
    found = (_pages[place] for place in cause.places if place in _pages)
    return [way_to(request, reverse(f"admin:{name}"), title) for title, name in found]


def place_url(place: Place) -> str:
    """The page of a place; empty where there is none."""
    return reverse(f"admin:{_pages[place][1]}") if place in _pages else ""


def has_failed(call: ServiceCallRecord) -> bool:
    """Whether its last attempt failed: for good, or until the next one. One that was put off did not."""
    ended = {Status.FAILED, Status.QUEUED, Status.CANCELLED}
    return bool(call.error_code) and call.error_code not in PUT_OFF and call.status in ended


def failure_sections(
    request: HttpRequest, call: ServiceCallRecord, audits: Sequence[AIRequestAudit], *, content: bool
) -> Iterator[Section]:
    """Of a call that failed, why; audits as `attempts_of` reads them."""
    if not has_failed(call):
        return
    last = audits[-1] if audits else None
    cause = cause_of_failure(call, _body(last))
    yield Section(
        title="What went wrong" if call.status != Status.QUEUED else "Why the last attempt failed",
        template="admin/orchestration/parts/failure.html",
        context={
            "cause": cause,
            "facts": [*cause.facts(), *_differences(call, cause, last)],
            "message": call.error if content else "",
            "places": ways(request, cause),
        },
    )


def _body(audit: AIRequestAudit | None) -> Any:
    answer = audit.answer if audit is not None else None
    return value_of(audit, "raw", via="response_audit") if answer is not None and answer.error_code else None


def _differences(
    call: ServiceCallRecord, cause: FailureCause, last: AIRequestAudit | None
) -> Iterator[tuple[str, str]]:
    """How it differs from the newest calls of its service that went well."""
    if cause.known.differs == "size" and last is not None:
        own, sizes = size_beside_answered(last)
        if sizes:
            yield (
                "Size of the request",
                f"{own:,} characters; those answered recently: {sizes[0]:,} to {sizes[-1]:,}",
            )
        if last.answer is not None and cause.code == "timeout":
            yield "Given up after", seconds(timedelta(milliseconds=last.answer.latency_ms))
    if cause.fields:
        accepted = shapes_of_results(answered_lately(call.service_identity), cause.fields)
        yield from ((f"{path} in accepted answers", shape) for path, shape in accepted.items())
