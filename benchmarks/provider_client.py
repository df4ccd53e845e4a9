"""CPU time that one provider request costs the worker, against bare aiohttp and the SDK's own calls, in the same run.

    .venv/bin/python -m benchmarks.provider_client [--calls 2000] [--concurrency 64] [--json]

The simulated provider runs as a process of its own; only this process's CPU time is counted. Rounds alternate, and
the median of each way is compared, so that a busy machine disturbs all of them alike. Bare aiohttp posts the same bytes
and parses the answer with orjson, and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import httpx2
import openai
import orjson
import uvloop

from orchestration.conf import ClientSettings
from orchestration.management.base import whole
from orchestration.providers.base import ProviderRequest
from orchestration.providers.openai.provider import OpenAIProvider
from orchestration.providers.openai.wire import responses_request

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = {
    "type": "object",
    "properties": {"content": {"type": "string"}, "urgency": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["content", "urgency"],
    "additionalProperties": False,
}
PROMPT = "Where does it hurt? " * 50
JSON = {"Content-Type": "application/json", "Authorization": "Bearer none"}
ROUNDS = 5
Ask = Callable[[], Awaitable[object]]


@contextmanager
def provider_process() -> Iterator[str]:
    """The base URL of a simulated provider without latency."""
    command = [sys.executable, "manage.py", "simulated_provider", "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None  # noqa: S101 - stdout=PIPE, two lines above
    try:
        yield process.stdout.readline().split()[2]
    finally:
        process.terminate()
        process.communicate()


async def measure(ask: Ask, *, calls: int, concurrency: int) -> tuple[float, float]:
    """Milliseconds of CPU per call, and calls per second."""

    async def worker() -> None:
        for _ in range(calls // concurrency):
            await ask()

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    done = calls // concurrency * concurrency
    return (time.process_time() - cpu) / done * 1000, done / (time.perf_counter() - wall)


Report = dict[str, dict[str, float]]
BARE = "bare aiohttp"


async def compare(base_url: str, *, calls: int, concurrency: int) -> Report:
    os.environ.setdefault("ORCA_PROVIDER_API_KEY", "none")
    provider = OpenAIProvider("bench", ClientSettings(base_url=base_url, api_key_envvar="ORCA_PROVIDER_API_KEY"))
    plain = openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0)
    over_aiohttp = openai.AsyncOpenAI(
        base_url=base_url, api_key="none", max_retries=0, http_client=openai.DefaultAioHttpClient()
    )
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency))
    request = ProviderRequest(
        model="gpt-4o-mini", messages=[{"role": "user", "content": PROMPT}], schema_name="reply", schema=SCHEMA
    )
    body = orjson.dumps(responses_request(request))
    text = {"format": {"type": "json_schema", "name": "reply", "schema": SCHEMA, "strict": True}}

    async def bare() -> None:
        async with session.post(f"{base_url}/responses", data=body, headers=JSON) as reply:
            orjson.loads(await reply.read())

    ways: dict[str, Ask] = {
        BARE: bare,
        "OpenAIProvider.send": lambda: provider.send(request),
        "post, aiohttp": lambda: over_aiohttp.post("/responses", content=body, cast_to=httpx2.Response),
        "responses.create, aiohttp": lambda: over_aiohttp.responses.create(model="m", input=PROMPT, text=text),
        "responses.create": lambda: plain.responses.create(model="m", input=PROMPT, text=text),
    }
    try:
        return await measured(ways, calls=calls, concurrency=concurrency)
    finally:
        for client in (plain, over_aiohttp, session):
            await client.close()
        await provider.aclose()


async def measured(ways: dict[str, Ask], *, calls: int, concurrency: int) -> Report:
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, ask in ways.items():
            measured = await measure(ask, calls=calls // ROUNDS, concurrency=concurrency)
            if number:  # the first round warms up
                rounds[name].append(measured)
    costs = {name: statistics.median(cpu for cpu, _ in each) for name, each in rounds.items()}
    return {
        name: {
            "cpu_ms": round(costs[name], 3),
            "calls_per_s": round(statistics.median(rate for _, rate in each)),
            "ratio_to_bare": round(costs[name] / costs[BARE], 2),
        }
        for name, each in rounds.items()
    }


def show(report: Report) -> None:
    print(f"{'way':28}{'CPU ms/call':>12}{'calls/s':>10}{'ratio to bare':>15}")
    for name, way in report.items():
        print(f"{name:28}{way['cpu_ms']:12.3f}{way['calls_per_s']:10.0f}{way['ratio_to_bare']:14.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=whole(1, 10_000_000), default=2000)
    parser.add_argument("--concurrency", type=whole(1, 10_000), default=64)
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ["ORCA_CONCURRENCY"] = str(options.concurrency)  # how many connections the provider keeps
    with provider_process() as base_url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(compare(base_url, calls=options.calls, concurrency=options.concurrency))
    print(json.dumps(report)) if options.json else show(report)


if __name__ == "__main__":
    main()
