"""Stored conversations over two schema versions, persisted again: what was shown is what happens, and only once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.accounts.models import User
from apps.chatlab.models import Message
from apps.chatlab.orca.schemas import PatientReplyOutputSchema
from apps.chatlab.orca.services import GeneratePatientReply
from apps.simulation.models import Simulation
from orchestration.models import AIRequestAudit, ServiceCallRecord
from persistence.replay import Replayed, Report, dry_run, persist_again, revert
from persistence.testing import stored_result
from persistence.upgrades import forget_upgrades, schema_coverage, upgrade
from tests.apps.chatlab.conversation import CASE

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
SIMULATIONS, RESULTS = 10, 1000
CLOCK = {"created_at", "updated_at", "delivered_at", "sent_at", "persisted_at"}


@pytest.fixture
def second_version(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Version 1 did not say whether an image was asked for."""
    monkeypatch.setattr(PatientReplyOutputSchema, "version", 2)
    upgrade(PatientReplyOutputSchema, from_version=1)(lambda data: {**data, "image_requested": False})
    yield
    forget_upgrades(PatientReplyOutputSchema)


def stored(simulation: Simulation, number: int) -> ServiceCallRecord:
    version = 1 + number % 2
    data: dict[str, Any] = {
        "messages": [{"role": "patient", "content": [{"type": "text", "text": f"Answer {number}"}]}],
        "llm_conditions_check": [],
    }
    if version == 2:
        data["image_requested"] = False
    record = stored_result(
        GeneratePatientReply.identity,
        PatientReplyOutputSchema,
        data,
        context={"simulation_id": simulation.pk},
        schema_version=version,
    )
    record.result["execution_metadata"]["schema_version"] = version
    record.save(update_fields=["result"])
    return record


def comparable(report: Report) -> list[Any]:
    """Object by object, but for new keys and the clock."""
    return [
        (
            part.part,
            change.model,
            change.action,
            {name: pair for name, pair in change.fields.items() if name not in CLOCK | {"id"}},
        )
        for part in report.parts
        for change in part.changes
    ]


def test_a_thousand_results_over_two_versions_replay_as_shown_and_the_second_time_changes_nothing(
    second_version: None,
) -> None:
    owner = User.objects.create_user("owner@example.com", "pw", role="staff")
    cases = [Simulation.objects.create(user=owner, **CASE) for _ in range(SIMULATIONS)]
    records = [stored(cases[number % SIMULATIONS], number) for number in range(RESULTS)]
    coverage = schema_coverage(PatientReplyOutputSchema)
    assert (coverage.current, coverage.upgradable, coverage.not_upgradable) == (RESULTS // 2, RESULTS // 2, 0)
    for record in records:
        shown = dry_run(record.pk)
        applied = persist_again(record.pk)
        assert applied.outcome is Replayed.PERSISTED, applied.error
        assert comparable(shown) == comparable(applied) and shown.counts == applied.counts
        assert (shown.unseen, shown.other) == ([], [])
    assert Message.objects.count() == RESULTS
    before = list(Message.objects.order_by("pk").values())
    for record in records:
        again = persist_again(record.pk)
        assert (again.outcome, again.changes) == (Replayed.KEPT, [])
    assert list(Message.objects.order_by("pk").values()) == before
    assert revert(records[0].pk).outcome is Replayed.REFUSED, "later replies took the next numbers"
    assert revert(records[-1].pk).outcome is Replayed.REVERTED
    assert Message.objects.count() == RESULTS - 1
    assert not AIRequestAudit.objects.exists()
