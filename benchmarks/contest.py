"""Contenders that take turns for some rounds: medians, ranges, JSON and a table. Imports no Django."""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measured:
    """One round of one contender."""

    calls_per_s: float
    cpu_ms: float
    """CPU of all its worker processes for one call."""
    database_ms: float = 0.0
    """CPU of the PostgreSQL backends that served it, for one call."""
    machine_ms: float = 0.0
    """CPU of everything on the machine, for one call: also the model, who submits, a broker, and whatever else runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    name: str
    includes: str
    """What a call of it does."""
    durability: str
    """What survives, and the settings on which that depends."""
    run: Callable[[], Measured]


def take_turns(contenders: Iterable[Contender], rounds: int) -> dict[str, list[Measured]]:
    """Every contender once per round. One that fails has the rounds that it had; what it said is on stderr."""
    found: dict[str, list[Measured]] = {}
    for number in range(rounds):
        for contender in contenders:
            try:
                measured = contender.run()
            except (OSError, RuntimeError, ValueError) as error:
                sys.stderr.write(f"{contender.name}: {error}\n")
                continue
            found.setdefault(contender.name, []).append(measured)
            sys.stderr.write(
                f"round {number + 1}  {contender.name}: {measured.calls_per_s:.0f} calls/s, CPU of a call: workers"
                f" {measured.cpu_ms:.2f} ms, database {measured.database_ms:.2f}, machine {measured.machine_ms:.2f}\n"
            )
    return found


def as_json(contenders: Iterable[Contender], rounds: dict[str, list[Measured]], **more: object) -> str:
    return json.dumps(
        {
            **more,
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "contenders": {
                each.name: {
                    "includes": each.includes,
                    "durability": each.durability,
                    "rounds": [asdict(measured) for measured in rounds.get(each.name, [])],
                }
                for each in contenders
            },
        },
        indent=2,
    )


def as_table(contenders: Iterable[Contender], rounds: dict[str, list[Measured]]) -> str:
    """Markdown: the median, and the least and the most in parentheses."""
    lines = [
        "| contender | calls/s | worker CPU, ms/call | database | whole machine | a call includes | durability |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in contenders:
        found = rounds.get(each.name)
        figures = (
            "failed, see stderr | | |"
            if not found
            else " | ".join(
                _spread(values, digits)
                for values, digits in (
                    ([each.calls_per_s for each in found], 0),
                    ([each.cpu_ms for each in found], 2),
                    ([each.database_ms for each in found], 2),
                    ([each.machine_ms for each in found], 2),
                )
            )
        )
        lines.append(f"| {each.name} | {figures} | {each.includes} | {each.durability} |")
    return "\n".join(lines)


def report(contenders: Iterable[Contender], rounds: dict[str, list[Measured]], output: Path, **more: object) -> None:
    """Print the table and write the JSON."""
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(as_json(contenders, rounds, **more) + "\n")
    sys.stdout.write(f"{as_table(contenders, rounds)}\n\nwritten: {output}\n")


def _spread(values: list[float], digits: int) -> str:
    if not any(values):
        return "-"
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})"
