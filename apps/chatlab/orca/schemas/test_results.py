"""What a laboratory and a radiology department answer to an order."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from apps.chatlab.orca.mixins import ChatlabMixin
from apps.simulation.models.cases import FindingKind, Flag
from apps.simulation.orca.mixins import StandardizedPatientMixin
from apps.simulation.orca.schemas.shared import Closed, ConditionCheck, Short, Spoken
from orchestration.components import OutputSchema
from orchestration.decorators import schema


class TestResult(Closed):
    """One value of the laboratory or of the monitor, the report on one image, or what one examination finds.

    Unit, reference range and system may be empty. The last three fields have defaults, because older answers lack them.
    """

    kind: FindingKind
    key: Short
    value: Spoken
    unit: str
    reference_range: str
    flag: Flag
    ordered: Annotated[str, Field(description="the line of the order that this answers, as it was written")] = ""
    finding: Annotated[str, Field(description="the key of the fixed result that this is; empty if it is none")] = ""
    system: Annotated[str, Field(description="of an examination: the system of the body; else empty")] = ""
    is_test: Annotated[bool, Field(description="false when what was ordered is no test and no examination")] = True


@schema
class PatientResultsOutputSchema(ChatlabMixin, StandardizedPatientMixin, OutputSchema):
    """The results of what was ordered."""

    results: Annotated[list[TestResult], Field(min_length=1)]
    llm_conditions_check: list[ConditionCheck]
