"""No queue, nothing stored: one loop over aiohttp. `python -m benchmarks.peers.bare_loop URL CALLS CONCURRENCY`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

import aiohttp

from benchmarks.peers.asking import read_body, request
from benchmarks.processes import machine_cpu


async def ask_all(ask: Callable[[int], Awaitable[object]], calls: int, concurrency: int) -> dict[str, float]:
    """When it began and ended, and the CPU seconds between, after a warm-up of one round."""
    numbers = iter(range(calls))

    async def worker() -> None:
        for number in numbers:
            await ask(number)

    await asyncio.gather(*(ask(-number) for number in range(concurrency)))
    started, cpu, machine = time.time(), time.process_time(), machine_cpu()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    used = {"cpu": time.process_time() - cpu, "machine_started": machine, "machine_ended": machine_cpu()}
    return {"started": started, "ended": time.time(), **used}


async def main(url: str, calls: int, concurrency: int) -> None:
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": "Bearer none"}) as session:

        async def ask(number: int) -> object:
            async with session.post(f"{url}/responses", json=request(number)) as reply:
                return read_body(await reply.read())

        print(json.dumps(await ask_all(ask, calls, concurrency)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
