"""What is known about a patient so far, sorted for those who show it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from apps.simulation.clinical.vitals import VitalSign, vital_signs
from apps.simulation.models import MetadataKind, SimulationMetadata

if TYPE_CHECKING:
    from apps.simulation.models import Simulation


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Rows by what they are, the oldest first; `vitals` are all vital signs in their order, known or not."""

    person: list[SimulationMetadata] = field(default_factory=list)
    history: list[SimulationMetadata] = field(default_factory=list)
    vitals: list[VitalSign] = field(default_factory=list)
    exam: list[SimulationMetadata] = field(default_factory=list)
    labs: list[SimulationMetadata] = field(default_factory=list)
    imaging: list[SimulationMetadata] = field(default_factory=list)

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to show."""
        rows = [*self.person, *self.history, *self.exam, *self.labs, *self.imaging]
        return not rows and not any(sign.value for sign in self.vitals)


def known_about(simulation: Simulation) -> Known:
    """What the author says from the start, what the patient told, and results, in one query."""
    rows: dict[str, list[SimulationMetadata]] = {kind: [] for kind in MetadataKind}
    for row in simulation.metadata.order_by("id"):
        rows[row.kind].append(row)
    return Known(
        person=rows[MetadataKind.DEMOGRAPHICS],
        history=rows[MetadataKind.HISTORY],
        vitals=vital_signs(rows[MetadataKind.VITAL]),
        exam=rows[MetadataKind.EXAM],
        labs=rows[MetadataKind.LAB_RESULT],
        imaging=rows[MetadataKind.RADIOLOGY_RESULT],
    )
