"""What is erased with a person: the reviews that they asked for, as a whole; without its idea no run can be read."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth import get_user_model
from django.db.models import Model, Q

from apps.consensus.models import Persona, PromptSet, Run
from apps.consensus.models.runs import OPEN
from persistence.maintenance.kept import keep
from persistence.maintenance.retention import Kind, add_kind

PROMPTS = "What editors wrote for all reviews."


def _ended(moment: datetime) -> Q:
    return ~Q(status__in=OPEN)


def _about(subject: Model) -> Q | None:
    if isinstance(subject, Run):
        return Q(pk=subject.pk)
    return Q(user=subject.pk) if isinstance(subject, get_user_model()) else None


def register() -> None:
    """Let runs be erased with their subject; prompts belong to all of them."""
    add_kind("reviews", Kind(model=Run, ready=_ended, about=_about))
    keep(PromptSet, PROMPTS, "version", "expand_instruction", "review_instruction", "generic_instruction")
    keep(Persona, PROMPTS, "name", "instruction")
