"""`manage.py ai_healthcheck`: do the model clients of ORCA_CONFIG work?"""

from __future__ import annotations

import asyncio
import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from orchestration.conf import clients_settings, engine_settings
from orchestration.errors import NotConfigured
from orchestration.management.base import PlainCommand, real
from orchestration.providers.health import ClientHealth, check_client

SOME_FAIL, BROKEN = 1, 2


class Command(PlainCommand):
    help = (
        "Check every model client: its settings, its key (never shown), and an answer to one small question. "
        "Simulated and local providers are always asked, others only with --send, because they bill for it. "
        "Exit status: 0 all well, 1 some clients fail, 2 broken (settings unreadable, or all clients fail). "
        'With --json: {"status": "ok" | "degraded" | "broken", "error": text or null, "clients": [{"name", '
        '"provider", "surface", "model", "address", "simulated", "key_present", "sent", "ok", '
        '"latency_ms": number or null, "error_code", "error"}]}.'
    )
    requires_system_checks = ()  # they would fail on the very settings that this command reports on

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument("--send", action="store_true", help="Ask real, paid providers too.")
        parser.add_argument("--timeout", type=real(0, 3600), default=20.0, help="Seconds each client may take.")

    def handle(self, *, json: bool, send: bool, timeout: float, **_: Any) -> None:
        try:
            engine_settings()
            names = list(clients_settings().clients)
        except NotConfigured as error:
            self._report([], as_json=json, error=str(error))
            raise CommandError(f"Broken: {error}", returncode=BROKEN) from None
        clients = asyncio.run(_check_all(names, send=send, timeout=timeout))
        self._report(clients, as_json=json, error=None)
        failing = [client.name for client in clients if not client.ok]
        if failing:
            raise CommandError(
                f"{len(failing)} of {len(clients)} model clients fail: {', '.join(failing)}.",
                returncode=BROKEN if len(failing) == len(clients) else SOME_FAIL,
            )

    def _report(self, clients: list[ClientHealth], *, as_json: bool, error: str | None) -> None:
        if as_json:
            failing = sum(not client.ok for client in clients)
            status = "broken" if failing == len(clients) else "degraded" if failing else "ok"
            report = {"status": status, "error": error, "clients": [asdict(client) for client in clients]}
            self.stdout.write(json.dumps(report, indent=2))
            return
        for client in clients:
            self.stdout.write(_line(client))


async def _check_all(names: list[str], *, send: bool, timeout: float) -> list[ClientHealth]:
    return await asyncio.gather(*(check_client(name, send=send, timeout=timeout) for name in names))


def _line(client: ClientHealth) -> str:
    if client.ok:
        answered = f"answered in {client.latency_ms} ms" if client.sent else "not asked (a paid request; use --send)"
    else:
        answered = f"{client.error_code}: {client.error}"
    where = "simulated, in this process" if client.simulated else f"{client.surface} at {client.address}"
    key = "key present" if client.key_present else "NO KEY"
    parts = ("ok  " if client.ok else "FAIL", client.name, f"{client.provider}/{client.model}", where, key, answered)
    return "  ".join(parts)
