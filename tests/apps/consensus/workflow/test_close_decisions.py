"""Decisions close to a threshold wait for a person, where that is set."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.accounts.models import User
from apps.consensus.decision.personas import PERSONA_IDS
from apps.consensus.models import Run, RunStatus
from config.settings import BASE_DIR
from orchestration.providers.simulator.provider import scripted
from orchestration.testing import drain
from persistence.approval.decisions import approve, reject
from persistence.models.approval import Hold
from tests.apps.consensus.reviewing import expands, new_run, says
from tests.apps.people import person

pytestmark = pytest.mark.django_db
CLEAR_IDEA = "A diary for beekeepers. It plans the work on each hive and tells when it is due."
CLOSE_IDEA = "A map of quiet benches."
"""What the simulated reviewers make of these."""


@pytest.fixture(autouse=True)
def close(settings: Any) -> None:
    settings.CONSENSUS = {**settings.CONSENSUS, "HOLD_WITHIN": Decimal("0.02")}


def reviewed(score: float) -> Run:
    with scripted(expands(), *(says(persona, score) for persona in PERSONA_IDS)):
        run = new_run(person())
        drain()
    run.refresh_from_db()
    return run


def test_one_review_waits_when_the_score_is_close(client: Client) -> None:
    run = reviewed(0.81)
    hold = Hold.objects.get()
    assert hold.reason == "It would decide approve at 0.8100, within 0.02 of a threshold."
    assert (run.status, run.reviews.count()) == (RunStatus.RUNNING, len(PERSONA_IDS) - 1)
    client.force_login(run.user)
    assert "A person looks at this decision" in client.get(reverse("consensus:run", args=(run.pk,))).content.decode()
    approve(hold.pk, by=User.objects.create_superuser("root@example.com", "pw"), shown=hold.digest)
    run.refresh_from_db()
    assert (run.status, run.decision_label) == (RunStatus.COMPLETED, "approve")


def test_a_rejected_review_fails_its_run(django_capture_on_commit_callbacks: Any) -> None:
    run = reviewed(0.59)
    with django_capture_on_commit_callbacks(execute=True):
        reject(Hold.objects.get().pk, by=User.objects.create_superuser("root@example.com", "pw"), note="unclear")
    run.refresh_from_db()
    assert run.status == RunStatus.FAILED


@pytest.mark.parametrize("score", [0.9, 0.83, 0.7])
def test_a_clear_score_is_decided_at_once(score: float) -> None:
    assert reviewed(score).status == RunStatus.COMPLETED


def test_without_the_setting_every_score_is_decided(settings: Any) -> None:
    settings.CONSENSUS = {**settings.CONSENSUS, "HOLD_WITHIN": Decimal(0)}
    assert reviewed(0.8).status == RunStatus.COMPLETED


@pytest.mark.parametrize(("idea", "waits"), [(CLEAR_IDEA, False), (CLOSE_IDEA, True)])
def test_the_documented_ideas_are_as_they_are_described(idea: str, waits: bool) -> None:
    run = new_run(person(), idea=idea)
    drain()
    run.refresh_from_db()
    assert run.status == (RunStatus.RUNNING if waits else RunStatus.COMPLETED)
    assert idea in (BASE_DIR / "docs" / "consensus.md").read_text()
