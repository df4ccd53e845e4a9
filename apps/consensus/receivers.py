"""Receivers of the engine's signals that move a run on."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.dispatch import receiver

from apps.consensus import log
from apps.consensus.errors import PromptsNotUsable
from apps.consensus.prompt_sets.install import current_prompt_set
from apps.consensus.workflow.retry_cancel import settle_overdue, step_began
from orchestration.signals import ai_request_sent, calls_gave_no_result, tick

NAMESPACE = "consensus"


@receiver(ai_request_sent, dispatch_uid="consensus.step_began")
def start_step(*, call_id: str, namespace: str, attempt: int, **_: Any) -> None:
    if namespace == NAMESPACE:
        step_began(call_id, attempt)


@receiver(calls_gave_no_result, dispatch_uid="consensus.settle_failures")
def settle_failed_calls(*, call_ids: list[str], **_: Any) -> None:
    settle_overdue(call_ids)


@receiver(tick, dispatch_uid="consensus.settle_overdue")
def settle_missed_failures(**_: Any) -> None:
    settle_overdue()


@receiver(tick, dispatch_uid="consensus.check_prompts")
def log_unusable_prompts(**_: Any) -> None:
    check_prompts_once()


@cache
def check_prompts_once() -> None:
    """When a node starts, because its system checks do not read the database."""
    try:
        current_prompt_set()
    except PromptsNotUsable as error:
        log.prompts_not_usable(str(error))
