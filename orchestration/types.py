"""Values that packages exchange: usage, messages, and the validated `Response` that handlers receive."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PrivateAttr

Role = Literal["system", "developer", "user", "assistant", "tool"]
JsonObject = dict[str, Any]


class Message(TypedDict):
    """One message as it is sent and audited. Those about tools are made by `orchestration/providers/turns.py`."""

    role: Role
    content: str | list[JsonObject]
    """Text; of the user and of tools also parts (`orchestration/values/content_parts.py`). The bytes of stored parts
    are in `data`, as base64, when a provider gets the message, and nowhere else."""
    tool_calls: NotRequired[list[JsonObject]]
    """Of the assistant: `{"id", "name", "arguments"}` of each tool that it asks for; the arguments are JSON text."""
    surface: NotRequired[str]
    raw: NotRequired[JsonObject]
    """Of such a message: the answer as it came, in the wire format `surface`. Some providers want parts of it back."""
    tool_call_id: NotRequired[str]
    name: NotRequired[str]
    is_error: NotRequired[bool]
    """Of a tool's result: which call it answers, the tool's name, and whether it failed."""


class Usage(BaseModel):
    """Token counts of one call, repairs included; `total_tokens` is the provider's own total."""

    model_config = ConfigDict(frozen=True)

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        mine, more = vars(self), vars(other)
        return Usage(**{name: mine[name] + more[name] for name in mine})


class ExecutionMetadata(BaseModel):
    """Which code made the response: component identities in full (`services.ns.group.Name`) and the attempt."""

    service_identity: str
    schema_identity: str = ""
    schema_version: int = 0
    schema_fingerprint: str = ""
    codec_identity: str = ""
    attempt: int = 1


class Response(BaseModel):
    """A service call's validated result, as stored in `ServiceCallRecord.result` and given to handlers.

    `identity_str` is the service's label (`namespace.group.name`). `structured_data` is the answer's JSON as it came,
    which the schema has accepted and reads again (`schema.model_validate`); None for services without schema. The
    related object is reachable as `related_object` and under its model's name (`response.<model name>`) once the
    engine or the drain has attached it.
    """

    model_config = ConfigDict(extra="forbid")

    call_id: str | None = None
    namespace: str
    group: str
    name: str
    identity_str: str
    correlation_id: UUID
    request_correlation_id: UUID
    provider: str = ""
    model: str = ""
    provider_response_id: str | None = None
    output: str | None = None
    structured_data: JsonObject | None = None
    usage: Usage = Usage()
    finish_reason: str = ""
    context: JsonObject = {}
    execution_metadata: ExecutionMetadata
    _related_object: Any = PrivateAttr(default=None)
    _summary: Any = PrivateAttr(default=None)

    @property
    def kind(self) -> str:
        """The group, under the name it had in three-part identities."""
        return self.group

    @property
    def related_object(self) -> Any:
        return self._related_object

    @property
    def summary(self) -> Any:
        """What the codec returned, for the caller of `execute()`; None elsewhere and when there is no codec."""
        return self._summary

    def attach(self, related_object: Any) -> Response:
        """Make `related_object` (a model instance or None) reachable from this response; returns self."""
        self._related_object = related_object
        return self

    def __getattr__(self, item: str) -> Any:
        if not item.startswith("_"):
            related = (self.__pydantic_private__ or {}).get("_related_object")
            if related is not None and related._meta.model_name == item:
                return related
        return super().__getattr__(item)  # type: ignore[misc]  # pydantic hides it from type checkers
