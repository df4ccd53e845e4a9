"""The baseline of the throughput benchmark: render, send and validate; nothing is stored."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandParser

from benchmarks.orca.triage import Triage
from orchestration.app import ensure_autostarted
from orchestration.conf import clients_settings
from orchestration.prompts import render_plan
from orchestration.providers.base import Provider, ProviderRequest
from orchestration.providers.clients import open_provider


class Command(BaseCommand):
    help = "Send N requests, C at a time, through the provider client alone; prints when it began and ended."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("calls", type=int)
        parser.add_argument("concurrency", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        ensure_autostarted()
        started = time.time()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(send_all(options["calls"], options["concurrency"]))
        self.stdout.write(json.dumps({"started": started, "ended": time.time()}))


async def send_all(calls: int, concurrency: int) -> None:
    provider = open_provider(clients_settings().default_client)
    places = asyncio.Semaphore(concurrency)
    await asyncio.gather(*(send_one(provider, places, number) for number in range(calls)))
    await provider.aclose()


async def send_one(provider: Provider, places: asyncio.Semaphore, number: int) -> None:
    schema, client = Triage.wiring.schema, clients_settings().clients[provider.client_name]
    async with places:
        prompt = await render_plan(Triage.wiring.sections, {"ticket": number})
        answer = await provider.send(
            ProviderRequest(
                model=client.model,
                messages=prompt.messages,
                schema_name=schema.strict.name,
                schema=schema.strict.json_schema,
            )
        )
        schema.model_validate_json(answer.text)
