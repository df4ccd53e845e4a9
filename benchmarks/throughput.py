"""Calls per second through submit -> worker -> provider over HTTP -> audited result.

    python -m benchmarks.throughput [--calls 6000] [--latency-ms 200] [--pumps 2]

Uses the database of DATABASE_URL (the calls stay there); starts the simulated provider and the real qcluster as
processes. The baseline, in the same run on the same machine: the same requests through the same client, the same
number of processes and the same concurrency, with nothing durable around them.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import Any


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def environment(port: int, pumps: int) -> dict[str, str]:
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "ORCA_PROVIDER": "openai",
        "ORCA_PROVIDER_API_KEY": "simulated",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
        "Q_WORKERS": str(pumps + 1),
        "LOG_LEVEL": os.environ.get("LOG_LEVEL", "ERROR"),
    }


def start(env: dict[str, str], *command: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "manage.py", *command], env=env, **options)


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit("The simulated provider did not start.")


def measure_bare(env: dict[str, str], calls: int, pumps: int) -> float:
    concurrency = env.get("ORCA_CONCURRENCY", "64")
    command = ("bench_bare", str(calls // pumps), concurrency)
    runs = [start(env, *command, stdout=subprocess.PIPE) for _ in range(pumps)]
    times = [json.loads(run.communicate()[0]) for run in runs]
    return calls / (max(t["ended"] for t in times) - min(t["started"] for t in times))


def measure_durable(env: dict[str, str], calls: int) -> dict[str, float]:
    cluster = start(env, "qcluster")
    try:
        time.sleep(5)  # the cluster's own start is not what is measured
        submitter = start(env, "bench_durable", str(calls), stdout=subprocess.PIPE)
        rates: dict[str, float] = json.loads(submitter.communicate()[0])
    finally:
        cluster.send_signal(signal.SIGTERM)
        cluster.wait(60)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--latency-ms", type=int, default=200)
    parser.add_argument("--pumps", type=int, default=2, help="worker processes that run calls")
    options = parser.parse_args()
    port = free_port()
    env = environment(port, options.pumps)
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], env=env, check=True)
    provider = start(env, "simulated_provider", "--port", str(port), "--latency-ms", str(options.latency_ms))
    try:
        wait_for_port(port)
        bare = measure_bare(env, options.calls, options.pumps)
        rates = measure_durable(env, options.calls)
    finally:
        provider.terminate()
        provider.wait(10)
    report = {**vars(options), "bare_calls_per_s": bare, **rates, "ratio_to_bare": rates["calls_per_s"] / bare}
    print(json.dumps({key: round(value, 3) for key, value in report.items()}, indent=2))


if __name__ == "__main__":
    main()
