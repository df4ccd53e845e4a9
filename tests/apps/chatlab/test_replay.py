"""Stored conversations over two schema versions, persisted again: what was shown is what happens, and only once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import User
from apps.chatlab.models import Message, store_message
from apps.chatlab.orca.schemas import PatientReplyOutputSchema
from apps.chatlab.orca.services import GeneratePatientReply
from apps.simulation.models import Simulation, SimulationEvent
from orchestration.models import AIRequestAudit, ServiceCallRecord
from persistence.agreement import differences, essence
from persistence.replay import Policy, Replayed, Report, dry_run, persist_again, revert
from persistence.testing import unsaved_result
from persistence.upgrades import forget_upgrades, schema_coverage, upgrade
from tests.apps.chatlab.conversation import CASE

pytestmark = [pytest.mark.django_db, pytest.mark.postgres, pytest.mark.timeout(300)]
SIMULATIONS, RESULTS = 10, 1000
CLOCK = {"created_at", "updated_at", "delivered_at", "sent_at", "persisted_at"}


@pytest.fixture
def second_version(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Version 1 did not say whether an image was asked for."""
    monkeypatch.setattr(PatientReplyOutputSchema, "version", 2)
    upgrade(PatientReplyOutputSchema, from_version=1)(lambda data: {**data, "image_requested": False})
    yield
    forget_upgrades(PatientReplyOutputSchema)


def answer(simulation: Simulation, number: int) -> ServiceCallRecord:
    """An unsaved reply, of either version in turn."""
    version = 1 + number % 2
    data: dict[str, Any] = {
        "messages": [{"role": "patient", "content": [{"type": "text", "text": f"Answer {number}"}]}],
        "llm_conditions_check": [],
    }
    if version == 2:
        data["image_requested"] = False
    context = {"simulation_id": simulation.pk}
    return unsaved_result(
        GeneratePatientReply.identity, PatientReplyOutputSchema, data, context=context, schema_version=version
    )


def comparable(report: Report) -> list[Any]:
    """Object by object, but for new keys, which an event names, and the clock."""
    told = []
    for part in report.parts:
        for change in part.changes:
            event = {"data"} if change.model is SimulationEvent else set()
            fields = {name: pair for name, pair in change.fields.items() if name not in CLOCK | {"id"} | event}
            told.append((part.part, change.model, change.action, fields))
    return told


@pytest.mark.django_db(transaction=True)  # thousands of savepoints in one transaction slow PostgreSQL down
def test_a_thousand_results_over_two_versions_replay_as_shown_and_the_second_time_changes_nothing(
    second_version: None,
) -> None:
    owner = User.objects.create_user("owner@example.com", "pw", role="staff")
    cases = [Simulation.objects.create(user=owner, **CASE) for _ in range(SIMULATIONS)]
    records = [answer(cases[number % SIMULATIONS], number) for number in range(RESULTS)]
    ServiceCallRecord.objects.bulk_create(records)
    coverage = schema_coverage(PatientReplyOutputSchema)
    assert (coverage.current, coverage.upgradable, coverage.not_upgradable) == (RESULTS // 2, RESULTS // 2, 0)
    started = timezone.now()
    for record in records:
        shown = dry_run(record.pk)
        applied = persist_again(record.pk)
        assert differences(essence(shown, started), essence(applied, started)) == []
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


def one_reply() -> tuple[Simulation, ServiceCallRecord]:
    """A reply of two messages, persisted, with the user's next question behind it."""
    owner = User.objects.create_user("owner@example.com", "pw", role="staff")
    simulation = Simulation.objects.create(user=owner, **CASE)
    record = answer(simulation, 1)
    record.result["structured_data"]["messages"] *= 2
    record.save(force_insert=True)
    assert persist_again(record.pk).outcome is Replayed.PERSISTED
    simulation.refresh_from_db()
    store_message(simulation, role="user", content="And since when?")
    return simulation, record


def says(record: ServiceCallRecord, *texts: str) -> None:
    """As if another handler or another upgrade made this of the stored answer."""
    record.result["structured_data"]["messages"] = [
        {"role": "patient", "content": [{"type": "text", "text": text}]} for text in texts
    ]
    record.save(update_fields=["result"])


def numbered(simulation: Simulation) -> list[tuple[int, str, bool]]:
    rows = Message.objects.filter(simulation=simulation).order_by("sequence")
    return list(rows.values_list("sequence", "content", "is_deleted"))


def replayed(record: ServiceCallRecord, policy: Policy) -> Report:
    """Applied as it was shown."""
    shown, applied = dry_run(record.pk, policy), persist_again(record.pk, policy)
    assert (shown.outcome, comparable(shown)) == (applied.outcome, comparable(applied)), applied.error
    return applied


@pytest.mark.parametrize("policy", [Policy.UPDATE, Policy.RECREATE])
def test_what_is_persisted_again_keeps_its_numbers_and_its_keys(second_version: None, policy: Policy) -> None:
    simulation, record = one_reply()
    keys = list(Message.objects.order_by("sequence").values_list("pk", flat=True))
    events = list(SimulationEvent.objects.order_by("pk").values())
    assert replayed(record, policy).outcome is Replayed.UNCHANGED
    says(record, "It hurts.", "Since noon.")
    assert replayed(record, policy).outcome in {Replayed.UPDATED, Replayed.RECREATED}
    assert numbered(simulation) == [(1, "It hurts.", False), (2, "Since noon.", False), (3, "And since when?", False)]
    assert list(Message.objects.order_by("sequence").values_list("pk", flat=True)) == keys
    assert list(SimulationEvent.objects.order_by("pk").values())[: len(events)] == events
    assert replayed(record, policy).outcome is Replayed.UNCHANGED


def test_an_update_adds_messages_at_the_end_and_counts_what_is_too_many_as_deleted(second_version: None) -> None:
    simulation, record = one_reply()
    says(record, "a", "b", "c")
    assert replayed(record, Policy.UPDATE).counts["created"] == 4, "a message, and an event for each"
    assert [number for number, _, _ in numbered(simulation)] == [1, 2, 3, 4]
    says(record, "only")
    replayed(record, Policy.UPDATE)
    assert [(text, gone) for _, text, gone in numbered(simulation)] == [
        ("only", False),
        ("b", True),
        ("And since when?", False),
        ("c", True),
    ]
    assert replayed(record, Policy.UPDATE).outcome is Replayed.UNCHANGED
