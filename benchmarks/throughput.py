"""Calls per second and CPU per call through submit -> worker -> provider over HTTP -> audited result: `make bench`.

    python -m benchmarks.throughput [--calls 3000] [--latency-ms 200] [--rounds 1] [--only NAME ...]

Starts a model (`benchmarks/provider_server.py`) and, for every contender, the real qcluster, on databases of its own:
on PostgreSQL when DATABASE_URL or 127.0.0.1:5432 answers, and on SQLite. Prints a table and writes var/bench.json. The
floor is the same number of processes that send the same requests through bare aiohttp and store nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from cryptography.fernet import Fernet

from benchmarks.contest import Contender, Measured, report, take_turns
from benchmarks.processes import database_cpu, free_port, machine_cpu, stop, tree_cpu, wait_for_port
from orchestration.management.base import whole
from tests.environment import answers, postgres_url

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = 2
"""Worker processes that run calls; one more is for everything else."""
WARM_UP = 200
PATIENCE = 400
INCLUDES = "submit in batches of 500, claim, prompt, request, two audits, validation, outbox"
POSTGRES_DURABILITY = "every step committed before the next; the server's own `synchronous_commit`"
SQLITE_DURABILITY = "every step committed before the next; WAL, `synchronous=NORMAL`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """One way to run the product."""

    provider_url: str
    database_url: str
    concurrency: int | None = None
    rows: bool = False
    stream: bool = False
    calls: int

    def measure(self) -> Measured:
        env = environment(urlsplit(self.provider_url).port or 0, PROCESSES) | {"DATABASE_URL": self.database_url}
        if self.concurrency:
            env["ORCA_CONCURRENCY"] = str(self.concurrency)
        cluster = start(env, "qcluster", start_new_session=True, stdout=subprocess.DEVNULL)
        database = urlsplit(self.database_url).path.strip("/")
        try:
            self._submit(env, WARM_UP)
            before, database_before, machine_before = tree_cpu([cluster.pid]), database_cpu(database), machine_cpu()
            rates = self._submit(env, self.calls)
            used = tree_cpu([cluster.pid]) - before
            database_used, all_used = database_cpu(database) - database_before, machine_cpu() - machine_before
        finally:
            stop([cluster])
        per_call = 1000 / self.calls
        started = rates["start_cpu_s"]  # of the submitting process, before its first call
        return Measured(
            rates["calls_per_s"],
            used * per_call,
            max(database_used, 0.0) * per_call,
            max(all_used - started, 0.0) * per_call,
        )

    def _submit(self, env: dict[str, str], calls: int) -> dict[str, float]:
        command = [
            "bench_durable",
            str(calls),
            *(["--rows"] if self.rows else []),
            *(["--stream"] if self.stream else []),
        ]
        done = start(env, *command, stdout=subprocess.PIPE)
        said = done.communicate(timeout=PATIENCE)[0]
        if done.returncode:
            raise RuntimeError("the calls did not all succeed")
        rates: dict[str, float] = json.loads(said)
        return rates


@cache
def production() -> dict[str, str]:
    """As the product is run: with DJANGO_DEBUG Django writes every value into its statement and keeps them all."""
    return {
        "DJANGO_DEBUG": "false",
        "DJANGO_ALLOWED_HOSTS": "127.0.0.1",
        "DJANGO_SSL_REDIRECT": "false",
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(48),
        "GATEWAY_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }


def environment(port: int, processes: int) -> dict[str, str]:
    return (
        os.environ
        | production()
        | {
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "ORCA_PROVIDER": "openai",
            "ORCA_PROVIDER_API_KEY": "simulated",
            "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
            "Q_WORKERS": str(processes + 1),
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "ERROR"),
        }
    )


def start(env: dict[str, str], *command: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "manage.py", *command], env=env, cwd=ROOT, **options)


@contextmanager
def provider(latency_ms: int) -> Iterator[str]:
    """The base URL of the model, in a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.provider_server", "--port", str(port), "--latency-ms", str(latency_ms)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def scratch_postgres(name: str) -> Iterator[str | None]:
    """The URL of a new database beside that of DATABASE_URL; None when no PostgreSQL answers."""
    url = postgres_url()
    if not answers(url):
        yield None
        return
    with psycopg.connect(url.replace("postgres://", "postgresql://", 1), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield urlsplit(url)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def migrate(database_url: str) -> None:
    env = environment(0, 1) | {"DATABASE_URL": database_url}
    start(env, "migrate", "-v0", "--run-syncdb").wait(PATIENCE)


def bare(
    provider_url: str, calls: int, concurrency: int, *, python: str = sys.executable, module: str = "bare_loop"
) -> Measured:
    """Loops without a queue, in as many processes as run our calls."""
    command = [python, "-m", f"benchmarks.peers.{module}", provider_url, str(calls // PROCESSES), str(concurrency)]
    env = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # or LiteLLM waits for a download
    runs = [subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE) for _ in range(PROCESSES)]
    told = [json.loads(run.communicate(timeout=PATIENCE)[0]) for run in runs]
    seconds = max(each["ended"] for each in told) - min(each["started"] for each in told)
    machine = max(each["machine_ended"] for each in told) - min(each["machine_started"] for each in told)
    return Measured(calls / seconds, sum(each["cpu"] for each in told) * 1000 / calls, 0.0, machine * 1000 / calls)


def ours(provider_url: str, postgres: str | None, sqlite: str, calls: int) -> list[Contender]:
    """The product in its usual settings, on the databases that there are."""
    found = []
    ways: list[tuple[str, dict[str, Any]]] = [
        ("defaults (256 at a time)", {}),
        ("64 at a time", {"concurrency": 64}),
        ("defaults, a handler writes one row", {"rows": True}),
    ]
    for database, url, durability in (
        ("PostgreSQL", postgres, POSTGRES_DURABILITY),
        ("SQLite", sqlite, SQLITE_DURABILITY),
    ):
        for name, way in ways if url else ():
            run = Ours(provider_url=provider_url, database_url=str(url), calls=calls, **way)
            includes = f"{INCLUDES}, drain with one row" if run.rows else INCLUDES
            found.append(
                Contender(
                    name=f"OrchestrAI, {database}, {name}", includes=includes, durability=durability, run=run.measure
                )
            )
    return found


def floor(provider_url: str, calls: int) -> Contender:
    return Contender(
        name="aiohttp alone, 2 x 64",
        includes="prompt, request, validation",
        durability="nothing",
        run=lambda: bare(provider_url, calls, 64),
    )


def parser_of(description: str | None, *, calls: int, rounds: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=whole(1, 10_000_000), default=calls)
    parser.add_argument("--latency-ms", type=whole(0, 1_000_000), default=200)
    parser.add_argument("--rounds", type=whole(1, 100), default=rounds)
    parser.add_argument(
        "--only", nargs="*", default=[], metavar="TEXT", help="only contenders whose name contains this"
    )
    return parser


def chosen(contenders: list[Contender], only: list[str]) -> list[Contender]:
    return [each for each in contenders if not only or any(text in each.name for text in only)]


@contextmanager
def databases() -> Iterator[tuple[str | None, str]]:
    """(PostgreSQL or None, SQLite), with all tables."""
    with tempfile.TemporaryDirectory() as folder, scratch_postgres(f"orca_bench_{os.getpid()}") as postgres:
        sqlite = f"sqlite:///{folder}/bench.sqlite3"
        for url in filter(None, (postgres, sqlite)):
            migrate(url)
        yield postgres, sqlite


def main() -> None:
    options = parser_of(__doc__, calls=3000, rounds=1).parse_args()
    with provider(options.latency_ms) as url, databases() as (postgres, sqlite):
        contenders = chosen([floor(url, options.calls), *ours(url, postgres, sqlite, options.calls)], options.only)
        rounds = take_turns(contenders, options.rounds)
    report(contenders, rounds, ROOT / "var" / "bench.json", calls=options.calls, latency_ms=options.latency_ms)


if __name__ == "__main__":
    main()
