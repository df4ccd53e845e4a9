"""Stored conversations over two schema versions, reprocessed: what was shown is what happens, and only once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.accounts.models import User
from apps.chatlab.models import Message, store_message
from apps.chatlab.orca.schemas import PatientReplyOutputSchema
from apps.chatlab.orca.services import GeneratePatientReply
from apps.simulation.models import Simulation, SimulationEvent
from orchestration.clock import earlier_than_new_times
from orchestration.models import AIRequestAudit, ServiceCallRecord
from persistence.bulk.runs import freeze, progress, start
from persistence.bulk.worker import work
from persistence.handlers.schema_upgrades import forget_upgrades, schema_coverage, upgrade
from persistence.models import PersistedChunk, PersistedObject
from persistence.operations import REVERT
from persistence.reprocessing.dry_run_check import differences, essence
from persistence.reprocessing.reprocess import Policy, Report, ReprocessOutcome, dry_run, reprocess, revert
from persistence.testing import unsaved_result
from tests.apps.chatlab.conversation import CASE

pytestmark = [pytest.mark.django_db, pytest.mark.postgres, pytest.mark.timeout(300)]
SIMULATIONS = 10
LONG = (pytest.mark.long, pytest.mark.postgres_only)
"""A thousand results take half a minute, and differ between databases in nothing but that."""
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
@pytest.mark.parametrize("results", [20, pytest.param(1000, marks=LONG)])
def test_reprocessing_two_versions_does_what_was_shown_once(second_version: None, results: int) -> None:
    owner = User.objects.create_user("owner@example.com", "pw", role="staff")
    cases = [Simulation.objects.create(user=owner, **CASE) for _ in range(SIMULATIONS)]
    records = [answer(cases[number % SIMULATIONS], number) for number in range(results)]
    ServiceCallRecord.objects.bulk_create(records)
    coverage = schema_coverage(PatientReplyOutputSchema)
    assert (coverage.current, coverage.upgradable, coverage.not_upgradable) == (results // 2, results // 2, 0)
    started = earlier_than_new_times()
    for record in records:
        shown = dry_run(record.pk)
        applied = reprocess(record.pk)
        assert differences(essence(shown, started), essence(applied, started)) == []
        assert applied.outcome is ReprocessOutcome.PERSISTED, applied.error
        assert comparable(shown) == comparable(applied)
        assert shown.counts == applied.counts
        assert (shown.unseen, shown.other) == ([], [])
    assert Message.objects.count() == results
    before = list(Message.objects.order_by("pk").values())
    for record in records:
        again = reprocess(record.pk)
        assert (again.outcome, again.changes) == (ReprocessOutcome.KEPT, [])
    assert list(Message.objects.order_by("pk").values()) == before
    assert revert(records[0].pk).outcome is ReprocessOutcome.REVERTED, "it is withdrawn, for later replies follow it"
    assert Message.objects.filter(is_deleted=True).count() == 1
    assert revert(records[-1].pk).outcome is ReprocessOutcome.REVERTED
    assert Message.objects.count() == results - 1
    assert not AIRequestAudit.objects.exists()


def one_reply() -> tuple[Simulation, ServiceCallRecord]:
    """A reply of two messages, persisted, with the user's next question behind it."""
    owner = User.objects.create_user("owner@example.com", "pw", role="staff")
    simulation = Simulation.objects.create(user=owner, **CASE)
    record = answer(simulation, 1)
    record.result["structured_data"]["messages"] *= 2
    record.save(force_insert=True)
    assert reprocess(record.pk).outcome is ReprocessOutcome.PERSISTED
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


def reprocessed(record: ServiceCallRecord, policy: Policy) -> Report:
    """Applied as it was shown."""
    shown, applied = dry_run(record.pk, policy), reprocess(record.pk, policy)
    assert (shown.outcome, comparable(shown)) == (applied.outcome, comparable(applied)), applied.error
    return applied


@pytest.mark.parametrize("policy", [Policy.UPDATE, Policy.RECREATE])
def test_what_is_persisted_again_keeps_its_numbers_and_its_keys(second_version: None, policy: Policy) -> None:
    simulation, record = one_reply()
    keys = list(Message.objects.order_by("sequence").values_list("pk", flat=True))
    events = list(SimulationEvent.objects.order_by("pk").values())
    assert reprocessed(record, policy).outcome is ReprocessOutcome.UNCHANGED
    says(record, "It hurts.", "Since noon.")
    assert reprocessed(record, policy).outcome in {ReprocessOutcome.UPDATED, ReprocessOutcome.RECREATED}
    assert numbered(simulation) == [(1, "It hurts.", False), (2, "Since noon.", False), (3, "And since when?", False)]
    assert list(Message.objects.order_by("sequence").values_list("pk", flat=True)) == keys
    assert list(SimulationEvent.objects.order_by("pk").values())[: len(events)] == events
    assert reprocessed(record, policy).outcome is ReprocessOutcome.UNCHANGED


def answered() -> tuple[Simulation, ServiceCallRecord]:
    """A question and the reply to it, persisted."""
    owner = User.objects.create_user("owner@example.com", "pw", role="staff")
    simulation = Simulation.objects.create(user=owner, **CASE)
    question = store_message(simulation, role="user", content="Where?", sender=owner, delivery_status="pending")
    record = answer(simulation, 2)
    record.context = {"simulation_id": simulation.pk, "message_id": question.pk}
    record.result["context"] = record.context
    record.save(force_insert=True)
    assert reprocess(record.pk).outcome is ReprocessOutcome.PERSISTED
    question.refresh_from_db()
    assert question.delivery_status == "delivered"
    return simulation, record


def everything(simulation: Simulation) -> list[Any]:
    models = (Simulation, Message, SimulationEvent, PersistedChunk, PersistedObject)
    return [list(model._base_manager.order_by("pk").values()) for model in models]


@pytest.mark.parametrize("followed", [False, True])
def test_recreating_an_unchanged_reply_touches_nothing(second_version: None, followed: bool) -> None:
    simulation, record = answered()
    if followed:
        simulation.refresh_from_db()
        store_message(simulation, role="user", content="And since when?")
    before = everything(simulation)
    for _ in range(2):
        assert reprocessed(record, Policy.RECREATE).outcome is ReprocessOutcome.UNCHANGED
    assert everything(simulation) == before


def test_recreating_a_changed_reply_keeps_every_event(second_version: None) -> None:
    simulation, record = answered()
    events = list(SimulationEvent.objects.order_by("pk").values())
    says(record, "It hurts.")
    assert reprocessed(record, Policy.RECREATE).outcome is ReprocessOutcome.RECREATED
    assert list(SimulationEvent.objects.order_by("pk").values()) == events
    assert numbered(simulation) == [(1, "Where?", False), (2, "It hurts.", False)]


def test_a_reverted_newest_reply_gives_its_number_back(second_version: None) -> None:
    simulation, record = answered()
    assert revert(record.pk).outcome is ReprocessOutcome.REVERTED
    assert numbered(simulation) == [(1, "Where?", False)]
    assert Message.objects.get().delivery_status == "pending"
    assert reprocess(record.pk).outcome is ReprocessOutcome.PERSISTED
    assert [number for number, _, _ in numbered(simulation)] == [1, 2]


@pytest.mark.parametrize("force", [False, True])
def test_a_reply_that_others_follow_is_withdrawn_in_its_place(second_version: None, force: bool) -> None:
    simulation, record = one_reply()
    shown = revert(record.pk, force=force, dry=True)
    report = revert(record.pk, force=force)
    assert (report.outcome, report.error) == (ReprocessOutcome.REVERTED, "")
    assert comparable(shown) == comparable(report)
    assert [(number, gone) for number, _, gone in numbered(simulation)] == [(1, True), (2, True), (3, False)]
    assert sum("is withdrawn in its place (is_deleted)" in line for line in report.kept) == 2
    simulation.refresh_from_db()
    assert simulation.next_sequence == 4
    store_message(simulation, role="assistant", content="Since Monday.")
    assert [number for number, _, _ in numbered(simulation)] == [1, 2, 3, 4]


def test_a_run_reverts_the_replies_of_a_conversation(second_version: None) -> None:
    """Newest first: what nobody follows is removed, a reply before a question is withdrawn."""
    owner = User.objects.create_user("owner@example.com", "pw", role="staff")
    simulation = Simulation.objects.create(user=owner, **CASE)
    for number in range(6):
        record = answer(simulation, number)
        record.save(force_insert=True)
        assert reprocess(record.pk).outcome is ReprocessOutcome.PERSISTED
        if number == 2:
            store_message(Simulation.objects.get(), role="user", content="And since when?")
    run = freeze(REVERT, {"state": "persisted"})
    assert run.forecast["sample"]["outcomes"] == [["reverted", 6]]
    assert Message.objects.count() == 7
    start(run)
    assert work(run.pk) == 6
    assert progress(run) == {"state": "done", "total": 6, "done": 6, "outcomes": {"reverted": 6}}
    assert [(number, gone) for number, _, gone in numbered(simulation)] == [
        *((number, True) for number in (1, 2, 3)),
        (4, False),
    ]
    assert Simulation.objects.get().next_sequence == 8


def test_an_update_appends_messages_and_deletes_the_surplus(second_version: None) -> None:
    simulation, record = one_reply()
    says(record, "a", "b", "c")
    assert reprocessed(record, Policy.UPDATE).counts["created"] == 4, "a message, and an event for each"
    assert [number for number, _, _ in numbered(simulation)] == [1, 2, 3, 4]
    says(record, "only")
    reprocessed(record, Policy.UPDATE)
    assert [(text, gone) for _, text, gone in numbered(simulation)] == [
        ("only", False),
        ("b", True),
        ("And since when?", False),
        ("c", True),
    ]
    assert reprocessed(record, Policy.UPDATE).outcome is ReprocessOutcome.UNCHANGED
