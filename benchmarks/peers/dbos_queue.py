"""DBOS on PostgreSQL: a workflow of one step on a queue, the `openai` client."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import openai
import psycopg
from dbos import DBOS, DBOSClient

from benchmarks.peers.asking import read, request
from benchmarks.peers.surroundings import CONCURRENCY, DATABASE_URL, PROCESSES, PROVIDER_URL

WORKERS = [["-m", "benchmarks.peers.dbos_queue", f"worker{number}"] for number in range(PROCESSES)]
CONFIG: Any = {
    "name": "peers",
    "system_database_url": DATABASE_URL,
    "log_level": "ERROR",
    "application_version": "1",
}


@lru_cache(maxsize=1)
def client() -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=PROVIDER_URL, api_key="none", max_retries=0)


@DBOS.step()
async def ask(number: int) -> dict[str, Any]:
    return read((await client().responses.create(**request(number))).output_text)


@DBOS.workflow(name="triage")
async def triage(number: int) -> dict[str, Any]:
    return await ask(number)


def prepare() -> None:
    DBOS(config=CONFIG)
    DBOS.launch()
    DBOS.register_queue("calls", worker_concurrency=CONCURRENCY)
    DBOS.destroy()


def submit(numbers: Iterable[int]) -> None:
    sender = DBOSClient(system_database_url=DATABASE_URL)
    for number in numbers:
        sender.enqueue({"queue_name": "calls", "workflow_name": "triage", "app_version": "1"}, number)
    sender.destroy()


def finished() -> int:
    with psycopg.connect(DATABASE_URL) as connection:
        row = connection.execute("SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS'").fetchone()
    return int(row[0]) if row else 0


if __name__ == "__main__":
    DBOS(config=CONFIG | {"executor_id": sys.argv[1]})
    DBOS.launch()
    threading.Event().wait()
