"""Figures that apps add to `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

Sample = tuple[dict[str, str], float]


class Metric(NamedTuple):
    """One metric; its name goes without the prefix that all have."""

    name: str
    kind: Literal["counter", "gauge"]
    description: str
    samples: list[Sample]


Source = Callable[[], Iterable[Metric]]
_sources: list[Source] = []


def add_metrics(source: Source) -> Source:
    """Have `/metrics` show what `source` gives each time."""
    if source not in _sources:
        _sources.append(source)
    return source


def added_metrics() -> Iterator[Metric]:
    """What all sources give now."""
    for source in _sources:
        yield from source()
