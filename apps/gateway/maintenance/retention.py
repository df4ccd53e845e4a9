"""Retention of the gateway's content: prompts and answers are deleted, figures and costs are kept."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth import get_user_model
from django.db.models import Model, Q

from apps.accounts.models import ApiKey
from apps.gateway.models import CacheEntry, Interaction, InteractionPayload, KeyPolicy, Status
from persistence.maintenance.kept import keep
from persistence.maintenance.retention import Kind, add_kind

ENDED = [status for status in Status if status != Status.IN_FLIGHT]

FIGURES = (
    *("request_id", "user_id", "model", "answered_by", "provider", "client", "route_reason", "error_code", "estimated"),
    *("compression", "worker"),
)


def _ended(moment: datetime) -> Q:
    """Content is still being written while a request runs.

    As a list: for "not in flight" PostgreSQL expects no rows when all have one status, and scans them all each time.
    """
    return Q(interaction__status__in=ENDED)


def _said(subject: Model) -> Q | None:
    """The requests with a key, or with any key of a user."""
    if isinstance(subject, ApiKey):
        return Q(interaction__api_key=subject)
    return Q(interaction__user_id=str(subject.pk)) if isinstance(subject, get_user_model()) else None


def _kept(subject: Model) -> Q | None:
    """Cached answers belong to an owner, whichever key asked: for one key all of them are deleted."""
    if isinstance(subject, ApiKey):
        return Q(user_id=str(subject.owner_id))
    return Q(user_id=str(subject.pk)) if isinstance(subject, get_user_model()) else None


def register() -> None:
    """Register the gateway's content with `prune`, and what stays of it."""
    said = Kind(model=InteractionPayload, clock="interaction__timestamp", ready=_ended, about=_said)
    add_kind("interactions", said)
    keep(Interaction, "Which key asked which model, and what it cost: the figures of the gateway.", *FIGURES)
    settings = "Settings of a key, which go with it; the names that it masks, too."
    keep(KeyPolicy, settings, "fallback_models", "masked_terms")
    add_kind("cache", Kind(model=CacheEntry, clock="expires_at", about=_kept))
