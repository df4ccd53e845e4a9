"""One call, one row; a third of the calls in strict order by key, every other one as a stream."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from django.utils import timezone

from chaos.app.models import ChaosRow
from chaos.app.orca.services.note import DictateNote, TakeNote
from chaos.plan import PlannedCall
from chaos.records import Records, is_poisoned
from chaos.scenarios.base import Scenario
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.models import ServiceCallRecord
from orchestration.models.states import OrderingPolicy, PersistState, Status
from orchestration.providers.simulator.request_log import Entry
from orchestration.services import DjangoBaseService

MAX_ATTEMPTS = 10


class NotesScenario(Scenario):
    """Rows are ChaosRow, in the order of their keys."""

    services: tuple[type[DjangoBaseService], ...] = (TakeNote, DictateNote)
    """Which take turns by the number of the call."""
    ordering_policy = OrderingPolicy.SKIP

    def submit(self, call: PlannedCall, seed: int) -> str:
        spec = CallSpec(
            service=self._service(call.number),
            context={"number": call.number},
            priority=call.priority,
            ordering_key=call.ordering_key,
            ordering_policy=self.ordering_policy,
            run_at=timezone.now() + timedelta(seconds=call.delay) if call.delay else None,
            max_attempts=MAX_ATTEMPTS,
            idempotency_key=f"chaos-{seed}-{call.number}",
        )
        return submit(spec).pk

    def is_streamed(self, number: int) -> bool:
        return bool(self._service(number).stream)

    def _service(self, number: int) -> type[DjangoBaseService]:
        return self.services[number % len(self.services)]

    def rows(self) -> Sequence[ChaosRow]:
        return list(ChaosRow.objects.order_by("id"))

    def lost(self, records: Records) -> list[str]:
        rows_of = Counter(row.call_id for row in records.rows)
        known = set(records.submitted.values())
        return [call_id for call_id in known if not _is_done(records.calls.get(call_id), rows_of[call_id])]

    def duplicated(self, records: Records) -> list[str]:
        rows_of = Counter(row.call_id for row in records.rows)
        numbers = Counter(record.context["number"] for record in records.calls.values())
        twice = [call_id for call_id, count in rows_of.items() if count > 1]
        return twice + [str(number) for number, count in numbers.items() if count > 1]

    def falsely_persisted(self, records: Records) -> list[str]:
        answered = records.answered()
        return [row.call_id for row in records.rows if not _is_true(row, records.calls.get(row.call_id), answered)]

    def out_of_order(self, records: Records) -> list[str]:
        """Within an ordering key rows must follow the sequence, and no call may start before its predecessor ended."""
        row_ids = {row.call_id: row.pk for row in records.rows}
        keys: dict[str, list[ServiceCallRecord]] = defaultdict(list)
        for record in records.calls.values():
            if record.ordering_key:
                keys[record.ordering_key].append(record)
        found = []
        for ordered in keys.values():
            ordered.sort(key=lambda record: record.sequence)
            for before, after in pairwise(ordered):
                rows_swapped = row_ids.get(before.pk, 0) > row_ids.get(after.pk, row_ids.get(before.pk, 0))
                done_at = before.persisted_at or before.finished_at
                overlap = after.started_at is not None and (done_at is None or after.started_at < done_at)
                if rows_swapped or overlap:
                    found.append(after.pk)
        return found


def _is_done(record: ServiceCallRecord | None, rows: int) -> bool:
    if record is None:
        return False
    if is_poisoned(record):
        return True
    return record.status == Status.SUCCEEDED and record.domain_persist_state == PersistState.PERSISTED and rows > 0


def _is_true(row: ChaosRow, record: ServiceCallRecord | None, answered: dict[str, Entry]) -> bool:
    """The record is equal, and the provider answered exactly that to a request of this call."""
    if record is None or record.result is None or not record.domain_persisted:
        return False
    entry = next((answered[part] for part in row.provider_response_id.split("_") if part in answered), None)
    return (
        entry is not None
        and entry.correlation.startswith(f"{row.call_id}:")
        and record.result["structured_data"] == {"note": row.note}
        and record.context["number"] == row.number
    )
