"""Random walks over everything that happens to calls, beside a ledger in plain Python that says what must be true."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orchestration import clock
from orchestration.engine.execution.commands import Settle
from orchestration.engine.execution.group_commit import commit
from orchestration.engine.queue.claim import Lease, claim
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.engine.worker.rescuer import rescue
from orchestration.errors import StaleLease, TransitionRefused
from orchestration.models import Pause, ServiceCallRecord
from orchestration.models.states import PersistState, Status
from orchestration.models.throttles import PauseKind
from orchestration.types import ExecutionMetadata, Response
from persistence.models import PersistedChunk
from persistence.outbox.drain import drain_calls
from persistence.reprocessing.reprocess import Policy, ReprocessOutcome, dry_run, reprocess, revert
from tests.seedapp.models import Message
from tests.seedapp.orca.readme import GenerateTicketAnswer, TicketAnswerSchema

pytestmark = [pytest.mark.django_db, pytest.mark.postgres, pytest.mark.timeout(300)]

ENDED = ("failed", "cancelled")


@dataclass
class Expected:
    """What the ledger knows of one call."""

    id: str
    key: str
    number: int
    status: str = "queued"
    token: int = 0
    persisted: bool = False
    pending: bool = False
    deaths: int = 0


@dataclass
class Grip:
    """A worker's belief that it holds a call; it may be wrong by the time it acts."""

    record: ServiceCallRecord
    lease: Lease


@dataclass
class Ledger:
    calls: dict[str, Expected] = field(default_factory=dict)

    def of_key(self, key: str) -> list[Expected]:
        return [call for call in self.calls.values() if call.key == key]


class Calls(RuleBasedStateMachine):
    grips = Bundle("grips")

    @initialize(held=st.booleans())
    def begin(self, held: bool) -> None:
        """Where something else is held, claims go another way to the same calls."""
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.ledger = Ledger()
        if held:
            Pause.start(PauseKind.SERVICE, "services.elsewhere.default.Paused")

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    # --- what callers and operators do ----------------------------------------------------

    @rule(key=st.sampled_from(["", "a", "a", "a", "b"]), again=st.booleans())
    def submit(self, key: str, again: bool) -> None:
        number = len(self.ledger.calls)
        spec = CallSpec(
            service=GenerateTicketAnswer,
            context={"ticket": str(number)},
            ordering_key=key,
            idempotency_key=f"k{number}",
        )
        record = submit(spec)
        self.ledger.calls[record.pk] = Expected(id=record.pk, key=key, number=number)
        if again:
            assert submit(spec).pk == record.pk

    @precondition(lambda self: self._in(*ENDED))
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        """Late retries, too: a later call of the same key may be running or waiting to be persisted by now."""
        call = data.draw(st.sampled_from(self._in(*ENDED)))
        ServiceCallRecord.objects.get(pk=call.id).retry()
        call.status, call.deaths = "queued", 0

    @precondition(lambda self: self._in("queued"))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(self._in("queued")))
        ServiceCallRecord.objects.get(pk=call.id).cancel()
        call.status = "cancelled"

    @precondition(lambda self: self._in("queued", "running", "succeeded"))
    @rule(data=st.data())
    def retry_what_has_not_failed(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(self._in("queued", "running", "succeeded")))
        with pytest.raises(TransitionRefused):
            ServiceCallRecord.objects.get(pk=call.id).retry()

    @precondition(lambda self: self._in("succeeded", *ENDED))
    @rule(data=st.data())
    def cancel_what_has_ended(self, data: st.DataObject) -> None:
        call = data.draw(st.sampled_from(self._in("succeeded", *ENDED)))
        with pytest.raises(TransitionRefused):
            ServiceCallRecord.objects.get(pk=call.id).cancel()

    # --- what workers do ------------------------------------------------------------------

    @rule(target=grips)
    def claim(self) -> Grip | None:
        return self._claim()

    @precondition(lambda self: self._waiting_behind_each_other())
    @rule(target=grips)
    def overtake(self) -> object:
        """The first of a key is cancelled, the next one runs, and the first is retried while it does."""
        first, following = self._waiting_behind_each_other()[0]
        ServiceCallRecord.objects.get(pk=first.id).cancel()
        first.status = "cancelled"
        grips = []
        while following.status == "queued":
            grips.append(self._claim())
        ServiceCallRecord.objects.get(pk=first.id).retry()
        first.status, first.deaths = "queued", 0
        grips.append(self._claim())
        return multiple(*grips)

    @precondition(lambda self: any(call.persisted for call in self.ledger.calls.values()))
    @rule(data=st.data(), policy=st.sampled_from(["keep", "recreate", "revert"]))
    def reprocess(self, data: st.DataObject, policy: str) -> None:
        """Persisted again, or taken back and persisted again: the message is there once before and after."""
        call = data.draw(st.sampled_from([call for call in self.ledger.calls.values() if call.persisted]))
        if policy == "revert":
            assert revert(call.id).outcome == ReprocessOutcome.REVERTED
            assert not Message.objects.filter(text=str(call.number)).exists()
            policy = "keep"
        assert dry_run(call.id, Policy(policy)).outcome == reprocess(call.id, Policy(policy)).outcome

    def _claim(self) -> Grip | None:
        records = claim(1, "w")
        if not records:
            assert not self._claimable()
            return None
        (record,) = records
        call = self.ledger.calls[record.pk]
        assert call in self._claimable()
        call.status, call.token = "running", call.token + 1
        assert record.lease_token == call.token
        return Grip(record, Lease(record.pk, record.lease_token))

    @rule(grip=consumes(grips), end=st.sampled_from(["succeed", "fail", "requeue", "give back"]), twice=st.booleans())
    def finish(self, grip: Grip | None, end: str, twice: bool) -> None:
        if grip is None:
            return
        call = self.ledger.calls[grip.record.pk]
        valid = call.status == "running" and call.token == grip.lease.token
        (outcome,) = commit([self._settlement(grip, end)])
        assert isinstance(outcome, StaleLease) is not valid
        if valid:
            call.status = {"succeed": "succeeded", "fail": "failed"}.get(end, "queued")
            call.pending = end == "succeed"
        if twice:
            assert isinstance(commit([self._settlement(grip, end)])[0], StaleLease)

    @rule(grip=grips)
    def expire(self, grip: Grip | None) -> None:
        """The worker stalls; somebody else rescues what it held. Its grip stays: it may act late."""
        if grip is None:
            return
        call = self.ledger.calls[grip.record.pk]
        past = timezone.now() - timedelta(seconds=1)
        ServiceCallRecord.objects.running().filter(pk=call.id).update(lease_expires_at=past)
        rescue()
        if call.status == "running":
            poisoned = call.deaths >= 3
            call.status, call.deaths = ("failed" if poisoned else "queued"), call.deaths + 1

    @rule()
    def drain(self) -> None:
        pending = [call for call in self.ledger.calls.values() if call.pending]
        drain_calls([call.id for call in self.ledger.calls.values()])
        for call in pending:
            call.pending, call.persisted = False, True

    # --- what must always be true ---------------------------------------------------------

    @invariant()
    def the_rows_say_what_the_ledger_says(self) -> None:
        if not hasattr(self, "ledger"):
            return
        rows = ServiceCallRecord.objects.values_list("pk", "status", "lease_token", "domain_persisted", "deaths")
        assert {row[0]: row[1:] for row in rows} == {
            call.id: (call.status, call.token, call.persisted, call.deaths) for call in self.ledger.calls.values()
        }

    @invariant()
    def each_persisted_call_has_its_message_once(self) -> None:
        if not hasattr(self, "ledger"):
            return
        persisted = sorted(call.number for call in self.ledger.calls.values() if call.persisted)
        assert sorted(int(text) for text in Message.objects.values_list("text", flat=True)) == persisted
        assert PersistedChunk.objects.count() == len(persisted)

    # --- the ledger's own rules -----------------------------------------------------------

    def _in(self, *statuses: str) -> list[Expected]:
        return [call for call in self.ledger.calls.values() if call.status in statuses]

    def _claimable(self) -> list[Expected]:
        return [call for call in self.ledger.calls.values() if call.status == "queued" and self._in_turn(call)]

    def _in_turn(self, call: Expected) -> bool:
        others = [other for other in self.ledger.of_key(call.key) if other is not call] if call.key else []
        return not any(
            other.status == "running" or other.pending or (other.number < call.number and other.status == "queued")
            for other in others
        )

    def _waiting_behind_each_other(self) -> list[tuple[Expected, Expected]]:
        """First and second of each key in which nothing runs or waits to be persisted, and at least two are queued."""
        pairs = []
        for key in ("a", "b"):
            queued = [call for call in self.ledger.of_key(key) if call.status == "queued"]
            if len(queued) > 1 and self._in_turn(queued[0]):
                pairs.append((queued[0], queued[1]))
        return pairs

    def _settlement(self, grip: Grip, end: str) -> Settle:
        succeeds = end == "succeed"
        return Settle(
            lease=grip.lease,
            record=grip.record,
            status={"succeed": Status.SUCCEEDED, "fail": Status.FAILED}.get(end, Status.QUEUED),
            validated=end != "give back",
            result=_result(grip.record) if succeeds else None,
            persist=PersistState.PENDING if succeeds else PersistState.NONE,
        )


def _result(record: ServiceCallRecord) -> dict[str, object]:
    identity = GenerateTicketAnswer.identity
    return Response(
        call_id=record.pk,
        namespace=identity.namespace,
        group=identity.group,
        name=identity.name,
        identity_str=identity.label,
        correlation_id=record.correlation_id,
        request_correlation_id=record.correlation_id,
        structured_data={"answer": record.context["ticket"], "urgent": False},
        context=record.context,
        execution_metadata=ExecutionMetadata(
            service_identity=str(identity), schema_identity=str(TicketAnswerSchema.identity), schema_version=1
        ),
    ).model_dump(mode="json")


def test_no_walk_over_the_life_of_calls_leaves_the_ledger(monkeypatch):
    """The database's clock is read once: a second reading may be some milliseconds behind, and change who is first."""
    monkeypatch.setattr(clock, "READING_SECONDS", float("inf"))
    run_state_machine_as_test(
        Calls,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
