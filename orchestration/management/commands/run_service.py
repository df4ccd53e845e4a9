"""`manage.py run_service IDENTITY`: run a service now, queue it, or show what it would send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from django.core.management.base import CommandError, CommandParser
from pydantic import BaseModel

from orchestration.components.prompt_overrides import edited_texts
from orchestration.components.prompts import render_plan
from orchestration.components.registry import services
from orchestration.engine.queue.enqueue import build_record
from orchestration.management.base import PlainCommand
from orchestration.models import PromptText
from orchestration.types import JsonObject

if TYPE_CHECKING:
    from orchestration.services import DjangoBaseService

RUN, ENQUEUE, DRY_RUN = "run", "enqueue", "dry-run"


class Command(PlainCommand):
    help = "Run a service now, queue it, or show the prompt and the schema that it would send."
    requires_system_checks = []  # errors of the service are raised when it is used; a dry run needs no key

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("identity", help="services.namespace.group.Name, or namespace.group.Name")
        parser.add_argument("--context", default="{}", help="A JSON object, or @file with one.")
        parser.add_argument("--input", default="{}", help="A JSON object, or @file with one: the payload.")
        parser.add_argument(
            "--mode",
            choices=(RUN, ENQUEUE, DRY_RUN),
            default=RUN,
            help="run waits for the answer; enqueue leaves it to the workers; dry-run calls nothing.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        context = json_object(options["context"], "--context")
        payload = json_object(options["input"], "--input")
        if "self" in payload:
            raise CommandError("--input cannot have the key 'self'.")
        service: DjangoBaseService = services.get(options["identity"]).using(context=context)
        result = MODES[options["mode"]](service, payload)
        self.stdout.write(json.dumps(result, indent=2, ensure_ascii=False, default=str))


def run(service: DjangoBaseService, payload: JsonObject) -> Any:
    """The response (or whatever an overridden `execute` returned) as JSON."""
    answer = async_to_sync(service.execute)(**payload)
    return answer.model_dump(mode="json") if isinstance(answer, BaseModel) else answer


def enqueue(service: DjangoBaseService, payload: JsonObject) -> JsonObject:
    """`{id, status, task_id}` of the queued call."""
    call = service.enqueue_now(**payload)
    return {"id": call.id, "status": call.status, "task_id": call.task_id}


def dry_run(service: DjangoBaseService, payload: JsonObject) -> JsonObject:
    """What would be sent, checked like a submitted call; nothing is stored and no provider is called.

    `{service, context, messages, prompt_meta, schema: {identity, version, name, fingerprint, json_schema} | None}`.
    """
    record = build_record(service.spec(payload))
    wiring = service.wiring
    prompt = async_to_sync(render_plan)(
        wiring.sections,
        {**record.input, **record.context, "related_object": None, "call_id": record.pk},
        edited_texts(PromptText.objects.texts()),
    )
    schema = wiring.schema
    return {
        "service": str(service.identity),
        "context": record.context,
        "messages": prompt.messages,
        "prompt_meta": prompt.meta,
        "schema": schema
        and {
            "identity": str(schema.identity),
            "version": schema.version,
            "name": schema.strict.name,
            "fingerprint": schema.strict.fingerprint,
            "json_schema": schema.strict.json_schema,
        },
    }


MODES = {RUN: run, ENQUEUE: enqueue, DRY_RUN: dry_run}


def json_object(text: str, option: str) -> JsonObject:
    """The JSON object in `text`, or in the file that `@path` names; CommandError says what is wrong with it."""
    source = option
    if text.startswith("@"):
        source = f"{option} {text}"
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise CommandError(f"{source} cannot be read: {error}") from error
    try:
        value = json.loads(text)
    except ValueError as error:  # a number of too many digits is one, too
        raise CommandError(f"{source} is not JSON: {error}") from error
    except RecursionError as error:
        raise CommandError(f"{source} is nested too deeply.") from error
    if not isinstance(value, dict):
        raise CommandError(f"{source} must be a JSON object, not {type(value).__name__}.")
    return value
