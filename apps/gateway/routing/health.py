"""What holds routes back at present: the engine's pauses, circuits and blocked limits, to which the gateway adds what
it sees itself, so that calls and requests leave a dead provider together and come back to it together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from django.db import Error

from apps.gateway.models import Interaction
from orchestration.clock import database_now
from orchestration.engine.execution.throttle_feedback import BROKEN, SILENT, Health, apply_health, block_route
from orchestration.engine.throttling.reasons import code_of
from orchestration.engine.throttling.snapshot import CACHE_SECONDS, Limits, Snapshot
from orchestration.log import describe
from orchestration.models import ProviderCircuit
from orchestration.models.call_kinds import CallKind
from orchestration.models.throttles import CircuitState
from orchestration.routes import Route

logger = logging.getLogger(__name__)

Run = Callable[..., Awaitable[Any]]
"""`await run(function, *arguments)`: in the one thread that this module's database work is done in."""
NOT_TOLD = SILENT | {"client_left", "server_stopping"}
"""Error codes that say nothing about the provider."""


class RouteHealth:
    """For one event loop. Without a database nothing is held back."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._limits = Limits()
        """Used in the thread only."""
        self._seen = Snapshot()
        self._probed: frozenset[str] = frozenset()
        """Clients whose circuit is half open, and whose probe is a request that still runs."""
        self._read_at = -CACHE_SECONDS

    async def held(self, routes: Iterable[Route]) -> dict[Route, str]:
        """Why requests do not take these routes, as a code; those that they may take are left out."""
        if time.monotonic() - self._read_at >= CACHE_SECONDS:
            await self._refresh()
        reasons = self._seen.reasons(database_now())
        found = {route: code_of(reasons, CallKind("", *route)) for route in routes}
        found |= {route: "circuit_open" for route, code in found.items() if not code and route.client in self._probed}
        return {route: code for route, code in found.items() if code}

    async def may_probe(self, route: Route, request_id: str) -> bool:
        """Whether a route that nothing holds may be asked: of a circuit that is not closed, by one request at once."""
        circuit = next((each for each in self._seen.tripped if each.client == route.client), None)
        if circuit is None:
            return True
        is_probe: bool = await self._tried(self._probe, circuit, request_id)
        if is_probe:
            self._probed |= {route.client}
        return is_probe

    async def note(self, route: Route, code: str, retry_after: float | None = None) -> None:
        """How an attempt ended: an error code, empty for an answer; and for how long its provider wants no other."""
        if code in NOT_TOLD:
            return
        is_clean = self._seen.is_clean(route.client)
        if code in BROKEN or (code == "rate_limited" and retry_after) or not is_clean:
            await self._tried(self._note, route, code, retry_after)
            self._read_at = -CACHE_SECONDS

    async def _refresh(self) -> None:
        self._read_at = time.monotonic()  # others use what was seen, and do not read it, too
        found = await self._tried(self._read)
        self._seen, self._probed = found or (Snapshot(), frozenset())

    async def _tried(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return await self._run(function, *arguments)
        except Error as error:
            logger.warning("routes' health not known error=%s", describe(error))
            return None

    # --- in the thread ------------------------------------------------------------------------

    def _read(self) -> tuple[Snapshot, frozenset[str]]:
        snapshot = self._limits.snapshot()
        probes = {each.probe: each.client for each in snapshot.tripped if each.state == CircuitState.HALF_OPEN}
        running = (
            Interaction.objects.in_flight().filter(request_id__in=probes) if probes else Interaction.objects.none()
        )
        return snapshot, frozenset(probes[each] for each in running.values_list("request_id", flat=True))

    def _probe(self, circuit: ProviderCircuit, request_id: str) -> bool:
        self._limits.forget()
        return ProviderCircuit.objects.probe(circuit, request_id)

    def _note(self, route: Route, code: str, retry_after: float | None) -> None:
        health = Health(failures=1, error_code=code) if code in BROKEN else Health(worked=True)
        apply_health({route.client: health}, self._limits)
        if code == "rate_limited" and retry_after:
            block_route(route, retry_after, self._limits)
