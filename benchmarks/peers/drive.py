"""Measure one peer, in the peers' environment: `python -m benchmarks.peers.drive MODULE CALLS`; prints JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from benchmarks.peers.surroundings import DATABASE_URL
from benchmarks.processes import database_cpu, machine_cpu, stop, tree_cpu

WARM_UP = 200
PATIENCE = 300.0


def main(module: str, calls: int) -> dict[str, float]:
    peer, database = import_module(f"benchmarks.peers.{module}"), urlsplit(DATABASE_URL).path.strip("/")
    peer.prepare()
    workers = [
        subprocess.Popen([sys.executable, *arguments], start_new_session=True, stdout=subprocess.DEVNULL)
        for arguments in peer.WORKERS
    ]
    pids = [worker.pid for worker in workers]
    try:
        peer.submit(range(WARM_UP))
        wait(peer, WARM_UP)
        before, database_before, machine = tree_cpu(pids), database_cpu(database), machine_cpu()
        started = time.monotonic()
        peer.submit(range(WARM_UP, WARM_UP + calls))
        wait(peer, WARM_UP + calls)
        seconds = time.monotonic() - started
        used, database_used = tree_cpu(pids) - before, database_cpu(database) - database_before
        all_used = machine_cpu() - machine
    finally:
        stop(workers)
    return {
        "calls_per_s": calls / seconds,
        "cpu_ms": used * 1000 / calls,
        "database_ms": max(database_used, 0.0) * 1000 / calls,
        "machine_ms": all_used * 1000 / calls,
    }


def wait(peer: Any, calls: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while (done := peer.finished()) < calls:
        if time.monotonic() > deadline:
            raise SystemExit(f"Only {done} of {calls} calls ended in {PATIENCE:.0f} s.")
        time.sleep(0.1)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
