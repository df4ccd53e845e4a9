"""Carries out the plan's strikes at their times, against whatever is running then."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import redis
from django.db import Error, connection, connections

from chaos.clock import PlanClock
from chaos.nodes import Node, below
from chaos.options import Options
from chaos.plan import BROKER, DATABASE, Strike
from chaos.recovery import Held, RecoveryWatch, held_by
from orchestration.log import describe

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 20.0
"""How long a strike waits for a target of its kind before it takes another one. The clock is paused meanwhile."""
TRIES = 3
LOOK_SECONDS = 0.1
WHOLE_TREE = ("supervisor", "main", "sentinel")
"""Roles whose death ends every process below them."""
INSTEAD = ("busy worker", "idle worker", "pusher", "monitor", "sentinel", "main")


@dataclass(frozen=True, slots=True)
class Target:
    kind: str
    node: Node
    pid: int


class Striker(threading.Thread):
    """`done` counts its strikes by kind; `missed` counts kills that found no process to kill."""

    def __init__(
        self, options: Options, strikes: Sequence[Strike], nodes: Sequence[Node], watch: RecoveryWatch, clock: PlanClock
    ) -> None:
        super().__init__(name="striker", daemon=True)
        self.done: Counter[str] = Counter()
        self.missed = 0
        self._options = options
        self._strikes = strikes
        self._nodes = nodes
        self._watch = watch
        self._clock = clock

    def run(self) -> None:
        for strike in self._strikes:
            self._clock.wait_until(strike.at)
            if not any(self._tried(strike) for _ in range(TRIES)):
                self.missed += 1
        connections.close_all()

    def _tried(self, strike: Strike) -> bool:
        """False when it could not be carried out, for example because its target ended just before."""
        try:
            return self._strike(strike)
        except (Error, psycopg.Error, redis.RedisError, OSError, subprocess.SubprocessError) as error:
            logger.warning("strike failed kind=%s error=%s", strike.kind, describe(error))
            connections.close_all()
            return False

    def _strike(self, strike: Strike) -> bool:
        if strike.kind == DATABASE:
            self._strike_database()
        elif strike.kind == BROKER:
            self._empty_broker()
        else:
            target = self._aim(strike)
            if target is None:
                return False
            self._kill(target)
            strike = Strike(at=strike.at, kind=target.kind, node=strike.node, choice=strike.choice)
        self.done[strike.kind] += 1
        return True

    def _aim(self, strike: Strike) -> Target | None:
        """One of the wanted kind, on the wanted node first; after some seconds whatever else there is."""
        wanted: Sequence[str] = (strike.kind,)
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self._clock.standing():
            while time.monotonic() < deadline + PATIENCE_SECONDS:
                target = self._find(strike, wanted)
                if target is not None:
                    return target
                time.sleep(LOOK_SECONDS)
                if time.monotonic() > deadline:
                    wanted = INSTEAD
        return None

    def _find(self, strike: Strike, kinds: Sequence[str]) -> Target | None:
        for node in [*self._nodes[strike.node :], *self._nodes[: strike.node]]:
            roles = node.roles()
            for kind in kinds:
                if found := roles.get(kind):
                    return Target(kind, node, found[int(strike.choice * len(found))])
        return None

    def _kill(self, target: Target) -> None:
        pids = {target.pid} | (below(target.pid) if target.kind in WHOLE_TREE else set())
        held = self._held(target, pids)
        os.kill(target.pid, signal.SIGKILL)
        killed_at = time.monotonic()
        self._watch.killed(held, target.kind, killed_at)
        logger.info("killed kind=%s node=%s pid=%s held=%s", target.kind, target.node.name, target.pid, len(held))

    def _held(self, target: Target, pids: set[int]) -> list[Held]:
        try:
            return held_by(target.node.name, pids)
        except Error:  # a database strike broke this connection; the next one works
            connections.close_all()
            return held_by(target.node.name, pids)

    def _strike_database(self) -> None:
        connections.close_all()
        if self._options.restart_command:
            subprocess.run(shlex.split(self._options.restart_command), check=True, timeout=60)  # noqa: S603 - given
            return
        with psycopg.connect(self._options.postgres_url, autocommit=True) as console:
            console.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [connection.settings_dict["NAME"]],
            )

    def _empty_broker(self) -> None:
        if self._options.broker == "redis":
            redis.Redis.from_url(self._options.redis_url).flushdb()
            return
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_q_ormq")
