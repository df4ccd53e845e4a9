"""Which version of a prompt text a call was rendered with, and which calls a version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet

from orchestration.models import AIRequestAudit, PromptText, ServiceCallRecord
from orchestration.stats.figures import COUNTED_UP_TO, Counted

NEWEST_REQUESTS = 50_000
"""Requests that are looked through for a version, the newest of the time in which it was in use."""
LATEST_RENDERING = timedelta(minutes=1)
"""How long after the next version a request may still be sent that was rendered with the one before."""
MOST_SECTIONS = 16
"""Of one prompt."""
Part = tuple[str, str]
"""(identity of a section, `instruction` or `message`)."""


def texts_used_by(call: ServiceCallRecord) -> Mapping[Part, int] | None:
    """The versions that the call's last prompt was rendered with; what is not named came from the section's code. None
    when nothing was sent."""
    audits = AIRequestAudit.objects.filter(call=call, repair=0).order_by("-attempt")
    meta: Any = audits.values_list("prompt_meta", flat=True).first()
    if not isinstance(meta, dict):
        return None
    return {
        (str(section.get("identity")), part): version
        for section in meta.get("sections", ())
        for part, version in section.get("texts", {}).items()
    }


def calls_with(text: PromptText) -> QuerySet[AIRequestAudit, str | None]:
    """The ids of calls whose prompts were rendered with this version, among the newest requests of its time."""
    requests = AIRequestAudit.objects.filter(dispatched_at__gte=text.created_at, call__isnull=False, repair=0)
    later = PromptText.objects.of(text.section, text.part).filter(version__gt=text.version).order_by("version").first()
    if later is not None:
        requests = requests.filter(dispatched_at__lt=later.created_at + LATEST_RENDERING)
    newest = requests.order_by("-dispatched_at").values("pk")[:NEWEST_REQUESTS]
    return (
        AIRequestAudit.objects.filter(_rendered_with(text), pk__in=newest).order_by().values_list("call_id", flat=True)
    )


def _rendered_with(text: PromptText) -> Q:
    """By place in the prompt, because SQLite finds nothing inside of JSON lists."""
    found = Q(pk__in=[])
    for place in range(MOST_SECTIONS):
        section = f"prompt_meta__sections__{place}"
        found |= Q(**{f"{section}__identity": text.section, f"{section}__texts__{text.part}": text.version})
    return found


def count_of_calls_with(text: PromptText) -> Counted:
    """How many calls were rendered with this version, among the newest requests of its time."""
    found = calls_with(text).distinct()[: COUNTED_UP_TO + 1].count()
    return Counted(count=min(found, COUNTED_UP_TO), more=found > COUNTED_UP_TO)
