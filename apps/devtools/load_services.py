"""Which services made-up calls belong to, and answers that their schemas accept."""

from __future__ import annotations

from collections.abc import Collection
from copy import deepcopy
from dataclasses import dataclass

from pydantic import ValidationError

from orchestration.components.registry import services
from orchestration.components.schemas import OutputSchema
from orchestration.components.service import Service
from orchestration.providers.simulator.responder import responders
from orchestration.providers.simulator.schema_values import CannotGenerate, value_for
from orchestration.types import ExecutionMetadata, JsonObject
from persistence.handlers.registry import fingerprint, resolve

TEXTS = (
    "It began last night, just here on the right side, and it has not let go since then.",
    "I took two of the white pills. I do not remember what they are called, my wife bought them.",
    "No fever that I know of. I have been sweating a little, and I did not want any breakfast.",
    "The export button does nothing when more than a thousand rows are selected.",
    "Please summarize the discussion and name the two open questions.",
)
"""What is said to the model; an answer is made for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadService:
    """A service whose calls are made up."""

    identity: str
    parts: tuple[str, str, str]
    """Namespace, group, name."""
    schema_identity: str
    schema_version: int
    schema_fingerprint: str
    handler: str
    """The handler or codec that takes its results; empty: nobody does."""
    handler_fingerprint: str
    answers: tuple[JsonObject, ...]
    """By the number of the text; the schema accepts each."""

    @property
    def namespace(self) -> str:
        return self.parts[0]

    def labels(self) -> JsonObject:
        """What every result of it says of it."""
        namespace, group, name = self.parts
        return {"namespace": namespace, "group": group, "name": name, "identity_str": ".".join(self.parts)}

    def metadata(self, attempt: int) -> JsonObject:
        """What a result says of the code that made it."""
        return ExecutionMetadata(
            service_identity=self.identity,
            schema_identity=self.schema_identity,
            schema_version=self.schema_version,
            schema_fingerprint=self.schema_fingerprint,
            attempt=attempt,
        ).model_dump()


def load_services(namespaces: Collection[str]) -> list[LoadService]:
    """The registered services with a schema, of these namespaces, or of all when none is named; without those whose
    schemas refuse what the simulator answers."""
    registered = (services.get(identity) for identity in services.all())
    described = (
        _described(service, schema)
        for service in registered
        if (schema := service.wiring.schema) and (not namespaces or service.identity.namespace in namespaces)
    )
    return [service for service in described if service.answers]


def _described(service: type[Service], schema: type[OutputSchema]) -> LoadService:
    handler = resolve(service.identity.namespace, str(schema.identity)) or service.wiring.codec
    return LoadService(
        identity=str(service.identity),
        parts=(service.identity.namespace, service.identity.group, service.identity.name),
        schema_identity=str(schema.identity),
        schema_version=schema.version,
        schema_fingerprint=schema.strict.fingerprint,
        handler=str(handler.identity) if handler else "",
        handler_fingerprint=fingerprint(handler) if handler else "",
        answers=_answers(schema),
    )


def _answers(schema: type[OutputSchema]) -> tuple[JsonObject, ...]:
    """One to each text; none where the schema refuses one of them."""
    answers = []
    for number, text in enumerate(TEXTS):
        seed = f"{schema.identity} {number}".encode()
        try:
            made = value_for(schema.strict.json_schema, seed=seed, message=text, texts=[text], responders=responders())
            schema.model_validate(deepcopy(made))  # an author's validator may change what it is given
        except (CannotGenerate, ValidationError):
            return ()
        answers.append(made)
    return tuple(answers)
