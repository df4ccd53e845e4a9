"""Content is deleted after its time, or with its subject; figures, costs and what still runs stay."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.gateway.models import CacheEntry, Interaction, InteractionPayload, Status
from apps.gateway.tasks import sweep
from persistence.maintenance.erasure import erase_subject
from persistence.maintenance.retention import prune
from tests.apps.gateway.serving import key

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def said(made: ApiKey, name: str, *, days: int = 0, status: Status = Status.COMPLETED) -> Interaction:
    """A request of some days ago, with its payload."""
    row = Interaction.objects.create(
        request_id=name,
        user_id=str(made.owner_id),
        api_key=made,
        status=status,
        cost=Decimal(3),
        timestamp=timezone.now() - timedelta(days=days),
    )
    InteractionPayload.objects.create(interaction=row, prompt_enc=b"asked", response_enc=b"said", key_id="k")
    return row


def cached(made: ApiKey, name: str, **fields: Any) -> CacheEntry:
    expiry = {"expires_at": timezone.now() + timedelta(hours=1)} | fields
    return CacheEntry.objects.create(user_id=str(made.owner_id), key=name, answer_enc=b"x", key_id="k", **expiry)


def kept() -> set[str]:
    """The requests of which is kept what was said."""
    return set(InteractionPayload.objects.values_list("interaction__request_id", flat=True))


def test_what_was_said_goes_and_its_figures_stay(capsys):
    made, _ = key()
    said(made, "old", days=40), said(made, "young", days=20)
    running = said(made, "running", days=40, status=Status.IN_FLIGHT)
    before = list(Interaction.objects.values())
    call_command("prune", "--days", "interactions=30")
    assert capsys.readouterr().out == "dry run, would purge: interactions 1\n"
    assert len(kept()) == 3
    call_command("prune", "--days", "interactions=30", "--apply")
    assert capsys.readouterr().out == "purged: interactions 1\n"
    assert kept() == {"young", "running"}
    assert list(Interaction.objects.values()) == before
    Interaction.objects.filter(pk=running.pk).update(status=Status.UNKNOWN)
    assert prune(days={"interactions": 30}, dry_run=False).rows == {"interactions": 1}
    assert kept() == {"young"}


def test_a_key_or_a_user_is_erased_and_nobody_else():
    mine, _ = key()
    also_mine, _ = key(mine.owner)
    other, _ = key()
    for made in (mine, also_mine, other):
        said(made, f"of {made.pk}"), cached(made, f"of {made.pk}")
    said(mine, "running", status=Status.IN_FLIGHT)
    told = erase_subject(mine)
    done = erase_subject(mine, dry_run=False)
    assert done.rows == told.rows == {"interactions": 1, "cache": 2}
    assert done.held == told.held == 1
    assert kept() == {"running", f"of {also_mine.pk}", f"of {other.pk}"}
    Interaction.objects.update(status=Status.COMPLETED)
    assert erase_subject(mine.owner, dry_run=False).rows == {"interactions": 2}
    assert kept() == {f"of {other.pk}"}
    assert CacheEntry.objects.get().user_id == str(other.owner_id)
    assert Interaction.objects.count() == 4


def test_cached_answers_are_deleted_when_they_expired():
    made, _ = key()
    cached(made, "over", expires_at=timezone.now()), cached(made, "fresh")
    assert sweep() == {"unknown": 0, "expired": 1}
    assert CacheEntry.objects.get().key == "fresh"
