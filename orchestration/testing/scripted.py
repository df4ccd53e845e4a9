"""A model that answers, fails and waits as the test says: in this process, without a key and without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel

from orchestration.components.service import Service
from orchestration.conf import ClientSettings
from orchestration.errors import ProviderError
from orchestration.providers.base import Provider, ProviderRequest, ProviderResponse
from orchestration.providers.dialect import text_of
from orchestration.providers.registry import substituted
from orchestration.providers.simulator.faults import OK, Fault, Kind, Script
from orchestration.providers.simulator.model import Simulation
from orchestration.providers.simulator.provider import SimulatorProvider
from orchestration.providers.streams.reading import StreamReading
from orchestration.types import JsonObject

Answer = str | dict[str, Any] | list[Any] | BaseModel
Wanted = type[Service] | str | None

NOT_FAILURES = {"ok", "text", "json", "tool_call"}
FAILURES = tuple(kind for kind in get_args(Kind) if kind not in NOT_FAILURES)
UNSCRIPTED = "unscripted"
"""The error code of a request that no rule matches, with `strict`."""

_fault: ContextVar[Fault] = ContextVar("scripted_fault", default=OK)


class _FaultOfRequest(Script):
    """The script of the simulation: what `ScriptedProvider.plan` decided for the request that is being sent."""

    def take(self, *_: Any) -> Fault:
        return _fault.get()


@dataclass(slots=True, eq=False, kw_only=True)
class Rule:
    """What to do with which requests, and how often."""

    fault: Fault
    make: Callable[[ProviderRequest], Answer] | None = None
    """Makes the answer from the request, in place of what `fault` has."""
    service: str = ""
    contains: str = ""
    model: str = ""
    left: int | None
    """Requests that it still takes; None: all."""
    used: int = 0

    def takes(self, request: ProviderRequest) -> bool:
        if self.left == 0 or self.service not in ("", request.service) or self.model not in request.model:
            return False
        results = sum(message["role"] == "tool" for message in request.messages)
        if self.fault.results_below is not None and results >= self.fault.results_below:
            return False
        return any(self.contains in text_of(message.get("content")) for message in request.messages)

    def use(self, request: ProviderRequest) -> Fault:
        self.used += 1
        self.left = None if self.left is None else self.left - 1
        return self.fault if self.make is None else _fault_of(self.make(request), self.fault.latency_ms)


class ScriptedProvider:
    """The rules of a block and the requests that came; made by `scripted_provider`.

    Each request takes the first rule that matches it and is not used up. Without one it gets an answer that fits its
    schema, or fails with the code `unscripted` when `strict`.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        self.requests: list[ProviderRequest] = []
        """Everything that was asked, in order: `messages`, `service`, `model`, `schema`, `parameters`, `context`."""
        self._rules: list[Rule] = []
        self._simulation = Simulation(script=_FaultOfRequest())

    def answer(
        self,
        content: Answer | Callable[[ProviderRequest], Answer],
        *,
        service: Wanted = None,
        contains: str = "",
        model: str = "",
        times: int | None = 1,
        after: float = 0.0,
    ) -> None:
        """Answer `times` requests (None: all) with `content`: text, JSON, an object of the schema, or what a function
        makes of the request. `content` is checked against the schema like any answer: what does not fit gets a repair.

        Only requests of `service`, with `contains` in one of their messages and `model` in the model's name; without
        them all. `after`: seconds that the model thinks.
        """
        made = content if callable(content) else None
        fault = OK if callable(content) else _fault_of(content, None)
        self._add(Fault(kind=fault.kind, text=fault.text, data=fault.data, latency_ms=_milliseconds(after)),
                  made, service, contains, model, times)  # fmt: skip

    def call_tools(
        self,
        *calls: tuple[str, JsonObject],
        says: str = "",
        service: Wanted = None,
        contains: str = "",
        model: str = "",
        times: int | None = 1,
        results_below: int | None = None,
    ) -> None:
        """Ask for tools, each as its name and arguments, in `times` requests (None: all), and say a text beside it.

        `results_below`: only while the conversation has fewer results of tools than this; in the arguments
        `"$results"` is their number. The rest as for `answer`.
        """
        data = [{"name": name, "arguments": arguments} for name, arguments in calls]
        fault = Fault(kind="tool_call", data=data, text=says, results_below=results_below)
        self._add(fault, None, service, contains, model, times)

    def fail(
        self,
        kind: Kind,
        *,
        service: Wanted = None,
        contains: str = "",
        model: str = "",
        times: int | None = 1,
        after: float = 0.0,
        retry_after: float | None = None,
    ) -> None:
        """Fail `times` requests (None: all) with what providers do: `rate_limit`, `server_error`, `refusal`, `hang`, ….

        `retry_after`: seconds, sent as `Retry-After`. The rest as for `answer`. ValueError names the kinds.
        """
        if kind not in FAILURES:
            raise ValueError(f"{kind!r} is not a failure; these are: {', '.join(FAILURES)}.")
        fault = Fault(kind=kind, retry_after=retry_after, latency_ms=_milliseconds(after))
        self._add(fault, None, service, contains, model, times)

    def requests_of(self, service: Wanted) -> list[ProviderRequest]:
        """The requests of one service, repairs included."""
        return [request for request in self.requests if request.service == _identity(service)]

    @property
    def unused(self) -> int:
        """How many rules no request took: 0 when the test did what it meant to."""
        return sum(not rule.used for rule in self._rules)

    def plan(self, request: ProviderRequest) -> Fault:
        """Note the request and use up its rule; ProviderError `unscripted` when it has none and must have one."""
        self.requests.append(request)
        rule = next((rule for rule in self._rules if rule.takes(request)), None)
        if rule is not None:
            return rule.use(request)
        if self.strict:
            raise ProviderError(f"No rule matches a request of {request.service}.", code=UNSCRIPTED, sent=False)
        return OK

    def open(self, client_name: str, client: ClientSettings) -> Provider:
        """The provider of any client."""
        return _Client(client_name, client, self, self._simulation)

    def _add(self, fault: Fault, make: Any, service: Wanted, contains: str, model: str, times: int | None) -> None:
        wanted = "" if service is None else _identity(service)
        self._rules.append(Rule(fault=fault, make=make, service=wanted, contains=contains, model=model, left=times))


@contextmanager
def scripted_provider(*, strict: bool = False) -> Iterator[ScriptedProvider]:
    """Within the block every client of this process asks the yielded ScriptedProvider: nothing leaves the process.

    Audits name it `simulator`. Workers that other processes run know nothing of it: use `drain`.
    """
    provider = ScriptedProvider(strict=strict)
    with substituted(provider.open):
        yield provider


class _Client(SimulatorProvider):
    def __init__(
        self, client_name: str, client: ClientSettings, scripted: ScriptedProvider, simulation: Simulation
    ) -> None:
        surface = client.surface if client.surface in self.surfaces else ""
        plain = client.model_copy(update={"surface": surface, "options": {}})  # as its own provider takes them
        super().__init__(client_name, plain, simulation=simulation)
        self._scripted = scripted

    async def exchange(self, request: ProviderRequest, reading: StreamReading | None) -> ProviderResponse:
        token = _fault.set(self._scripted.plan(request))
        try:
            return await super().exchange(request, reading)
        finally:
            _fault.reset(token)


def _fault_of(content: Answer, latency_ms: int | None) -> Fault:
    if isinstance(content, str):
        return Fault(kind="text", text=content, latency_ms=latency_ms)
    data = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
    return Fault(kind="json", data=data, latency_ms=latency_ms)


def _identity(service: Wanted) -> str:
    return service if isinstance(service, str) or service is None else str(service.identity)  # type: ignore[return-value]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
