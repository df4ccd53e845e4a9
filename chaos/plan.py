"""The plan of a run, derived from its seed: what is submitted when, which answers fail, and what is struck when."""

from __future__ import annotations

import random
from dataclasses import dataclass

from chaos.options import CALLS_OF_ONE, Options
from orchestration.providers.simulator.faults import Fault, Kind

PROCESSES = {
    "busy worker": 58,
    "idle worker": 7,
    "monitor": 7,
    "pusher": 7,
    "sentinel": 6,
    "main": 6,
    "supervisor": 9,
}
"""What is killed, with its weight. `supervisor`: qcluster itself, with every process below it."""
DATABASE, BROKER = "database", "broker"
KILLS_PER_LOSS = 20
"""For this many kills the database loses its connections once and the broker its messages once."""
FAULTS: dict[Kind, Fault] = {
    "rate_limit": Fault(kind="rate_limit", retry_after=0.5),
    "server_error": Fault(kind="server_error"),
    "reset": Fault(kind="reset"),
    "cut": Fault(kind="cut"),
    "malformed": Fault(kind="malformed"),
    "wrong_shape": Fault(kind="wrong_shape"),
    "ok": Fault(kind="ok", latency_ms=4000),
}
"""`wrong_shape` needs a repair; `ok` is a slow answer."""
ENDS_CONVERSATION: tuple[Kind, ...] = ("wrong_shape", "ok")
"""Faults that answer where the model would ask for tools."""
TURNS = CALLS_OF_ONE["tools"] - 1
"""Of a call with tools, each with two of them."""
ASKS_FOR_TOOLS: dict[str, object] = {
    "kind": "tool_call",
    "times": 0,
    "results_below": TURNS * 2,
    "data": [{"name": name, "arguments": {"step": "$results"}} for name in ("look_up", "write_down")],
}
FAULTY = 0.25
KEYED = 1 / 3
PLANNED = 0.1
LONGEST_DELAY = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCall:
    """Times in seconds from the start of the strikes."""

    number: int
    at: float
    priority: int
    ordering_key: str
    delay: float
    """Above 0: submitted with a `run_at` this much later."""
    fault: Kind | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """`choice` (0 to 1) picks the target among those of its kind."""

    at: float
    kind: str
    node: int
    choice: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`chance`: the probability that a planned fault hits a request of its submit; otherwise a later one can get it."""

    calls: list[PlannedCall]
    strikes: list[Strike]
    chance: float = 1.0
    tools: bool = False
    """Whether the model asks for tools, TURNS times a call."""

    def script(self) -> list[dict[str, object]]:
        """The provider's script, as its control path expects it: each fault hits one call once."""
        without = ENDS_CONVERSATION if self.tools else ()
        planned = [(call, FAULTS[call.fault]) for call in self.calls if call.fault and call.fault not in without]
        faults: list[dict[str, object]] = [
            {
                "kind": fault.kind,
                "contains": marker(call.number),
                "latency_ms": fault.latency_ms,
                "retry_after": fault.retry_after,
                "probability": self.chance,
            }
            for call, fault in planned
        ]
        return [*faults, *([ASKS_FOR_TOOLS] if self.tools else [])]


def marker(number: int) -> str:
    """The text that identifies a call in its prompt; no marker is part of another one."""
    return f"[call {number}]"


def make_plan(options: Options) -> Plan:
    """The same options make the same plan."""
    rng = random.Random(options.seed)  # noqa: S311 - reproducible, not secret
    keys = max(1, options.planned // 20)
    calls = [_call(rng, number, options, keys) for number in range(options.planned)]
    calls.sort(key=lambda call: (call.at, call.number))
    return Plan(
        calls=calls,
        strikes=_strikes(rng, options),
        chance=1 / CALLS_OF_ONE[options.scenario],
        tools=options.scenario == "tools",
    )


def _call(rng: random.Random, number: int, options: Options, keys: int) -> PlannedCall:
    bursts = max(1, options.planned // 8)
    return PlannedCall(
        number=number,
        at=options.duration * rng.randrange(bursts) / bursts,
        priority=rng.choice((-10, 0, 0, 0, 10)),
        ordering_key=f"key-{rng.randrange(keys)}" if rng.random() < KEYED else "",
        delay=rng.uniform(0.5, LONGEST_DELAY) if rng.random() < PLANNED else 0.0,
        fault=rng.choice(list(FAULTS)) if rng.random() < FAULTY else None,
    )


def _strikes(rng: random.Random, options: Options) -> list[Strike]:
    kinds = rng.choices(list(PROCESSES), weights=list(PROCESSES.values()), k=options.kills)
    losses = max(1, options.kills // KILLS_PER_LOSS)
    kinds += [BROKER] * losses + ([DATABASE] * losses if options.db == "postgres" else [])
    strikes = [
        Strike(
            at=rng.uniform(0.02, 1.0) * options.duration,
            kind=kind,
            node=rng.randrange(options.nodes),
            choice=rng.random(),
        )
        for kind in kinds
    ]
    return sorted(strikes, key=lambda strike: strike.at)
