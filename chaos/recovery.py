"""How long a call waits for a new worker when its own was killed.

Measured for each call that was `running` in a killed process (read before the kill) and still had the same lease
half a second after it: the seconds from the SIGKILL until its fencing token is seen to have moved on, which only a
new claim does. The database is asked every 0.2 s. A call that turns out to have finished before the kill is left out.

`served` is the same without the seconds in which not one node worked (none had run a heartbeat task within three
seconds), because then nobody could have claimed anything: what is left is what the engine itself takes.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import timedelta

from django.db import Error, connections
from django.db.models import Q
from django.utils import timezone

from orchestration.models import ServiceCallRecord, WorkerNode

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.2
SETTLE_SECONDS = 0.5
BEAT_SECONDS = 3.0
"""A node that ran no heartbeat task for this long does not work."""


@dataclass(frozen=True, slots=True)
class Held:
    """A call that a process is running."""

    call_id: str
    token: int


@dataclass(frozen=True, slots=True)
class Victim:
    """A call whose worker was killed at `killed_at` (time.monotonic())."""

    held: Held
    killed_at: float
    kind: str
    idle_before: float
    """Seconds in which no node had worked until then."""


@dataclass(frozen=True, slots=True)
class Recovered:
    kind: str
    seconds: float
    served: float


def held_by(node: str, pids: set[int]) -> list[Held]:
    """What these processes of a node are running."""
    workers = Q(pk__in=[])
    for pid in pids:
        workers |= Q(worker__startswith=f"{node}:{pid}:")
    rows = ServiceCallRecord.objects.running().filter(workers)
    return [Held(pk, token) for pk, token in rows.values_list("pk", "lease_token")]


class RecoveryWatch(threading.Thread):
    """Waits for the victims of every kill."""

    def __init__(self) -> None:
        super().__init__(name="recovery", daemon=True)
        self.recovered: list[Recovered] = []
        self._victims: list[Victim] = []
        self._nobody_worked = 0.0
        self._looked_at = time.monotonic()
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def killed(self, held: list[Held], kind: str, killed_at: float) -> None:
        """These calls lost their worker."""
        with self._lock:
            self._victims += [Victim(one, killed_at, kind, self._nobody_worked) for one in held]

    @property
    def waiting(self) -> int:
        return len(self._victims)

    def stop(self) -> None:
        self._stopped.set()
        self.join(10.0)

    def run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self._note_whether_anybody_works()
                self._look()
            except Error:  # the database is struck, too
                connections.close_all()
        connections.close_all()

    def _look(self) -> None:
        with self._lock:
            victims = list(self._victims)
        rows = ServiceCallRecord.objects.in_bulk([victim.held.call_id for victim in victims])
        now = time.monotonic()
        done = []
        for victim in victims:
            record = rows[victim.held.call_id]
            if record.lease_token > victim.held.token:
                waited = now - victim.killed_at
                served = max(0.0, waited - (self._nobody_worked - victim.idle_before))
                self.recovered.append(Recovered(victim.kind, waited, served))
                logger.info(
                    "recovered call_id=%s kind=%s seconds=%.1f served=%.1f", record.pk, victim.kind, waited, served
                )
                done.append(victim)
            elif record.is_terminal or (record.status == "queued" and not record.deaths):
                done.append(victim)
            elif now - victim.killed_at > SETTLE_SECONDS and _went_on(record, victim):
                done.append(victim)
        with self._lock:
            self._victims = [victim for victim in self._victims if victim not in done]

    def _note_whether_anybody_works(self) -> None:
        last, self._looked_at = self._looked_at, time.monotonic()
        since = timezone.now() - timedelta(seconds=BEAT_SECONDS)
        if not WorkerNode.objects.filter(task_beat_at__gte=since).exists():
            self._nobody_worked += self._looked_at - last


def _went_on(record: ServiceCallRecord, victim: Victim) -> bool:
    """Its last write before the kill queued it for a retry: it does not wait for a rescue."""
    return record.status == "queued" and record.judged_attempts == record.attempts and bool(record.error_code)
