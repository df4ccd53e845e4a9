"""Decisions as training data: what a model was asked, what it should have answered, and what it did answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

from orchestration.models import ServiceCallRecord
from orchestration.models.states import PersistState
from orchestration.types import JsonObject, Message
from persistence.approval.showing import answers_of, digest_of
from persistence.models.approval import Hold, HoldState
from persistence.reprocessing.rerun import whole_prompt

PLAIN_ROLES = frozenset({"system", "developer", "user", "assistant"})


class TrainingFormat(StrEnum):
    """Lines of JSON as services for fine-tuning take them."""

    DIALOGUE = "dialogue"
    """`{"messages": [...]}`, whose last one is the answer that a person approved."""
    PREFERENCE = "preference"
    """`{"input", "preferred_output", "non_preferred_output"}`: what a person made of an answer, or approved of its
    rerun, beside what was rejected."""


def training_lines(holds: Iterable[Hold], form: TrainingFormat) -> Iterator[JsonObject]:
    """A line for each decision that teaches something. Calls whose content was purged, that showed the model images or
    files, whose rows were reverted, or whose answer has no upgrade to the present version of its schema, give none."""
    for hold in holds:
        line = _dialogue(hold) if form is TrainingFormat.DIALOGUE else _preference(hold)
        if line is not None:
            yield line


def teaches(form: TrainingFormat) -> list[str]:
    """The states of holds that a format has lines for."""
    approved = [HoldState.EDITED.value, HoldState.APPROVED.value]
    return approved if form is TrainingFormat.DIALOGUE else [HoldState.EDITED.value, HoldState.REJECTED.value]


def _dialogue(hold: Hold) -> JsonObject | None:
    asked, kept = _asked(hold), answers_of(hold)
    if not asked or kept.why or kept.current is None or hold.state not in teaches(TrainingFormat.DIALOGUE):
        return None
    if _is_reverted(hold):
        return None
    return {"messages": [*asked, _said(kept.current)]}


def _preference(hold: Hold) -> JsonObject | None:
    asked, kept = _asked(hold), answers_of(hold)
    if hold.state == HoldState.EDITED:
        better = None if _is_reverted(hold) else kept.edited
    else:
        better = _approved_rerun(hold)
    if not asked or kept.why or better is None or kept.answer is None or digest_of(better) == digest_of(kept.answer):
        return None
    return {
        "input": {"messages": asked},
        "preferred_output": [_said(better)],
        "non_preferred_output": [_said(kept.answer)],
    }


def _is_reverted(hold: Hold) -> bool:
    """Whether what was approved turned out to be wrong."""
    state = PersistState.SKIPPED
    return ServiceCallRecord.objects.filter(pk=hold.call_id, domain_persist_state=state).exists()


def _approved_rerun(hold: Hold) -> Any:
    """What a person approved of the answers that were asked for in the place of a rejected one."""
    if hold.state != HoldState.REJECTED:
        return None
    reruns = ServiceCallRecord.objects.filter(parent=hold.call_id, service_identity=hold.service_identity)
    ids = list(reruns.exclude(domain_persist_state=PersistState.SKIPPED).values_list("pk", flat=True))
    approved = Hold.objects.filter(call_id__in=ids, tool="", state__in=[HoldState.APPROVED, HoldState.EDITED])
    last = approved.order_by("id").last()
    kept = answers_of(last) if last is not None else None
    return None if kept is None or kept.why else kept.current


def _asked(hold: Hold) -> list[JsonObject]:
    call = ServiceCallRecord.objects.filter(pk=hold.call_id).only("pk").first()
    messages: list[Message] = whole_prompt(call) if call is not None else []
    if any(each["role"] not in PLAIN_ROLES or not isinstance(each["content"], str) for each in messages):
        return []
    return [{"role": each["role"], "content": each["content"]} for each in messages]


def _said(answer: Any) -> JsonObject:
    return {"role": "assistant", "content": json.dumps(answer, ensure_ascii=False)}
