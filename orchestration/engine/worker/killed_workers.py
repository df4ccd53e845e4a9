"""Calls of workers that were killed on this machine are rescued without waiting for their leases.

The supervisor of each node does it for all workers of its machine, so that those of a node whose supervisor was killed
with them do not wait until it has been started again.
"""

from __future__ import annotations

import logging
import time

from django.db import Error

from orchestration.engine.leases.process_lock import dead_workers, remove_file_of
from orchestration.engine.worker.liveness import LivenessMarks
from orchestration.engine.worker.rescuer import expire_leases_of
from orchestration.engine.worker.watchdog import sweep
from orchestration.log import describe
from orchestration.models.engine_events import EngineEvent, EventKind

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.3
"""How often it is looked for them."""
SETTLED_SECONDS = 5.0
"""What the database still did for a worker when it was killed has ended after this time. Until then a claim may be
committed, and rows may be locked, that nobody holds."""


class KilledWorkers:
    """Looks for them whenever it is asked to. It looks at files alone while nobody died."""

    def __init__(self, node: str, marks: LivenessMarks) -> None:
        """`node`, `marks`: of this supervisor, which notes the deaths of its own workers."""
        self._node = node
        self._marks = marks
        self._since: dict[str, float] = {}
        """When each of them was first seen to be dead, while the database could be reached."""

    def rescue(self) -> None:
        """Rescue the calls of all that were killed."""
        try:
            self._rescue_from(dead_workers())
            self._note_deaths()
        except Error as error:
            self._since.clear()
            logger.warning("rescue postponed node=%s error=%s", self._node, describe(error))

    def _rescue_from(self, dead: set[str]) -> None:
        now = time.monotonic()
        self._since = {worker: self._since.get(worker, now) for worker in dead}
        if dead and expire_leases_of(dead):
            sweep(self._node)
        for worker, since in self._since.items():
            if now - since > SETTLED_SECONDS:
                remove_file_of(worker)

    def _note_deaths(self) -> None:
        for pid in self._marks.killed_at_work():
            EngineEvent.note(EventKind.KILLED, f"{self._node}: process {pid}")
            self._marks.forget(pid)
