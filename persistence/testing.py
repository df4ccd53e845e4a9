"""For tests of handlers and codecs: one stored result, persisted in this thread; and what it made."""

from __future__ import annotations

from django.db.models import Model

from orchestration.models import ServiceCallRecord
from orchestration.testing.factories import stored_result, unsaved_result
from persistence.models import ObjectAction
from persistence.outbox.drain import drain_call
from persistence.outbox.outcomes import Outcome
from persistence.provenance import objects_for

__all__ = ["objects_made", "persist", "stored_result", "unsaved_result"]


def persist(record: ServiceCallRecord) -> Outcome:
    """Persist one result as the drain does; the record is read again, so that a test sees what became of it."""
    outcome = drain_call(record.pk)
    record.refresh_from_db()
    return outcome


def objects_made(call_id: str) -> list[Model]:
    """The objects that a call's result created or updated and that still exist, primary ones first."""
    gone = ObjectAction.DELETED
    return [one.object for one in objects_for(call_id) if one.object is not None and one.entry.action != gone]
