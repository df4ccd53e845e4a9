from dataclasses import dataclass

from orchestration.components import PromptSection
from orchestration.decorators import prompt_section
from tests.seedapp.orca.mixins import SimcoreMixin


@prompt_section
@dataclass
class PatientNameSection(SimcoreMixin, PromptSection):
    weight = 100

    async def render_instruction(self, **ctx) -> str | None:
        simulation = ctx.get("simulation")
        return f"You are {simulation.sim_patient_full_name}." if simulation else "You are a patient."
