"""`manage.py simulated_provider`: the simulated model as an HTTP server, for tests, demonstrations and benchmarks."""

from __future__ import annotations

import asyncio
import errno
import signal
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import uvloop
from django.core.management.base import CommandError

from orchestration.management.base import PlainCommand, whole
from orchestration.providers.simulator.model import Simulation
from orchestration.providers.simulator.request_log import RequestLog
from orchestration.providers.simulator.server import serving


class Command(PlainCommand):
    help = "Serve a simulated model with the APIs of OpenAI, Anthropic, Gemini and Azure. SIGTERM or Ctrl-C stops it."
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=whole(0, 65_535), default=9100, help="0 chooses a free port and prints it.")
        parser.add_argument("--latency-ms", type=whole(0, 3_600_000), default=0, help="How long each answer takes.")
        parser.add_argument(
            "--pace-ms", type=whole(0, 3_600_000), default=0, help="How long it waits before each event of a stream."
        )
        parser.add_argument(
            "--request-log", "--ledger", type=Path, help="Append every request, and how it ended, to this file."
        )

    def handle(
        self, *, host: str, port: int, latency_ms: int, pace_ms: int, request_log: Path | None, **_: Any
    ) -> None:
        try:
            simulation = Simulation(latency_ms=latency_ms, pace_ms=pace_ms, request_log=RequestLog(request_log))
        except OSError as error:
            raise CommandError(f"The request log {request_log} cannot be written: {error.strerror}.") from None
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve(simulation, host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CommandError(f"Port {port} on {host} is in use; choose another with --port.") from None
            raise CommandError(f"Cannot listen on {host} port {port}: {error.strerror}.") from None
        except UnicodeError:
            raise CommandError(f"{host!r} is not a host name; choose another with --host.") from None

    async def _serve(self, simulation: Simulation, host: str, port: int) -> None:
        stopped, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        async with serving(simulation, host=host, port=port) as chosen:
            self.stdout.write(f"Simulated provider: http://{host}:{chosen}/v1 ({simulation.latency_ms} ms)")
            self.stdout.flush()
            await stopped.wait()
        self.stdout.write(f"Stopped after {len(simulation.request_log.entries)} requests.")
