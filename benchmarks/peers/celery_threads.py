"""Celery over Redis: processes with a pool of threads each, the `openai` client, results in Redis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import openai
import redis
from celery import Celery

from benchmarks.peers.asking import read, request
from benchmarks.peers.surroundings import CONCURRENCY, PROCESSES, PROVIDER_URL, REDIS_URL

app = Celery("peers", broker=f"{REDIS_URL}/0", backend=f"{REDIS_URL}/1")
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1)
client = openai.OpenAI(base_url=PROVIDER_URL, api_key="none", max_retries=0)

WORKER = ("-m", "celery", "-A", "benchmarks.peers.celery_threads", "worker", "-P", "threads", "-l", "ERROR")
WORKERS = [[*WORKER, "-c", str(CONCURRENCY), "-n", f"worker{number}@%h"] for number in range(PROCESSES)]


@app.task
def ask(number: int) -> dict[str, Any]:
    return read(client.responses.create(**request(number)).output_text)


def prepare() -> None:
    redis.Redis.from_url(REDIS_URL).flushall()


def submit(numbers: Iterable[int]) -> None:
    with app.producer_pool.acquire() as producer:
        for number in numbers:
            ask.apply_async((number,), producer=producer)


def finished() -> int:
    return int(redis.Redis.from_url(f"{REDIS_URL}/1").dbsize())
