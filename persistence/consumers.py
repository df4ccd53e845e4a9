"""Who takes a result: a handler or a codec, each with its way to be run."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from asgiref.sync import async_to_sync
from django.db.models import Model

from orchestration.models import ServiceCallRecord
from orchestration.registry import services
from orchestration.types import JsonObject, Response
from persistence.codecs import DjangoBaseCodec, arguments, check_summary
from persistence.errors import InvalidReturn
from persistence.handlers import BasePersistenceHandler, Run
from persistence.links import Link
from persistence.models import PersistedChunk
from persistence.registry import resolve


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

    def run(self, chunk: PersistedChunk, response: Response) -> Produced: ...


@dataclass(frozen=True, slots=True)
class HandlerConsumer:
    component: type[BasePersistenceHandler]

    def run(self, chunk: PersistedChunk, response: Response) -> Produced:
        handler = self.component()
        handler._run = run = Run(chunk=chunk)
        returned = _call(self.component, handler.persist, response)
        return Produced(links=run.links, returned=_returned(self.component, returned))


@dataclass(frozen=True, slots=True)
class CodecConsumer:
    component: type[DjangoBaseCodec]

    def run(self, chunk: PersistedChunk, response: Response) -> Produced:
        args, kwargs = arguments(self.component, response)
        summary = check_summary(self.component, _call(self.component, self.component().persist, *args, **kwargs))
        chunk.summary = summary
        return Produced(summary=summary)


class Consumers:
    """Who takes which results, looked up once per drain for all that are alike."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], Consumer | None] = {}

    def of(self, record: ServiceCallRecord, response: Response) -> Consumer | None:
        """The handler of the response's namespace and schema, else the codec of the call's service, else None."""
        key = (response.namespace, response.execution_metadata.schema_identity, record.service_identity)
        if key not in self._known:
            self._known[key] = _consumer_for(*key)
        return self._known[key]


def _consumer_for(namespace: str, schema_identity: str, service_identity: str) -> Consumer | None:
    handler = resolve(namespace, schema_identity)
    if handler is not None:
        return HandlerConsumer(handler)
    service: Any = services.try_get(service_identity)  # None when it is not registered (any more)
    codec: type[DjangoBaseCodec] | None = service.wiring.codec if service is not None else None
    return CodecConsumer(codec) if codec is not None else None


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


def _returned(component: type[BasePersistenceHandler], value: object) -> list[Model]:
    """The objects of a return value; InvalidReturn for what is neither a saved instance nor a list of them."""
    if value is None:
        return []
    items: Iterable[object] = value if isinstance(value, list | tuple | set) else (value,)
    objects = []
    for item in items:
        if not isinstance(item, Model):
            raise InvalidReturn(f"{component.identity} returned a {type(item).__name__}. {InvalidReturn.__doc__}")
        if item.pk is None or item._state.adding:
            raise InvalidReturn(f"{component.identity} returned a {type(item).__name__} that is not saved.")
        objects.append(item)
    return objects
