"""Components whose conduct a test chooses: the call's context says under `does` which entry of CONDUCT they run."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestration.components import OutputSchema
from orchestration.decorators import schema, service
from orchestration.services import DjangoBaseService
from persistence.handlers import BasePersistenceHandler, DjangoBaseCodec, codec, persistence_handler
from tests.seedapp.models import Message


def kill_the_process(*_: Any) -> None:
    """Known in every process, so that a drain elsewhere can die of it."""
    os.kill(os.getpid(), signal.SIGKILL)


def as_deployed(handler: Any, response: Any) -> Message:
    """In every process what the file at $SEEDAPP_DEPLOYED says: `mended`, or as it was, when it took no shouting."""
    text, deployed = response.structured_data["text"], Path(os.environ["SEEDAPP_DEPLOYED"]).read_text()
    if deployed != "mended" and text.isupper():
        raise ValueError("shouting")
    return Message.objects.create(role="note", content=text.lower())


CONDUCT: dict[str, Callable[..., Any]] = {"kill_the_process": kill_the_process, "as_deployed": as_deployed}
PLAN = ("prompts.seedcore.default.PatientNameSection",)


@schema
class NoteSchema(OutputSchema):
    text: str


@schema
class AsyncNoteSchema(OutputSchema):
    text: str


@schema
class DigestSchema(OutputSchema):
    text: str


@schema
class AsyncDigestSchema(OutputSchema):
    text: str


@schema
class SharedSchema(OutputSchema):
    text: str


@schema(version=3)
class LonelySchema(OutputSchema):
    """Nothing takes its results."""

    text: str


@service
class GenerateNote(DjangoBaseService):
    prompt_plan = PLAN


@service
class GenerateAsyncNote(DjangoBaseService):
    prompt_plan = PLAN


@service
class GenerateDigest(DjangoBaseService):
    prompt_plan = PLAN


@service
class GenerateAsyncDigest(DjangoBaseService):
    prompt_plan = PLAN


@service
class GenerateLonely(DjangoBaseService):
    prompt_plan = PLAN


@service
class GenerateShared(DjangoBaseService):
    prompt_plan = PLAN


@persistence_handler
class NotePersistence(BasePersistenceHandler):
    schema = NoteSchema

    def persist(self, response):
        return CONDUCT[response.context["does"]](self, response)


@persistence_handler
class AsyncNotePersistence(BasePersistenceHandler):
    schema = AsyncNoteSchema

    async def persist(self, response):
        return await CONDUCT[response.context["does"]](self, response)


@persistence_handler(namespace="core")
class SharedPersistence(BasePersistenceHandler):
    schema = SharedSchema

    def persist(self, response):
        return CONDUCT[response.context["does"]](self, response)


@codec
class DigestCodec(DjangoBaseCodec):
    def persist(self, *, response, parsed):
        return CONDUCT[response.context["does"]](response, parsed)


@codec
class AsyncDigestCodec(DjangoBaseCodec):
    async def persist(self, *, response, parsed):
        return await CONDUCT[response.context["does"]](response, parsed)
