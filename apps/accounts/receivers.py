"""Receivers of the engine's tick: what accounts do periodically."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from apps.accounts.models.counters import ThrottleCount
from orchestration.signals import tick


@receiver(tick, dispatch_uid="accounts.forget_counts")
def forget_old_counts(**_: Any) -> None:
    ThrottleCount.objects.expired().delete()
