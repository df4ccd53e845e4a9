"""Writes facts about the patient as metadata: the author's, those of the conversation, and results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apps.simulation.clinical.findings import FindingIndex
from apps.simulation.models import MetadataKind, SimulationMetadata
from apps.simulation.models.cases import Finding, findings_of

if TYPE_CHECKING:
    from apps.simulation.models import Simulation


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A row of metadata to write."""

    kind: MetadataKind
    key: str
    value: str
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, finding: Finding) -> Fact:
        return cls(kind=MetadataKind(finding.kind), key=finding.key, value=finding.value, extra=finding.extra())


PERSON: dict[str, frozenset[str]] = {
    "age": frozenset({"age", "age in years", "age (years)", "years", "date of birth", "dob"}),
    "sex": frozenset({"sex", "gender", "sex/gender"}),
    "occupation": frozenset({"occupation", "job", "profession", "work", "employment"}),
}
"""Facts that the author of a case may state, with the keys under which a model may state them."""
TALK = (MetadataKind.DEMOGRAPHICS, MetadataKind.HISTORY)
"""The kinds of facts that a conversation yields; all others are results."""


def authors_facts(simulation: Simulation) -> list[Fact]:
    """What is known from the start: who the patient is, and what the monitor shows."""
    person = {
        "age": "" if simulation.patient_age is None else str(simulation.patient_age),
        "sex": simulation.patient_sex,
        "occupation": simulation.patient_occupation,
    }
    stated = [Fact(kind=MetadataKind.DEMOGRAPHICS, key=key, value=value) for key, value in person.items() if value]
    vitals = [finding for finding in findings_of(simulation.findings) if finding.kind == "vital"]
    return [*stated, *map(Fact.of, vitals)]


def talked_of(simulation: Simulation, facts: Iterable[Fact]) -> list[Fact]:
    """The facts of a conversation that may be stored: none contradicts what the author stated, or replaces a result."""
    taken = {finding.key.casefold() for finding in findings_of(simulation.findings)}
    taken |= {row.key.casefold() for row in simulation.metadata.exclude(kind__in=TALK)}
    for fact in authors_facts(simulation):
        taken |= PERSON.get(fact.key, frozenset())
    return [fact for fact in facts if fact.key.casefold() not in taken]


def under_known_names(simulation: Simulation, findings: Iterable[Finding]) -> list[Finding]:
    """Findings under the keys by which the same tests are known already, so that no test is listed twice."""
    rows = simulation.metadata.exclude(kind__in=TALK)
    index = FindingIndex(
        Finding.model_construct(kind=row.kind, key=row.key, value=row.value, aliases=[], **row.extra) for row in rows
    )
    return [index.under_its_names(finding) for finding in findings]


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
