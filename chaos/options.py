"""What a chaos run is asked to do."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

VARIABLE = "CHAOS_OPTIONS"
"""How the guard hands the options to the run."""
LOCAL_POSTGRES = "postgres://postgres@127.0.0.1:5432/postgres"
GIVEN = os.environ.get("DATABASE_URL", "")

CALLS_OF_ONE = {"notes": 1, "consensus": 6, "tools": 4, "approval": 1}
"""How many model calls one submit of a scenario makes."""
CHANGED = {
    # Random kills strike one call more than three times by bad luck alone; that does not make it poisoned.
    "MAX_DEATHS": 100,
    # How soon a wedged cluster is found; at the default of 30 s a run of minutes would be mostly wedges.
    "WEDGED_AFTER_SECONDS": 10,
    # Provider faults are scripted, not overload: waiting longer proves nothing more.
    "RETRY_INITIAL_SECONDS": 0.2,
    "RETRY_CAP_SECONDS": 2,
}
"""Settings of the engine that a run changes. Leases, renewals, sweeps and ticks stay at their defaults."""
CHANGED_CONSENSUS = {"MAX_RETRIES_PER_PERSONA": 10, "RETRY_INITIAL_BACKOFF_SECONDS": 0.2}
"""Settings of the consensus engine that a run changes, for the same reasons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Times in seconds."""

    scenario: Literal["notes", "consensus", "tools", "approval"] = "notes"
    calls: int = 200
    """Model calls that the scenario needs when nothing fails."""
    kills: int = 20
    seed: int = 1
    db: Literal["sqlite", "postgres"] = "sqlite"
    broker: Literal["orm", "redis"] = "orm"
    nodes: int = 2
    pace: float = 1.5
    """Between two kills on average; calls are submitted over the same time."""
    latency_ms: int = 800
    """How long the simulated model thinks."""
    pace_ms: int = 60
    """Between two events of a stream."""
    quiet: float = 180.0
    """How long the end may take after the last strike."""
    postgres_url: str = GIVEN if GIVEN.startswith("postgres") else LOCAL_POSTGRES
    redis_url: str = "redis://127.0.0.1:6379/13"
    restart_command: str = ""
    """Restarts the database server; without it its connections are terminated instead."""
    keep: bool = False

    @property
    def planned(self) -> int:
        """How many times something is submitted."""
        return max(1, self.calls // CALLS_OF_ONE[self.scenario])

    @property
    def duration(self) -> float:
        """Of the strikes."""
        return max(self.kills * self.pace, 4.0)

    @property
    def limit(self) -> float:
        """After this the whole run is ended from outside: starting, striking, waiting and stopping have their time."""
        return self.duration * 1.5 + self.quiet + 240.0

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Options:
        return cls(**json.loads(text))


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Options from the command line; exits with status 2 and a message when one cannot be read."""
    defaults = Options()
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--scenario", choices=tuple(CALLS_OF_ONE), default=defaults.scenario, help="what is submitted")
    parser.add_argument("--calls", type=_count, default=defaults.calls)
    parser.add_argument("--kills", type=_count, default=defaults.kills)
    parser.add_argument("--seed", type=int, default=defaults.seed, help="the same seed makes the same plan")
    parser.add_argument("--db", choices=("sqlite", "postgres"), default=defaults.db)
    parser.add_argument("--broker", choices=("orm", "redis"), default=defaults.broker)
    parser.add_argument("--nodes", type=_count, default=defaults.nodes, help="qcluster processes")
    parser.add_argument("--pace", type=_seconds, default=defaults.pace, help="seconds between two kills on average")
    parser.add_argument("--latency-ms", type=_count, default=defaults.latency_ms, help="how long the model thinks")
    parser.add_argument("--quiet", type=_seconds, default=defaults.quiet, help="seconds the end may take")
    parser.add_argument("--postgres-url", default=defaults.postgres_url, help="a database on the server to use")
    parser.add_argument("--redis-url", default=defaults.redis_url, help="a Redis database that may be flushed")
    parser.add_argument("--restart-command", default="", help="allow real restarts of PostgreSQL with this command")
    parser.add_argument("--keep", action="store_true", help="keep logs and database, and say where they are")
    return Options(**vars(parser.parse_args(arguments)))


def _count(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if not 1 <= value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number between 1 and 1,000,000")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value
