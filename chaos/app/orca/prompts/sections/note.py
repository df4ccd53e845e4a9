from dataclasses import dataclass
from typing import Any

from chaos.plan import marker
from orchestration.components import PromptSection
from orchestration.decorators import prompt_section


@prompt_section
@dataclass
class NoteSection(PromptSection):
    async def render_instruction(self, **ctx: Any) -> str:
        return "You take notes. Answer in JSON."

    async def render_message(self, **ctx: Any) -> str:
        return f"Note this: {marker(ctx['number'])}"
