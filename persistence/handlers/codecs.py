"""The older, simpler form of persistence: a codec gets the parsed answer and returns a small JSON summary."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, overload

from orchestration.components.identity import CODECS, DjangoIdentityMixin, Identity
from orchestration.components.registry import schemas, where
from orchestration.components.schemas import OutputSchema
from orchestration.decorators import register_component
from orchestration.errors import NotJson
from orchestration.types import JsonObject, Response
from orchestration.values.sanitize import check_json
from persistence.errors import CodecDefinitionError, InvalidSummary, UnknownSchema
from persistence.handlers.registry import fingerprint

CodecT = TypeVar("CodecT", bound=type)


class DjangoBaseCodec(DjangoIdentityMixin):
    """Persists the results of the services it is wired to. Subclasses define `persist`, plain or async.

    It runs like a handler, in the transaction that holds the result's chunk. The summary it returns is stored with
    the chunk: ids, counts and flags, no model instances.
    """

    identity: ClassVar[Identity]
    """Set by `@codec`, like the others."""
    fingerprint: ClassVar[str]
    is_async: ClassVar[bool]
    data_parameter: ClassVar[str | None]
    """How `persist(data, **context)` calls its first parameter; None for `persist(*, response, parsed)`."""

    def persist(self, *, response: Response, parsed: Any) -> Any:
        """Make the rows of an answer that its schema has validated as `parsed`; returns JSON or None."""
        raise NotImplementedError


@overload
def codec(cls: CodecT, /) -> CodecT: ...
@overload
def codec(
    *, namespace: str | None = None, group: str | None = None, name: str | None = None
) -> Callable[[CodecT], CodecT]: ...
def codec(cls: Any = None, /, **parts: str | None) -> Any:
    """Register a codec. The base class may be missing, for a class that has `persist` and identity mixins.

    `persist` takes `response` and `parsed` by keyword, or `(data, **context)`: then `data` is the answer as JSON, and
    `context` the call's context with the `response` added. Anything else is a CodecDefinitionError.
    """

    def decorate(component: CodecT) -> CodecT:
        _check_contract(component)
        traits: Any = component
        traits.data_parameter = _data_parameter(component)
        traits.is_async = inspect.iscoroutinefunction(traits.persist)
        traits.fingerprint = fingerprint(component)
        return register_component(component, CODECS, **parts)

    return decorate if cls is None else decorate(cls)


def parse(response: Response) -> OutputSchema:
    """The answer of a response as an instance of its schema.

    Raises UnknownSchema, or pydantic's ValidationError when the schema no longer fits what was stored.
    """
    identity = response.execution_metadata.schema_identity
    if not identity:
        raise UnknownSchema("This result names no schema, so no codec can take it: give its service a schema.")
    schema: type[OutputSchema] | None = schemas.try_get(identity)
    if schema is None:
        raise UnknownSchema(f"This result was made with {identity}, which is not registered.")
    return schema.model_validate(response.structured_data)


def arguments(component: type[DjangoBaseCodec], response: Response) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What the codec's `persist` is called with."""
    parsed = parse(response)
    if component.data_parameter is None:
        return (), {"response": response, "parsed": parsed}
    taken = {"self", component.data_parameter}  # a context key of this name stays reachable in response.context
    context = {key: value for key, value in response.context.items() if key not in taken}
    return (parsed.model_dump(mode="json"),), {**context, "response": response}


def check_summary(component: type[DjangoBaseCodec], summary: object) -> JsonObject | None:
    """The summary, when it is a JSON object or None; InvalidSummary names what is not, and where it is."""
    if summary is not None and not isinstance(summary, dict):
        raise InvalidSummary(
            f"{component.identity} returned a {type(summary).__name__}: return a dict of JSON, or None."
        )
    try:
        check_json(summary, "summary")
    except NotJson as error:
        raise InvalidSummary(f"{component.identity} returned what JSON cannot hold: {error}") from None
    return summary


def _check_contract(component: Any) -> None:
    if not isinstance(component, type):
        raise CodecDefinitionError(f"@codec is for classes, not {component!r}.")
    persist = next((vars(base)["persist"] for base in component.__mro__ if "persist" in vars(base)), None)
    if not inspect.isfunction(persist) or persist is DjangoBaseCodec.persist:
        raise CodecDefinitionError(f"{where(component)} defines no `persist(self, *, response, parsed)`.")


def _data_parameter(component: Any) -> str | None:
    parameters = list(inspect.signature(component.persist).parameters.values())[1:]
    by_name = {parameter.name: parameter for parameter in parameters}
    takes_rest = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    if {"response", "parsed"} <= by_name.keys():
        needed = [
            p.name for p in parameters if p.default is p.empty and p.kind not in {p.VAR_KEYWORD, p.VAR_POSITIONAL}
        ]
        if set(needed) <= {"response", "parsed"}:
            return None
    elif parameters and parameters[0].kind is parameters[0].POSITIONAL_OR_KEYWORD and takes_rest:
        return parameters[0].name
    raise CodecDefinitionError(
        f"{where(component)}: `persist` must be (self, *, response, parsed) or (self, data, **context), "
        f"not {inspect.signature(component.persist)}."
    )
