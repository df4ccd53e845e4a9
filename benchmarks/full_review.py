"""Wall time of a full review beside the model's own: one run, six answers, two of them to wait for.

    python -m benchmarks.full_review [--latency-ms 2000] [--rounds 3]

On an embedded database of its own, with the simulated provider and the real qcluster as processes, as `make run` has
them. The model's own time is measured in the same run: an answer asked for directly, before each review. The promise:
with a model of 2 s the slowest review takes less than 6 s. Exits with 1 when it does not.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

from benchmarks.processes import free_port, wait_for_port
from benchmarks.throughput import environment, start
from orchestration.management.base import whole

PROCESSES = 2
MODEL_ROUNDS = 2
OWN_SECONDS = 2.0
"""At most, over the two answers of the model."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency-ms", type=whole(0, 1_000_000), default=2000, help="of the simulated model")
    parser.add_argument("--rounds", type=whole(1, 10_000_000), default=3, help="reviews, one after the other")
    return parser.parse_args()


def main() -> None:
    options = parse()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        env = {name: value for name, value in environment(port, PROCESSES).items() if name != "DATABASE_URL"}
        env["ORCA_VAR_DIR"] = folder
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], env=env, check=True)
        provider = start(env, "simulated_provider", "--port", str(port), "--latency-ms", str(options.latency_ms))
        cluster = start(env, "qcluster", stderr=subprocess.DEVNULL)  # it logs the lifecycle of each run
        try:
            wait_for_port(port)
            rounds = [(answer_seconds(port), review_seconds(env)) for _ in range(options.rounds)]
        finally:
            cluster.send_signal(signal.SIGTERM)
            cluster.wait(60)
            provider.terminate()
            provider.wait(10)
    sys.exit(report(rounds))


def answer_seconds(port: int) -> float:
    """One answer of the model, asked for directly."""
    body = json.dumps({"model": "gpt-4o-mini", "input": "How are you?"}).encode()
    url, headers = f"http://127.0.0.1:{port}/v1/responses", {"Content-Type": "application/json"}
    started = time.perf_counter()
    urllib.request.urlopen(urllib.request.Request(url, body, headers)).close()
    return time.perf_counter() - started


def review_seconds(env: dict[str, str]) -> float:
    """One review, from its submission until a process beside sees that it is completed."""
    process = start(env, "bench_review", stdout=subprocess.PIPE)
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    return float(json.loads(output)["seconds"])


def report(rounds: list[tuple[float, float]]) -> int:
    """Prints one JSON object; the exit status."""
    answer = statistics.median(answer for answer, _ in rounds)
    slowest = max(review for _, review in rounds)
    median = statistics.median(review for _, review in rounds)
    measured = {
        "answer_seconds": answer,
        "review_median_seconds": median,
        "review_slowest_seconds": slowest,
        "ratio_to_the_answers_waited_for": median / (MODEL_ROUNDS * answer),
        "own_seconds": median - MODEL_ROUNDS * answer,
        "load": os.getloadavg()[0],
    }
    print(json.dumps({name: round(value, 3) for name, value in measured.items()}))
    return 0 if slowest < MODEL_ROUNDS * answer + OWN_SECONDS else 1


if __name__ == "__main__":
    main()
