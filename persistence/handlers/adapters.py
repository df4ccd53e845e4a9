"""What persists a result, a handler or a codec, behind one interface."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from django.db.models import Model

from orchestration.components.registry import services
from orchestration.models import ServiceCallRecord
from orchestration.types import JsonObject, Response
from orchestration.values.generic_refs import why_not_stored
from persistence import log
from persistence.errors import InvalidReturn
from persistence.handlers.approval import Declared, declarations
from persistence.handlers.base import BasePersistenceHandler, Part, Run
from persistence.handlers.codecs import DjangoBaseCodec, arguments, check_summary
from persistence.handlers.registry import resolve
from persistence.handlers.schema_upgrades import is_current
from persistence.models import PersistedChunk
from persistence.tracking.object_links import Link

MAX_PART_KEY = 128
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Produced:
    """What a run gave: explicit links, returned objects, and a codec's summary."""

    links: list[Link] = field(default_factory=list)
    returned: list[Model] = field(default_factory=list)
    summary: JsonObject | None = None


class Consumer(Protocol):
    """A handler or a codec, ready to run."""

    @property
    def component(self) -> type[BasePersistenceHandler] | type[DjangoBaseCodec]: ...

    @property
    def identity(self) -> str:
        """That of the component, which takes longer to spell than to look up."""

    @property
    def splits(self) -> bool:
        """Whether results are persisted part by part."""

    def parts(self, response: Response) -> list[Part] | None:
        """The parts to persist one by one; None for the whole at once."""

    def run(self, chunk: PersistedChunk, response: Response, replaced: Sequence[Model] = ()) -> Produced: ...


@dataclass(frozen=True, slots=True)
class HandlerConsumer:
    component: type[BasePersistenceHandler]
    identity: str = ""

    @property
    def can_update(self) -> bool:
        return self.component.update is not BasePersistenceHandler.update

    @property
    def splits(self) -> bool:
        return self.component.split is not BasePersistenceHandler.split

    def parts(self, response: Response) -> list[Part] | None:
        if not self.splits:
            return None
        return _checked_parts(self.component, self.component().split(response))

    def run(self, chunk: PersistedChunk, response: Response, replaced: Sequence[Model] = ()) -> Produced:
        handler = self.component()
        handler._run, handler.part = Run(chunk=chunk, replaced=replaced), chunk.part
        returned = _call(self.component, handler.persist, response)
        return Produced(links=handler._run.links, returned=_returned(self.component, returned))

    def run_update(self, chunk: PersistedChunk, response: Response, made: list[Model]) -> Produced:
        """Let the handler bring up to date what it made before."""
        handler = self.component()
        handler._run, handler.part = Run(chunk=chunk), chunk.part
        value = handler.update(response, made)
        returned = async_to_sync(_await)(value) if inspect.iscoroutine(value) else value
        return Produced(links=handler._run.links, returned=_returned(self.component, returned))


@dataclass(frozen=True, slots=True)
class CodecConsumer:
    component: type[DjangoBaseCodec]
    identity: str = ""
    splits = False

    def parts(self, response: Response) -> list[Part] | None:
        return None

    def run(self, chunk: PersistedChunk, response: Response, replaced: Sequence[Model] = ()) -> Produced:
        args, kwargs = arguments(self.component, response)
        summary = check_summary(self.component, _call(self.component, self.component().persist, *args, **kwargs))
        chunk.summary = summary
        return Produced(summary=summary)


class Consumers:
    """Who takes which results, looked up once per drain for all that are alike."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Consumer | None] = {}
        self._declared: dict[tuple[str, str], tuple[Declared, ...]] = {}

    def of(self, record: ServiceCallRecord, response: Response) -> Consumer | None:
        """The handler of the response's namespace and schema, else the codec of the call's service, else None."""
        key = (response.namespace, response.execution_metadata.schema_identity, record.service_identity)
        if key not in self._known:
            self._known[key] = _consumer_for(*key)
        return self._known[key]

    def declared(self, record: ServiceCallRecord, response: Response) -> tuple[Declared, ...]:
        """What is declared about approving the result; nothing for one that nobody takes."""
        consumer = self.of(record, response)
        if consumer is None:
            return ()
        key = (record.service_identity, consumer.identity)
        if key not in self._declared:
            self._declared[key] = declarations(record.service_identity, consumer.component)
        return self._declared[key]


def _consumer_for(namespace: str, schema_identity: str, service_identity: str) -> Consumer | None:
    handler = resolve(namespace, schema_identity)
    if handler is not None:
        return HandlerConsumer(handler, str(handler.identity))
    service: Any = services.try_get(service_identity)  # None when it is not registered
    codec: type[DjangoBaseCodec] | None = service.wiring.codec if service is not None else None
    return CodecConsumer(codec, str(codec.identity)) if codec is not None else None


def takes(record: ServiceCallRecord, response: Response) -> bool:
    """Whether the drain has anything to do with a new result: it would skip the others."""
    schema = response.execution_metadata.schema_identity
    if not is_current(response) or _consumer_for(response.namespace, schema, record.service_identity) is not None:
        return True
    log.skipped(record.pk, response.namespace, schema)
    return False


def any_is_async(records: Iterable[ServiceCallRecord]) -> bool:
    """Whether who takes one of these results is asynchronous, as far as the rows tell: an upgrade may change it."""
    kinds = {(record.namespace, record.schema_identity, record.service_identity) for record in records}
    consumers = [_consumer_for(*kind) for kind in kinds]
    return any(consumer is not None and consumer.component.is_async for consumer in consumers)


def with_event_loop(work: Callable[[], T]) -> T:
    """Run `work` in this thread, with one event loop in another for all asynchronous code that it calls.

    Without it each call of an asynchronous handler would start a thread and a loop of its own.
    """

    async def beside() -> T:
        return await sync_to_async(work, thread_sensitive=True)()

    return async_to_sync(beside)()


def _call(component: Any, persist: Any, *args: Any, **kwargs: Any) -> Any:
    """Run plain or asynchronous code on this thread's connection, hence inside its transaction."""
    if component.is_async:
        return async_to_sync(persist)(*args, **kwargs)
    value = persist(*args, **kwargs)
    if inspect.iscoroutine(value):  # a wrapper hid that `persist` is asynchronous
        return async_to_sync(_await)(value)
    return value


async def _await(coroutine: Any) -> Any:
    return await coroutine


def _checked_parts(component: type[BasePersistenceHandler], parts: Iterable[object]) -> list[Part]:
    """InvalidReturn for what is not a Part, and for keys that are missing, too long or not unique."""
    checked: list[Part] = []
    for part in parts:
        if not isinstance(part, Part):
            raise InvalidReturn(f"{component.identity}.split gave a {type(part).__name__}; give Part(key=, data=).")
        if not 1 <= len(part.key) <= MAX_PART_KEY:
            raise InvalidReturn(f"{component.identity}.split gave a key of {len(part.key)} characters; 1-128 fit.")
        checked.append(part)
    if len({part.key for part in checked}) < len(checked):
        raise InvalidReturn(f"{component.identity}.split gave the same key twice.")
    return checked


def _returned(component: type[BasePersistenceHandler], value: object) -> list[Model]:
    """The objects of a return value; InvalidReturn for what is neither a saved instance nor a list of them."""
    if value is None:
        return []
    items: Iterable[object] = value if isinstance(value, list | tuple | set) else (value,)
    objects = []
    for item in items:
        if not isinstance(item, Model):
            raise InvalidReturn(f"{component.identity} returned a {type(item).__name__}. {InvalidReturn.__doc__}")
        why = why_not_stored(item)
        if why:
            raise InvalidReturn(f"{component.identity} returned a {type(item).__name__} that {why}.")
        objects.append(item)
    return objects
