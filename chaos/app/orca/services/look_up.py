"""A service whose model looks several things up before it answers."""

import asyncio

from chaos.app.models import ChaosRow
from chaos.app.orca.prompts.sections.note import NoteSection
from chaos.app.orca.schemas.note import NoteOutputSchema
from orchestration.components import ToolContext
from orchestration.decorators import service, tool
from orchestration.services import DjangoBaseService

OF_A_TOOL = "tool"
"""In place of the provider's id of an answer, in rows that a tool wrote."""
LOOKED, WROTE = "looked", "wrote"


@tool
async def look_up(step: int, context: ToolContext) -> str:
    """Look a step up, which takes a while; what it does outside its result may happen once for each attempt."""
    await _row(context, f"{LOOKED} {step} {context.attempt}").asave()
    await asyncio.sleep(0.3)
    return "found"


@tool(atomic=True)
def write_down(step: int, context: ToolContext) -> str:
    """Write a step down, once."""
    _row(context, f"{WROTE} {step}").save()
    return "written"


def _row(context: ToolContext, note: str) -> ChaosRow:
    number = context.context["number"]
    return ChaosRow(call_id=context.call_id, number=number, note=note, provider_response_id=OF_A_TOOL)


@service
class LookUp(DjangoBaseService):
    """Some turns with two tools each, then an answer that becomes one row."""

    required_context_keys = ("number",)
    schema = NoteOutputSchema
    prompt_plan = (NoteSection,)
    tools = [look_up, write_down]
