"""From one call to those like it: that failed for the same cause, had the same prompt text, or are about the same
object."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from orchestration.admin.filters import add_call_filter
from orchestration.admin.prompt_versions import calls_url, texts_read_once
from orchestration.admin.sections import Fact
from orchestration.causes.groups import PERIOD, failed_groups, fingerprint_of
from orchestration.clock import database_now
from orchestration.errors import PUT_OFF
from orchestration.models import PromptText, ServiceCallRecord
from orchestration.models.states import Status
from orchestration.stats.prompt_use import NEWEST_REQUESTS, Prompt, calls_with_version, prompt_read_once
from orchestration.theme.parts import TextFilter
from orchestration.values.generic_refs import reference

LISTED_TEXTS = 3
LOOKED_BEYOND = timedelta(days=1)
"""How long after a call was sent others are looked for that had the same prompt, so that an old one has some, too."""
PROMPT_VERSION = re.compile(r"(?P<version>[0-9a-f]{16})(\.(?P<until>[0-9]{1,10}))?")


Similar = Callable[[ServiceCallRecord], Iterable[Fact]]
_added: list[Similar] = []


def add_similar_calls(find: Similar) -> Similar:
    """Add links to calls that have something else in common with one; doing it again changes nothing. A decorator,
    too."""
    if find not in _added:
        _added.append(find)
    return find


def similar_calls(call: ServiceCallRecord) -> Iterator[Fact]:
    """Links to lists of calls, as far as there is something that they have in common with this one."""
    if call.error_code:
        yield _of_the_same_cause(call)
    for find in _added:
        yield from find(call)
    prompt = prompt_read_once(call)
    if prompt is not None and prompt.version:
        sent_by = ceil((prompt.sent_at + LOOKED_BEYOND).timestamp())
        yield Fact(
            "Same prompt version",
            f"by the same code and texts ({prompt.version[:8]})",
            list_url(prompt_version=f"{prompt.version}.{sent_by}"),
        )
    for text in _texts(call, prompt):
        yield Fact("Same prompt text", f"rendered with {text}", calls_url(text.pk))
    related = reference(call.related_content_type, call.related_object_id)
    if related is not None and related.model is not None:
        wanted = f"{related.model._meta.label_lower}:{call.related_object_id}"
        yield Fact("Calls of the same object", wanted, list_url(q=wanted))


def _of_the_same_cause(call: ServiceCallRecord) -> Fact:
    """By fingerprint while the groups know it; later by the code alone. Calls that were put off have not failed."""
    if call.error_code in PUT_OFF:
        return Fact("Similar calls", "put off for the same reason", list_url(error_code=call.error_code))
    is_grouped = call.status in {Status.FAILED, Status.QUEUED} and call.created_at >= database_now() - PERIOD
    if is_grouped:
        return Fact("Similar calls", "failed for the same cause", list_url(cause=fingerprint_of(call)))
    same = {"service": call.service_identity, "error_code": call.error_code}
    return Fact("Similar calls", "with the same error", list_url(**same))


def list_url(**wanted: str) -> str:
    """The list of calls, filtered."""
    return f"{reverse('admin:orchestration_servicecallrecord_changelist')}?{urlencode(wanted)}"


def _texts(call: ServiceCallRecord, prompt: Prompt | None) -> list[PromptText]:
    """The texts of operators that a prompt was rendered with."""
    used = prompt.texts if prompt is not None else {}
    found = texts_read_once(call) if used else []
    return [text for text in found if used.get((text.section, text.part)) == text.version][:LISTED_TEXTS]


@add_call_filter
class PromptVersionFilter(TextFilter):
    """By the code and the texts that a call's prompt was rendered with; links lead here. Behind a full stop may stand
    the time by which it was sent, in seconds of Unix."""

    title = f"version of the prompt (16 digits), among {NEWEST_REQUESTS:,} requests"
    parameter_name = "prompt_version"

    def queryset(self, request: HttpRequest, queryset: QuerySet[ServiceCallRecord]) -> QuerySet[ServiceCallRecord]:
        value = self.value()
        if not value:
            return queryset
        match = PROMPT_VERSION.fullmatch(value)
        if match is None:
            messages.warning(request, "A version of a prompt is 16 digits from 0 to f, as links from a call have it.")
            return queryset.none()
        until = datetime.fromtimestamp(int(match["until"]), UTC) if match["until"] else None
        return queryset.filter(pk__in=calls_with_version(match["version"], until=until))


@add_call_filter
class FailedCauseFilter(TextFilter):
    """By the fingerprint of what a call failed with, among those that the page of failed calls groups."""

    title = "cause of a failure (fingerprint)"
    parameter_name = "cause"

    def queryset(self, request: HttpRequest, queryset: QuerySet[ServiceCallRecord]) -> QuerySet[ServiceCallRecord]:
        value = self.value()
        if not value:
            return queryset
        group = next((each for each in failed_groups()[0] if each.fingerprint == value), None)
        if group is None:
            messages.warning(request, f"No call failed with the fingerprint {value[:40]} within the last week.")
            return queryset.none()
        return queryset.filter(pk__in=[*group.call_ids, *group.waiting_ids])
