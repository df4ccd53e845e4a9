"""Every answer waits: one half for a person, who approves, edits or rejects, one for a deadline that a worker keeps.

The books: what was approved is there once, as it was shown; what was rejected is nowhere; nothing is there that nobody
decided on.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db import Error, connections

from chaos.app.orca.services.approved_note import ApprovedNote, OverdueNote
from chaos.records import Records, is_poisoned
from chaos.scenarios.notes import NotesScenario
from orchestration.models import ServiceCallRecord
from orchestration.models.states import OrderingPolicy, PersistState
from persistence.approval.decisions import approve, edit_and_approve, preview_edit, reject
from persistence.errors import DecisionRefused
from persistence.models.approval import Decision, Hold, HoldState

LOOK_SECONDS = 0.2
AT_ONCE = 20
APPROVED = {HoldState.APPROVED: 1, HoldState.EDITED: 1, HoldState.REJECTED: 0}
"""How many rows a decision is to leave."""


class Person(threading.Thread):
    """Decides on what waits, in turn by the number of the call, until it is stopped; again, when the database was
    away."""

    def __init__(self) -> None:
        super().__init__(name="person", daemon=True)
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self._decide_some()
            except Error:
                connections.close_all()
        connections.close_all()

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def _decide_some(self) -> None:
        by, _ = get_user_model().objects.get_or_create(email="person@example.org", defaults={"is_superuser": True})
        for hold in Hold.objects.open().filter(deadline=None).in_order()[:AT_ONCE]:
            try:
                self._decide(hold, by)
            except DecisionRefused:  # it was decided, and the answer got lost
                continue

    def _decide(self, hold: Hold, by: Any) -> None:
        number = ServiceCallRecord.objects.get(pk=hold.call_id).context["number"]
        if number % 3 == 0:
            reject(hold.pk, by=by, note="no", shown=hold.digest)
        elif number % 3 == 1:
            edited = {"note": f"{hold.answer['note']} (edited)"}
            edit_and_approve(hold.pk, by=by, answer=edited, shown=preview_edit(hold.pk, edited).digest)
        else:
            approve(hold.pk, by=by, shown=hold.digest)


class ApprovalScenario(NotesScenario):
    """Rows are ChaosRow; the calls of an ordering key wait for each other's decisions."""

    services = (ApprovedNote, OverdueNote)
    ordering_policy = OrderingPolicy.HOLD

    def helper(self) -> Person:
        return Person()

    def lost(self, records: Records) -> list[str]:
        """Nobody decided on it, or it is not what was decided."""
        holds, rows_of = _decided(), Counter(row.call_id for row in records.rows)
        return [
            pk
            for pk in records.submitted.values()
            if not is_poisoned(records.calls[pk]) and not _is_as_decided(records.calls[pk], holds.get(pk), rows_of[pk])
        ]

    def falsely_persisted(self, records: Records) -> list[str]:
        """Without a decision, or not as it was shown."""
        holds = _decided()
        return [row.call_id for row in records.rows if not _is_as_shown(row, holds.get(row.call_id))]

    def duplicated(self, records: Records) -> list[str]:
        votes = Counter(Decision.objects.values_list("hold", flat=True))
        return super().duplicated(records) + [f"hold {hold}" for hold, count in votes.items() if count > 1]


def _decided() -> dict[str, Hold]:
    return {hold.call_id: hold for hold in Hold.objects.exclude(state=HoldState.OPEN)}


def _is_as_decided(record: ServiceCallRecord, hold: Hold | None, rows: int) -> bool:
    if hold is None or hold.state not in APPROVED:
        return False
    expected = PersistState.PERSISTED if APPROVED[HoldState(hold.state)] else PersistState.SKIPPED
    return record.domain_persist_state == expected and rows == APPROVED[HoldState(hold.state)]


def _is_as_shown(row: Any, hold: Hold | None) -> bool:
    if hold is None or hold.shown is None:
        return False
    changes: Sequence[Any] = hold.shown["parts"][0]["changes"]
    (shown,) = (change["fields"] for change in changes)
    written = {name: vars(row)[name] for name in ("call_id", "number", "note", "provider_response_id")}
    return {name: shown[name][1] for name in written} == written
