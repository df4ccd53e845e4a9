"""How long a call waits for a new worker when its own was killed.

Measured for each call that was `running` in a killed process (read before the kill) and still had the same lease
half a second after it: the seconds from the SIGKILL until its fencing token is seen to have moved on, which only a
new claim does. The database is asked every 0.2 s. A call that turns out to have finished before the kill is left out.

`undisturbed` are the calls in whose wait no *other* strike stopped a node (anything but a busy worker stops or wedges
its cluster): what one kill costs while the other nodes live. The rest waited for machines that were struck again.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from django.db import Error, connections
from django.db.models import Q

from orchestration.models import ServiceCallRecord

LOOK_SECONDS = 0.2
SETTLE_SECONDS = 0.5
OUTAGE_SECONDS = 15.0
"""For this long after it a strike may still keep its node from working."""


@dataclass(frozen=True, slots=True)
class Held:
    """A call in the hands of a process."""

    call_id: str
    token: int


@dataclass(frozen=True, slots=True)
class Victim:
    """A call whose worker was killed at `killed_at` (time.monotonic())."""

    held: Held
    killed_at: float
    kind: str


@dataclass(frozen=True, slots=True)
class Recovered:
    kind: str
    seconds: float
    undisturbed: bool


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
        self._outages: list[float] = []
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def killed(self, held: list[Held], kind: str, killed_at: float, *, stops_a_node: bool) -> None:
        """These calls lost their worker."""
        with self._lock:
            if stops_a_node:
                self._outages.append(killed_at)
            self._victims += [Victim(one, killed_at, kind) for one in held]

    @property
    def waiting(self) -> int:
        return len(self._victims)

    def stop(self) -> None:
        self._stopped.set()
        self.join(10.0)

    def run(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self._look()
            except Error:  # the database is being struck, too
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
                undisturbed = self._was_undisturbed(victim, now)
                self.recovered.append(Recovered(victim.kind, now - victim.killed_at, undisturbed))
                done.append(victim)
            elif record.is_terminal or (record.status == "queued" and not record.deaths):
                done.append(victim)
            elif now - victim.killed_at > SETTLE_SECONDS and _went_on(record, victim):
                done.append(victim)
        with self._lock:
            self._victims = [victim for victim in self._victims if victim not in done]

    def _was_undisturbed(self, victim: Victim, now: float) -> bool:
        with self._lock:
            began = victim.killed_at - OUTAGE_SECONDS
            return not any(began < outage <= now and outage != victim.killed_at for outage in self._outages)


def _went_on(record: ServiceCallRecord, victim: Victim) -> bool:
    """Its last write before the kill gave it back for a retry: it is not waiting for a rescue."""
    return record.status == "queued" and record.judged_attempts == record.attempts and bool(record.error_code)
