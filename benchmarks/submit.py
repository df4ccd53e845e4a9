"""Submits over REST: single calls and batches, to two WSGI workers, without a cluster that would run them.

    python -m benchmarks.submit [--seconds 5] [--concurrency 8] [--batch 1000]

Granian serves the product as in production (`docs/production.md`), on PostgreSQL and on SQLite. Load generator, server
and database share the machine. CPU is that of the server's processes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.http_load import Load, Target, run_load
from benchmarks.processes import free_port, stop, tree_cpu, wait_for_port
from benchmarks.throughput import PATIENCE, ROOT, databases, environment, start
from orchestration.management.base import whole

UNLIMITED = {"ORCA_CALLS_PER_MINUTE": str(10**9)}
ISSUE_KEY = """
from apps.accounts.management.commands.seed_demo import PEOPLE, scopes_of
from apps.accounts.models import ApiKey, User
owner = User.objects.get(email=PEOPLE[-1][0])
print(ApiKey.issue(owner, "benchmark", scopes_of(owner))[1])
"""


def measure(database_url: str, options: argparse.Namespace) -> Iterator[str]:
    """A line of the table for each kind of submit."""
    port = free_port()
    env = environment(0, 1) | UNLIMITED | {"DATABASE_URL": database_url}
    start(env | {"DJANGO_DEBUG": "true"}, "seed_demo", stdout=subprocess.DEVNULL).wait(PATIENCE)
    issuing = start(env, "shell", "-v0", "-c", ISSUE_KEY, stdout=subprocess.PIPE)
    secret = issuing.communicate(timeout=PATIENCE)[0].decode().split()[-1]
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "2", "--log-level", "error"]
    command += ["--port", str(port), "--workers-kill-timeout", "5", "config.wsgi:application"]
    server = subprocess.Popen(command, env=env, cwd=ROOT, start_new_session=True)
    try:
        wait_for_port(port)
        for path, calls, concurrency in (("", 1, options.concurrency), ("/batch", options.batch, 2)):
            target = Target(url=f"http://127.0.0.1:{port}/api/v1", secret=secret, path=f"/service-calls{path}")
            bodies = _bodies(calls if path else 0)
            run_load(target, bodies, concurrency=concurrency, seconds=1)
            before = tree_cpu([server.pid])
            load = run_load(target, bodies, concurrency=concurrency, seconds=options.seconds)
            yield _line(calls, load, tree_cpu([server.pid]) - before)
    finally:
        stop([server])


def _bodies(batch: int) -> Iterator[bytes]:
    """Bodies of batches of so many, or of single calls."""
    for number in itertools.count():
        item = {"service": "benchmarks.default.Triage", "context": {"ticket": number}}
        yield json.dumps({"items": [item] * batch} if batch else item).encode()


def _line(calls: int, load: Load, cpu: float) -> str:
    total = load.requests * calls
    figures = f"{load.p50():.0f} | {load.p99():.0f} | {cpu * 1000 / total:.2f}"
    return f"| {calls} | {load.per_second * calls:.0f} | {figures} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=whole(1, 600), default=5)
    parser.add_argument("--concurrency", type=whole(1, 1000), default=8, help="single submits at a time")
    parser.add_argument("--batch", type=whole(1, 10_000), default=1000, help="calls of one batch")
    options = parser.parse_args()
    print("| database | calls a request | calls/s | p50 of a request, ms | p99 | CPU of a call, ms |")
    print("|---|---|---|---|---|---|")
    with databases() as (postgres, sqlite):
        for name, url in (("PostgreSQL", postgres), ("SQLite", sqlite)):
            for line in measure(url, options) if url else ():
                print(f"| {name} {line}", flush=True)


if __name__ == "__main__":
    main()
