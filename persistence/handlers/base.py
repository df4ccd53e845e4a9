"""`BasePersistenceHandler`, the base class of handlers, which `@persistence_handler` registers."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, overload

from asgiref.sync import sync_to_async
from django.db import transaction
from django.db.models import Model

from orchestration.components.approval import Approval
from orchestration.components.identity import PERSIST, DjangoIdentityMixin, Identity, derive_identity
from orchestration.components.registry import where
from orchestration.components.schemas import OutputSchema
from orchestration.decorators import register_component
from orchestration.types import JsonObject, Response
from persistence.errors import HandlerDefinitionError, LinkInAsyncCode
from persistence.handlers.registry import fingerprint, refuse_second
from persistence.models import PersistedChunk
from persistence.tracking import object_links
from persistence.tracking.object_links import Link, make_link
from persistence.tracking.recorder import Recorder

HandlerT = TypeVar("HandlerT", bound="type[BasePersistenceHandler]")


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of a handler in the drain: the chunk of its transaction, and what the handler asks to link."""

    chunk: PersistedChunk
    links: list[Link] = field(default_factory=list)
    replaced: Sequence[Model] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a result that is persisted on its own: `data` takes the place of `response.structured_data`."""

    key: str
    """Unique within the result and the same in every run, 1-128 characters."""
    data: JsonObject


class BasePersistenceHandler(DjangoIdentityMixin):
    """Turns the results of one schema into rows. Subclasses set `schema` and define `persist`, plain or async.

    The drain runs `persist` inside the transaction that holds the result's chunk, once; an exception undoes all of
    it. So: touch nothing but the database (follow-up calls may be submitted, they commit with the rows), and return
    the model instance or instances that were made, the most important one first, or None.
    """

    schema: ClassVar[type[OutputSchema]]
    approval: ClassVar[Approval | None] = None
    """When its results wait for a person, besides what their service says."""
    identity: ClassVar[Identity]
    """Set by `@persistence_handler`, like `fingerprint` and `is_async`."""
    fingerprint: ClassVar[str]
    is_async: ClassVar[bool]

    part: str = ""
    """The key of the part that is being persisted, in handlers that `split`."""

    _run: Run | None = None

    @property
    def replaced(self) -> Sequence[Model]:
        """When it is reprocessed with the policy `recreate`: what the earlier run made, deleted a moment ago; the
        primary object first. What others know these by (a number in a sequence, a key) can be taken over.
        Empty otherwise."""
        return self._run.replaced if self._run is not None else ()

    def needs_approval(self, response: Response) -> str | None:
        """Why a person must look at this result before it becomes rows, in a sentence; None when nobody must. Asked
        like the method of this name of services."""
        return None

    def split(self, response: Response) -> Iterable[Part]:
        """The parts of a response, when each is to be persisted on its own: `persist` then runs once per part.

        A part that fails does not hold up the others, and is dead on its own; the result is persisted when all are.
        """
        raise NotImplementedError

    def update(self, response: Response, made: list[Model]) -> Any:
        """Bring what an earlier run made up to date, for reprocessing with the policy `update`; plain or async.

        `made` are the objects of the chunk that still exist, the primary one first. Returns like `persist`.
        """
        raise NotImplementedError

    def persist(self, response: Response) -> Any:
        """Make the rows of a response; the parsed answer is `self.schema.model_validate(response.structured_data)`."""
        raise NotImplementedError

    async def ensure_idempotent(self, response: Response) -> tuple[PersistedChunk, bool]:
        """The chunk of a response, and whether persisting it is up to this run.

        False: it was persisted before, and `chunk.domain_object` is what it became. In the drain that never happens,
        because it does not run a handler twice; outside the drain, call the handler inside `transaction.atomic()`.
        """
        if self._run is not None:
            return self._run.chunk, True
        return await sync_to_async(self.ensure_idempotent_now)(response)

    def ensure_idempotent_now(self, response: Response) -> tuple[PersistedChunk, bool]:
        """`ensure_idempotent` for synchronous handlers."""
        if self._run is not None:
            return self._run.chunk, True
        chunk, created = PersistedChunk.objects.open(chunk_of(response, handler_identity=str(self.identity)))
        if not created:
            _ = chunk.domain_object  # fetched here, so that asynchronous code may look at it
        return chunk, created

    def link(self, chunk: PersistedChunk, obj: Model, *others: Model, created: bool | None = None) -> None:
        """Record the objects that a chunk became; the first object of the first link is the primary one.

        `created` says it where no save was seen: True for objects of `bulk_create`. In the drain this works in
        asynchronous handlers, too; outside it writes at once, so those use `alink`.
        """
        link = make_link((obj, *others), created=created)
        if self._run is not None:
            self._run.links.append(link)
            return
        if _in_event_loop():
            raise LinkInAsyncCode
        with transaction.atomic():
            object_links.write(chunk, object_links.gather(chunk, [link], [], Recorder()), is_new=False)

    async def alink(self, chunk: PersistedChunk, obj: Model, *others: Model, created: bool | None = None) -> None:
        """`link` for asynchronous code, in the drain and outside."""
        await sync_to_async(self.link)(chunk, obj, *others, created=created)


def chunk_of(
    response: Response, *, handler_identity: str, handler_fingerprint: str = "", part: str = ""
) -> PersistedChunk:
    """The unsaved chunk of a response; its key is the call (the correlation where there is none), schema and part."""
    return PersistedChunk(
        call_id=response.call_id or str(response.correlation_id),
        schema_identity=response.execution_metadata.schema_identity,
        part=part,
        namespace=response.namespace,
        handler_identity=handler_identity,
        handler_fingerprint=handler_fingerprint,
        schema_version=response.execution_metadata.schema_version,
    )


@overload
def persistence_handler(cls: HandlerT, /) -> HandlerT: ...
@overload
def persistence_handler(
    *, namespace: str | None = None, group: str | None = None, name: str | None = None
) -> Callable[[HandlerT], HandlerT]: ...
def persistence_handler(cls: Any = None, /, **parts: str | None) -> Any:
    """Register a handler under its namespace and schema.

    Raises HandlerDefinitionError (a TypeError) that says what is missing, HandlerCollision (a ValueError) when
    another handler of the namespace takes the same schema, and what every component may raise about its identity.
    """

    def decorate(handler: HandlerT) -> HandlerT:
        _check_contract(handler)
        refuse_second(handler, derive_identity(handler, PERSIST, **parts))
        handler.fingerprint = fingerprint(handler)
        handler.is_async = inspect.iscoroutinefunction(handler.persist)
        return register_component(handler, PERSIST, **parts)

    return decorate if cls is None else decorate(cls)


def _check_contract(handler: Any) -> None:
    if not isinstance(handler, type) or not issubclass(handler, BasePersistenceHandler):
        shown = where(handler) if isinstance(handler, type) else repr(handler)
        raise HandlerDefinitionError(f"@persistence_handler is for subclasses of BasePersistenceHandler, not {shown}.")
    schema = next((vars(base)["schema"] for base in handler.__mro__ if "schema" in vars(base)), None)
    if schema is None:
        raise HandlerDefinitionError(
            f"{where(handler)} sets no `schema`: name the OutputSchema whose results it takes."
        )
    if not isinstance(schema, type) or not issubclass(schema, OutputSchema):
        raise HandlerDefinitionError(f"{where(handler)}: `schema` must be a subclass of OutputSchema, not {schema!r}.")
    if "identity" not in {name for base in schema.__mro__ for name in vars(base)}:
        raise HandlerDefinitionError(f"{where(handler)}: its schema {where(schema)} is not decorated with @schema.")
    if handler.approval is not None and not isinstance(handler.approval, Approval):
        raise HandlerDefinitionError(f"{where(handler)}: `approval` must be an Approval, not {handler.approval!r}.")
    if not inspect.isfunction(handler.needs_approval) or inspect.iscoroutinefunction(handler.needs_approval):
        raise HandlerDefinitionError(
            f"{where(handler)}: `needs_approval` must be a plain method (self, response) -> str | None."
        )
    if handler.persist is BasePersistenceHandler.persist:
        raise HandlerDefinitionError(f"{where(handler)} defines no `persist(self, response)`.")


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
