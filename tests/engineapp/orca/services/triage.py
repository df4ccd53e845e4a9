"""Services of the engine's tests."""

import ctypes
import time
from dataclasses import dataclass
from typing import Any

from django.db import OperationalError
from psycopg.errors import StatementTooComplex

from orchestration.components import OutputSchema, PromptSection
from orchestration.decorators import prompt_section, schema, service
from orchestration.services import DjangoBaseService
from orchestration.types import Response
from persistence.handlers import DjangoBaseCodec, codec


@schema(version=2)
class TriageOutputSchema(OutputSchema):
    urgency: int
    reason: str


@prompt_section
@dataclass
class TriageSection(PromptSection):
    async def render_instruction(self, **ctx: Any) -> str:
        return "You triage tickets. Answer in JSON."

    async def render_message(self, **ctx: Any) -> str:
        return f"The ticket: {ctx['ticket']}"


@service
class Triage(DjangoBaseService):
    """Schema and section are found by alignment on `Triage`."""

    required_context_keys = ("ticket",)


@service
class FreeText(DjangoBaseService):
    prompt_plan = (TriageSection,)
    required_context_keys = ("ticket",)


@prompt_section
@dataclass
class BrokenSection(PromptSection):
    async def render_message(self, **ctx: Any) -> str:
        raise RuntimeError("secret patient name")


@service
class BrokenPrompt(DjangoBaseService):
    prompt_plan = (BrokenSection,)


@service
class Raises(DjangoBaseService):
    async def execute(self, **payload: Any) -> Any:
        raise KeyError("secret patient name")


@service
class LosesTheDatabase(DjangoBaseService):
    async def execute(self, **payload: Any) -> Any:
        raise OperationalError("the connection is lost")


class BeyondALimit(StatementTooComplex):
    """As the driver of PostgreSQL reports it."""


@service
class AsksTooMuch(DjangoBaseService):
    async def execute(self, **payload: Any) -> Any:
        raise OperationalError("stack depth limit exceeded") from BeyondALimit()


@service
class Computes(DjangoBaseService):
    """No model at all: the override is the whole body."""

    async def execute(self, a: int, b: int, **payload: Any) -> dict[str, int]:
        return {"sum": a + b}


@service
class Wraps(DjangoBaseService):
    """Does something around the default body."""

    schema = TriageOutputSchema
    prompt_plan = (TriageSection,)
    required_context_keys = ("ticket",)

    async def execute(self, **payload: Any) -> Any:
        response = await super().execute(**payload)
        response.context["wrapped"] = True
        return response


@schema
class SummarizedOutputSchema(OutputSchema):
    urgency: int
    reason: str


@service
class Summarized(DjangoBaseService):
    """Its codec is found by alignment and makes no rows, only a summary."""

    prompt_plan = (TriageSection,)


@codec
class SummarizedCodec(DjangoBaseCodec):
    def persist(self, *, response: Response, parsed: SummarizedOutputSchema) -> dict[str, int]:
        return {"noted": parsed.urgency}


@service
class Burns(DjangoBaseService):
    """Holds the event loop, or the whole interpreter, for `seconds` before it asks."""

    prompt_plan = (TriageSection,)
    required_context_keys = ("ticket",)

    async def execute(self, seconds: int, interpreter: bool, **payload: Any) -> Any:
        if interpreter:
            ctypes.PyDLL(None).sleep(seconds)  # a call into C that keeps the interpreter's lock
        else:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                pass
        return await super().execute(**payload)
