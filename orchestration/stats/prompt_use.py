"""Which version of a prompt, and of the texts in it, a call was rendered with, and which calls a version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Avg, Count, Exists, OuterRef, Q, QuerySet

from orchestration.models import AIRequestAudit, PromptText, ServiceCallRecord
from orchestration.models.states import TERMINAL, PersistState, Status
from orchestration.stats.figures import COUNTED_UP_TO, Counted

NEWEST_REQUESTS = 50_000
"""Requests that are looked through for a version, the newest of the time in which it was in use."""
LATEST_RENDERING = timedelta(minutes=1)
"""How long after the next version a request may still be sent that was rendered with the one before."""
MOST_SECTIONS = 16
"""Of one prompt."""
Part = tuple[str, str]
"""(identity of a section, `instruction` or `message`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What is known of a call's last prompt."""

    version: str
    """The same for all that were rendered by the same code and texts; empty where that was not stored."""
    sent_at: datetime
    texts: Mapping[Part, int]
    """The versions of texts of operators; what is not named came from the section's code."""


def prompt_of(call: ServiceCallRecord) -> Prompt | None:
    """The last prompt of a call; None when nothing was sent, or what is known of it was purged. One query."""
    audits = AIRequestAudit.objects.filter(call=call, repair=0).order_by("-attempt")
    return _prompt(*(audits.values_list("prompt_meta", "dispatched_at").first() or (None, None)))


def _prompt(meta: Any, sent_at: datetime | None) -> Prompt | None:
    if not isinstance(meta, dict) or sent_at is None:
        return None
    texts = {
        (str(section.get("identity")), part): version
        for section in meta.get("sections", ())
        for part, version in section.get("texts", {}).items()
    }
    return Prompt(version=str(meta.get("version", "")), sent_at=sent_at, texts=texts)


def know_prompt(call: ServiceCallRecord, requests: Iterable[AIRequestAudit]) -> None:
    """Let `prompt_read_once` answer from all requests of this call, which were read already."""
    last = max((each for each in requests if each.repair == 0), key=lambda each: each.attempt, default=None)
    vars(call)["_prompt"] = None if last is None else _prompt(last.prompt_meta, last.dispatched_at)


def prompt_read_once(call: ServiceCallRecord) -> Prompt | None:
    """`prompt_of`, asked for once for this instance: several parts of the page of a call show something of it."""
    known = vars(call)
    if "_prompt" not in known:
        known["_prompt"] = prompt_of(call)
    found: Prompt | None = known["_prompt"]
    return found


def calls_with_version(version: str, *, until: datetime | None = None) -> QuerySet[AIRequestAudit, str | None]:
    """The ids of calls whose prompts were rendered by this version of code and texts, among the newest requests; with
    `until`, among the newest that were sent by then."""
    requests = AIRequestAudit.objects.filter(call__isnull=False, repair=0)
    if until is not None:
        requests = requests.filter(dispatched_at__lte=until)
    newest = requests.order_by("-dispatched_at").values("pk")[:NEWEST_REQUESTS]
    found = AIRequestAudit.objects.filter(prompt_meta__version=version, pk__in=newest)
    return found.order_by().values_list("call_id", flat=True)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What became of the calls that were rendered with a version, among the newest requests of its time."""

    calls: Counted
    ended: int
    """Those of them that succeeded, failed or were cancelled; the figures below are theirs."""
    failed: int
    dead: int
    """Their results could not be persisted."""
    repaired: int
    """An answer was not valid, and the model was told why."""
    tokens: float | None
    """Of each, on average."""
    cost: Decimal | None
    """Of each that has a price, on average."""


def use_of(text: PromptText) -> Use:
    """The figures of a version; of the newest calls alone, where there are more than are counted."""
    newest = calls_with(text).distinct()[: COUNTED_UP_TO + 1]
    ended = Q(status__in=TERMINAL)
    repairs = AIRequestAudit.objects.filter(call=OuterRef("pk"), repair__gt=0)
    found: dict[str, Any] = ServiceCallRecord.objects.filter(pk__in=newest).aggregate(
        calls=Count("pk"),
        ended=Count("pk", filter=ended),
        failed=Count("pk", filter=Q(status=Status.FAILED)),
        dead=Count("pk", filter=Q(domain_persist_state=PersistState.DEAD)),
        repaired=Count("pk", filter=ended & Q(Exists(repairs))),
        tokens=Avg("total_tokens", filter=ended),
        cost=Avg("cost", filter=ended),
    )
    calls = found.pop("calls")
    return Use(calls=Counted(count=min(calls, COUNTED_UP_TO), more=calls > COUNTED_UP_TO), **found)
