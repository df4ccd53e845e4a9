"""Procrastinate on PostgreSQL, asynchronous tasks, the `openai` client."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import openai
import procrastinate
import psycopg

from benchmarks.peers.asking import read, request
from benchmarks.peers.surroundings import DATABASE_URL, PROCESSES, PROVIDER_URL

WORKER = ("-m", "benchmarks.peers.procrastinate_worker")
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=DATABASE_URL))
WORKERS = [[*WORKER, "openai"]] * PROCESSES


@lru_cache(maxsize=1)
def client() -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=PROVIDER_URL, api_key="none", max_retries=0)


@app.task(name="ask_openai")
async def ask(number: int) -> dict[str, Any]:
    return read((await client().responses.create(**request(number))).output_text)


def prepare() -> None:
    with app.open():
        app.schema_manager.apply_schema()


def submit(numbers: Iterable[int], task: Any = ask) -> None:
    with app.open():
        task.batch_defer(*({"number": number} for number in numbers))


def finished() -> int:
    with psycopg.connect(DATABASE_URL) as connection:
        row = connection.execute("SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'").fetchone()
    return int(row[0]) if row else 0
