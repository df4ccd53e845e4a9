"""Submits the planned calls at their times, each exactly once even when the database goes away in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from django.db import Error, connections

from chaos.clock import PlanClock
from chaos.plan import PlannedCall
from chaos.scenarios import Scenario

RETRY_SECONDS = 0.3


class Submitter(threading.Thread):
    """`submitted` is the first of the four records: the id of each planned call, once its submit has returned."""

    def __init__(self, scenario: Scenario, calls: Sequence[PlannedCall], seed: int, clock: PlanClock) -> None:
        super().__init__(name="submitter", daemon=True)
        self.submitted: dict[int, str] = {}
        self.again = 0
        """Submits that were repeated because it was not known whether the first had been committed."""
        self._scenario = scenario
        self._calls = calls
        self._seed = seed
        self._clock = clock

    def run(self) -> None:
        for call in self._calls:
            self._clock.wait_until(call.at)
            self._submit(call)
        connections.close_all()

    def _submit(self, call: PlannedCall) -> None:
        while call.number not in self.submitted:
            try:
                self.submitted[call.number] = self._scenario.submit(call, self._seed)
            except Error:
                self.again += 1
                connections.close_all()
                time.sleep(RETRY_SECONDS)
