"""What a laboratory and a radiology department answer to an order."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from apps.chatlab.orca.mixins import ChatlabMixin
from apps.simulation.cases import Flag
from apps.simulation.orca.mixins import StandardizedPatientMixin
from apps.simulation.orca.schemas.parts import Closed, ConditionCheck, Short, Spoken
from orchestration.decorators import schema
from orchestration.schemas import OutputSchema


class TestResult(Closed):
    """One value of the laboratory, or the report on one image. Unit and reference range may be empty."""

    kind: Literal["lab_result", "radiology_result"]
    key: Short
    value: Spoken
    unit: str
    reference_range: str
    flag: Flag


@schema
class PatientResultsOutputSchema(ChatlabMixin, StandardizedPatientMixin, OutputSchema):
    """The results of what was ordered."""

    results: Annotated[list[TestResult], Field(min_length=1)]
    llm_conditions_check: list[ConditionCheck]
