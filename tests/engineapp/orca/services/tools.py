"""Services whose model may ask for tools."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from chaos.app.models import ChaosRow
from orchestration.components import PromptSection, ToolContext, ToolLimits
from orchestration.decorators import prompt_section, service, tool
from orchestration.errors import ToolError
from orchestration.models import EngineCounter
from orchestration.services import DjangoBaseService
from tests.engineapp.orca.services.triage import TriageOutputSchema

ran: list[Any] = []
"""What tools were asked for, in order."""


class Where(BaseModel):
    shelf: int


@tool
async def look_up(number: int, *, context: ToolContext) -> dict[str, Any]:
    """Look up where a thing is."""
    ran.append((number, context.attempt))
    return {"number": number, "shelf": number % 3}


@tool
def note(text: str, context: ToolContext) -> str:
    """Note something down."""
    ran.append(text)
    return f"noted {text}"


@tool(atomic=True)
def count(by: int) -> int:
    """Count up, once."""
    EngineCounter.add("counted", by)
    return EngineCounter.objects.get(name="counted").value


@tool(timeout=0.2)
async def wait(seconds: float) -> str:
    """Wait."""
    await asyncio.sleep(seconds)
    return "waited"


@tool(timeout=0.2)
def block(seconds: float) -> str:
    """Block."""
    time.sleep(seconds)
    return "blocked"


@tool
async def behave(how: str) -> Any:
    """Do what a test says."""
    return ACTIONS[how]()


def _refuse() -> None:
    raise ToolError("Only on Mondays.")


def _break() -> None:
    raise KeyError("secret name")


ACTIONS: dict[str, Callable[[], Any]] = {
    "refuse": _refuse,
    "break": _break,
    "exit": lambda: exit(3),
    "object": object,
    "nul": lambda: "a\x00b",
    "long": lambda: "x" * 300_000,
    "model": lambda: Where(shelf=3),
    "none": lambda: None,
}


@prompt_section
class ToolsPrompt(PromptSection):
    async def render_message(self, **ctx: Any) -> str:
        return f"Find {ctx.get('wanted', 'it')}."


@service
class Finds(DjangoBaseService):
    """Answers in text."""

    prompt_plan = (ToolsPrompt,)
    tools = (look_up, note, count, wait, block, behave)


@service
class FindsInShape(DjangoBaseService):
    """Answers by a schema."""

    prompt_plan = (ToolsPrompt,)
    schema = TriageOutputSchema
    tools = [look_up, {"type": "web_search"}]


@service
class AsksTwice(DjangoBaseService):
    prompt_plan = (ToolsPrompt,)
    tools = (look_up,)

    async def execute(self, **payload: Any) -> Any:
        await super().execute(**payload)
        return await super().execute(**payload)


# --- a conversation of a hundred turns ----------------------------------------------------------

TURNS = 100
READ, BEGAN = "read", "began"
PAGE = 1500
"""Characters that a page has."""


@tool(atomic=True)
def read_page(page: int, context: ToolContext) -> str:
    """Read a page, and note that it was read."""
    ChaosRow(call_id=context.call_id, number=page, note=READ, provider_response_id="").save()
    return f"page {page}: " + "and so it goes on. " * (PAGE // 19)


@tool
async def consider(page: int, context: ToolContext) -> str:
    """Consider a page, which takes a moment; each attempt is noted when it begins."""
    note = f"{BEGAN} {context.attempt}"
    await ChaosRow(call_id=context.call_id, number=page, note=note, provider_response_id="").asave()
    await asyncio.sleep(0.03)
    return f"considered {page}"


@prompt_section
class BookPrompt(PromptSection):
    async def render_message(self, **ctx: Any) -> str:
        return "Read this book with me. " + "It is a long one, and it has many words. " * 1000


@service
class ReadsABook(DjangoBaseService):
    prompt_plan = (BookPrompt,)
    tools = (read_page, consider)
    tool_limits = ToolLimits(turns=TURNS + 1)
