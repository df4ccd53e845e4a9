"""`DjangoBaseService`, the base class of services."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any, ClassVar, Self

from asgiref.sync import sync_to_async

from orchestration.components.approval import Approval
from orchestration.components.identity import DjangoIdentityMixin, Identity
from orchestration.components.prompts import PromptSection
from orchestration.components.schemas import OutputSchema
from orchestration.components.service import Wiring
from orchestration.components.tools import Tool, ToolLimits
from orchestration.engine.execution.inline import run_immediately
from orchestration.engine.queue.enqueue import CallSpec, submit
from orchestration.errors import OrchestrationError, UnknownOption
from orchestration.models import ServiceCallRecord
from orchestration.models.states import Status
from orchestration.retry import RetryPolicy
from orchestration.types import JsonObject, Response

OPTIONS = frozenset(field.name for field in fields(CallSpec)) - {"service", "input"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCall:
    """A call as its caller sees it: its status, and the id to find it again."""

    id: str | None
    """None when the call was refused before it became a row."""
    status: str
    task_id: str | None = None
    error_code: str = ""
    error: str | None = None

    @classmethod
    def of(cls, record: ServiceCallRecord) -> ServiceCall:
        return cls(
            id=record.pk,
            status=record.status,
            task_id=record.pk,
            error_code=record.error_code,
            error=record.error,
        )


class DjangoBaseService(DjangoIdentityMixin):
    """A named model call: the class declares what it needs, and `@service` registers it.

    `execute()` may be overridden: the override is then the body of the recorded call, in the queue as well, and
    `super().execute()` inside it is the default body (render, send, validate).
    """

    required_context_keys: ClassVar[Sequence[str]] = ()
    schema: ClassVar[type[OutputSchema] | str | None] = None
    prompt_plan: ClassVar[Sequence[type[PromptSection] | str] | None] = None
    codec: ClassVar[type | str | None] = None
    model: ClassVar[str | None] = None
    client: ClassVar[str | None] = None
    routes: ClassVar[Sequence[str | JsonObject] | None] = None
    fallback_on: ClassVar[Sequence[str] | None] = None
    retry: ClassVar[RetryPolicy | None] = None
    parameters: ClassVar[JsonObject] = {}
    timeout: ClassVar[float | None] = None
    stream: ClassVar[bool | str] = False
    content_kinds: ClassVar[Sequence[str]] = ()
    """What its messages show besides text (`image`, `audio`, `file`), so that `manage.py check` knows."""
    tools: ClassVar[Sequence[Tool | JsonObject]] = ()
    tool_limits: ClassVar[ToolLimits] = ToolLimits()
    approval: ClassVar[Approval | None] = None

    identity: ClassVar[Identity]
    """Set by `@service`."""
    wiring: ClassVar[Wiring]
    """Set when the app starts."""
    overrides_execute: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "execute" in cls.__dict__:
            cls.overrides_execute = True
            cls.execute = _recorded(cls.__dict__["execute"])  # type: ignore[method-assign]

    def __init__(self, **options: Any) -> None:
        unknown = sorted(set(options) - OPTIONS)
        if unknown:
            raise UnknownOption(
                f"{type(self).__name__} got {', '.join(unknown)}; options are {', '.join(sorted(OPTIONS))}."
            )
        self.options = options
        self._default_body: Callable[[], Awaitable[Response]] | None = None

    @classmethod
    def using(cls, **options: Any) -> Self:
        """An instance with options; UnknownOption for any other keyword."""
        return cls(**options)

    def spec(self, payload: JsonObject) -> CallSpec:
        """The call that this instance would make with `payload`."""
        return CallSpec(service=type(self), input=payload, **self.options)

    def needs_approval(self, response: Response) -> str | None:
        """Why a person must look at this answer before it becomes rows, in a sentence; None when nobody must.

        Asked before each result is persisted, in a transaction of which nothing stays; the data is what the schema
        accepted. When it raises, the result waits, for that reason.
        """
        return None

    async def execute(self, **payload: Any) -> Any:
        """Run now and return the Response; raises a CallError when the call fails, InvalidCall when it is refused.

        Recorded, audited and persisted exactly like a queued call. Inside an override: the default body.
        """
        if self._default_body is not None:
            return await self._default_body()
        return await run_immediately(self.spec(payload))

    async def enqueue(self, **payload: Any) -> ServiceCall:
        """Queue the call in the caller's transaction."""
        return await sync_to_async(self.enqueue_now)(**payload)

    def enqueue_now(self, **payload: Any) -> ServiceCall:
        """Queue the call in the caller's transaction, from synchronous code."""
        return ServiceCall.of(submit(self.spec(payload)))

    async def call(self, **payload: Any) -> ServiceCall:
        """Run now; never raises: the returned ServiceCall says how it went."""
        try:
            response = await self.execute(**payload)
        except OrchestrationError as error:
            return ServiceCall(id=error.call_id, status=Status.FAILED, error_code=error.code, error=str(error))
        return ServiceCall(id=response.call_id, status=Status.SUCCEEDED, task_id=response.call_id)


def _recorded(override: Callable[..., Any]) -> Callable[..., Any]:
    """Called from outside, an overridden `execute` becomes the body of a recorded call."""

    @wraps(override)
    async def execute(self: DjangoBaseService, **payload: Any) -> Any:
        if self._default_body is None:
            return await run_immediately(self.spec(payload))
        return await override(self, **payload)

    return execute
