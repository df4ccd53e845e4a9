"""CPU time that one provider request costs the worker, against the SDK's own call, in the same run.

    .venv/bin/python -m benchmarks.provider_client [--calls 2000] [--concurrency 64]

The simulated provider runs as a process of its own; only this process's CPU time is counted. Rounds alternate, and
the median of each way is compared, so that a busy machine disturbs all of them alike.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import openai

from orchestration.conf import ClientSettings
from orchestration.providers.base import ProviderRequest
from orchestration.providers.openai import OpenAIProvider

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = {
    "type": "object",
    "properties": {"content": {"type": "string"}, "urgency": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["content", "urgency"],
    "additionalProperties": False,
}
PROMPT = "Where does it hurt? " * 50
ROUNDS = 5
Ask = Callable[[], Awaitable[object]]


@contextmanager
def provider_process() -> Iterator[str]:
    """The base URL of a simulated provider without latency."""
    command = [sys.executable, "manage.py", "simulated_provider", "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None  # noqa: S101 - told so two lines above
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


async def compare(base_url: str, *, calls: int, concurrency: int) -> None:
    provider = OpenAIProvider("bench", ClientSettings(base_url=base_url), api_key="none")
    plain = openai.AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0)
    over_aiohttp = openai.AsyncOpenAI(
        base_url=base_url, api_key="none", max_retries=0, http_client=openai.DefaultAioHttpClient()
    )
    request = ProviderRequest(
        model="gpt-4o-mini", messages=[{"role": "user", "content": PROMPT}], schema_name="reply", schema=SCHEMA
    )
    text = {"format": {"type": "json_schema", "name": "reply", "schema": SCHEMA, "strict": True}}
    ways: dict[str, Ask] = {
        "OpenAIProvider.send": lambda: provider.send(request),
        "responses.create, aiohttp": lambda: over_aiohttp.responses.create(model="m", input=PROMPT, text=text),
        "responses.create": lambda: plain.responses.create(model="m", input=PROMPT, text=text),
    }
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, ask in ways.items():
            measured = await measure(ask, calls=calls // ROUNDS, concurrency=concurrency)
            if number:  # the first round warms up
                rounds[name].append(measured)
    report({name: tuple(map(statistics.median, zip(*each, strict=True))) for name, each in rounds.items()})
    for client in (plain, over_aiohttp):
        await client.close()
    await provider.aclose()


def report(medians: dict[str, tuple[float, ...]]) -> None:
    ours = medians["OpenAIProvider.send"][0]
    print(f"{'way':28}{'CPU ms/call':>12}{'calls/s':>10}{'ratio':>8}")
    for name, (cpu, rate) in medians.items():
        print(f"{name:28}{cpu:12.2f}{rate:10.0f}{cpu / ours:7.1f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    with provider_process() as base_url:
        asyncio.run(compare(base_url, calls=options.calls, concurrency=options.concurrency))


if __name__ == "__main__":
    main()
