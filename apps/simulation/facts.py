"""Writing what is known about the patient."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apps.simulation.models import MetadataKind, SimulationMetadata

if TYPE_CHECKING:
    from apps.simulation.cases import Finding
    from apps.simulation.models import Simulation


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One row of metadata to be."""

    kind: MetadataKind
    key: str
    value: str
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, finding: Finding) -> Fact:
        return cls(kind=MetadataKind(finding.kind), key=finding.key, value=finding.value, extra=finding.extra())


def store_facts(simulation: Simulation, facts: Iterable[Fact]) -> list[SimulationMetadata]:
    """Insert or update metadata by (simulation, key), the last of a repeated key counting; refreshes the checksum.

    Safe without upserts, because the simulation is `locked()`; row by row, so that each counts as created or updated.
    """
    latest = {fact.key: fact for fact in facts}
    known = {row.key: row for row in simulation.metadata.filter(key__in=latest)}
    rows = [known.get(key) or SimulationMetadata(simulation=simulation, key=key) for key in latest]
    for row in rows:
        fact = latest[row.key]
        row.kind, row.value, row.extra = fact.kind, fact.value, fact.extra
        row.save()
    if rows:
        simulation.refresh_metadata_checksum()
    return rows
