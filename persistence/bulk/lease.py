"""A worker's lease on a bulk run, with a fencing token: when the worker dies, the run is free after the lease."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F, Q, QuerySet

from orchestration.clock import database_now
from orchestration.engine.node import stop_requested
from orchestration.errors import WrittenByNewerVersion
from orchestration.models.format_version import refuse_newer
from orchestration.tasks import beat
from persistence import log
from persistence.bulk.pace import LONGEST_WAIT, item_after_next, near, seconds_until_next
from persistence.bulk.rights import Rights, refusal, rights_of, seconds_to_wait
from persistence.bulk.runs import wake_worker
from persistence.models import BulkRun, BulkState

RENEW_SECONDS = 0.5
"""How often a worker asks the database whether it should stop; an abort takes at most this and one item."""
LEASE = timedelta(seconds=30)
PACE = ("per_minute", "next_item_at")
AGAIN_SECONDS = 0.05
"""After which a worker looks again whose run was changed just now."""


NO_RIGHTS = Rights(person=None, objection="nobody looked yet", sees_all_calls=False)


@dataclass(slots=True)
class RunLease:
    """What a worker holds while it works on a run."""

    run: BulkRun
    token: int
    deadline: float
    renewed: float = 0.0
    looked: float = 0.0
    """When the pace was last read, as `renewed`."""
    rights: Rights = NO_RIGHTS
    """Those of the person in whose name it runs, as of when they were last read."""

    def is_still_held(self) -> bool:
        """False when the budget is used, the cluster stops, the run was stopped or taken over, or the person in whose
        name it runs lost the right to it: then it has ended.

        Renews the lease every RENEW_SECONDS.
        """
        now = time.monotonic()
        if now >= self.deadline or stop_requested():
            return False
        if now - self.renewed < RENEW_SECONDS:
            return True
        self.renewed = now
        beat()
        if not self._mine().filter(state=BulkState.RUNNING).update(leased_until=database_now() + LEASE):
            return False
        return self.is_permitted()

    def is_permitted(self) -> bool:
        """Whether the person in whose name it runs may still have it done; ends the run when not."""
        self.rights = rights_of(self.run)
        if self.rights.objection:
            done = self.run.items.exclude(outcome="").count()
            log.run_refused(self.run.pk, self.rights.objection)
            self.finish(BulkState.FAILED, refusal(self.rights.objection, done=done))
        return not self.rights.objection

    def may_do_next(self) -> bool:
        """Whether one more item may be done: the run is still held, it is this item's turn by the pace of the run, and
        within the limit of whoever has calls made over REST.

        Waits for the turn, at most LONGEST_WAIT.
        """
        while self.is_still_held():
            wait = seconds_until_next(self.run) or self._take_turn() or self._count()
            if not wait:
                return True
            if wait > LONGEST_WAIT.total_seconds():
                return False
            time.sleep(min(wait, RENEW_SECONDS))
            self.run.refresh_from_db(fields=PACE)
        return False

    def _take_turn(self) -> float:
        """Take the turn that has come, so that no other process does; seconds to wait when somebody changed the run."""
        if not self._paced():
            return 0.0
        now = database_now()
        running = self._mine().filter(state=BulkState.RUNNING, per_minute=self.run.per_minute)
        following = item_after_next(self.run, now)
        if not running.update(next_item_at=following):
            return AGAIN_SECONDS
        self.run.next_item_at = following
        return 0.0

    def _count(self) -> float:
        """Count the item; seconds to wait when the limit is reached, for which the run is put off."""
        wait = seconds_to_wait(self.run)
        if wait:
            self.run.next_item_at = database_now() + timedelta(seconds=wait)
            self._mine().update(next_item_at=self.run.next_item_at)
        return wait

    def _paced(self) -> bool:
        """Whether the run has a pace, asked of the database as often as the lease is renewed."""
        if self.run.per_minute is None and self.renewed != self.looked:
            self.looked = self.renewed
            self.run.refresh_from_db(fields=PACE)
        return bool(self.run.per_minute)

    def finish(self, state: BulkState = BulkState.DONE, error: str = "") -> None:
        """running → done | failed."""
        self._mine().filter(state=BulkState.RUNNING).update(
            state=state, error=error, finished_at=database_now(), leased_until=None
        )

    def release(self) -> None:
        """Free the run, and send its task again when something is left and no other worker has it. What its pace puts
        off for longer is found by a tick."""
        self._mine().update(leased_until=None)
        free = BulkRun.objects.filter(pk=self.run.pk, state=BulkState.RUNNING, leased_until=None)
        if free.filter(near(database_now())).exists():
            wake_worker(self.run.pk, self.run.kind)

    def _mine(self) -> QuerySet[BulkRun]:
        return BulkRun.objects.filter(pk=self.run.pk, lease_token=self.token)


def _is_newer(run: BulkRun) -> bool:
    try:
        refuse_newer(run)
    except WrittenByNewerVersion as error:
        log.left_to_newer(error)
        return True
    return False


def acquire(run_id: int, seconds: float) -> RunLease | None:
    """Lease a run for at most so long; None when it is not to be worked on, another worker has it, only a newer version
    can, or the person in whose name it runs may no longer have it done: then it has ended."""
    now = database_now()
    known = BulkRun.objects.filter(pk=run_id).only("format_version").first()
    if known is None or _is_newer(known):
        return None
    free = Q(leased_until=None) | Q(leased_until__lt=now)
    taken = BulkRun.objects.filter(free, near(now), pk=run_id, state__in=(BulkState.QUEUED, BulkState.RUNNING)).update(
        state=BulkState.RUNNING, leased_until=now + LEASE, lease_token=F("lease_token") + 1
    )
    if not taken:
        return None
    run = BulkRun.objects.get(pk=run_id)
    lease = RunLease(run, run.lease_token, time.monotonic() + seconds)
    return lease if lease.is_permitted() else None
