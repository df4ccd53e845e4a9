"""Procrastinate on PostgreSQL, asynchronous tasks, bare aiohttp."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import aiohttp

from benchmarks.peers import procrastinate_openai as base
from benchmarks.peers.asking import read_body, request
from benchmarks.peers.surroundings import CONCURRENCY, PROCESSES, PROVIDER_URL

WORKERS = [[*base.WORKER, "aiohttp"]] * PROCESSES
prepare, finished = base.prepare, base.finished


@lru_cache(maxsize=1)
def session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=CONCURRENCY)
    return aiohttp.ClientSession(connector=connector, headers={"Authorization": "Bearer none"})


@base.app.task(name="ask_aiohttp")
async def ask(number: int) -> dict[str, Any]:
    async with session().post(f"{PROVIDER_URL}/responses", json=request(number)) as reply:
        return read_body(await reply.read())


def submit(numbers: Iterable[int]) -> None:
    base.submit(numbers, ask)
