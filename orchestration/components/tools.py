"""Tools: typed functions that a model may ask for, and that the engine runs for it."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, get_type_hints, overload

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.errors import PydanticUserError

from orchestration.components.strict_schema import adapt
from orchestration.errors import ComponentDefinitionError, SchemaNotStrict
from orchestration.types import JsonObject

NAME = re.compile("[a-zA-Z0-9_-]{1,64}", re.ASCII)
TAKEN_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
FIELD = "a_"
"""What stands before the names of parameters in the model of arguments, which has names of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """Of which call a tool is part. A tool has it when one of its parameters is annotated with this class."""

    call_id: str
    key: str
    """The same each time that this very call of the tool is run: an idempotency key for what it does elsewhere."""
    attempt: int
    """1, or more when a worker died while it ran."""
    input: JsonObject
    context: JsonObject
    """Of the service call."""
    related_object: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLimits:
    """How far the tools of one service call may go. ValueError outside the stated ranges."""

    turns: int = 25
    """Answers of the model that ask for tools, 1-1000."""
    errors: int = 10
    """Calls of tools that fail, 0-1000."""
    cost: Decimal | None = None
    """Of all requests so far, in the currency of the prices, above 0; models without a price cost nothing here."""
    parallel: int = 8
    """Tools of one answer that run side by side, 1-64."""

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("turns", self.turns, 1, 1000),
            ("errors", self.errors, 0, 1000),
            ("parallel", self.parallel, 1, 64),
        ):
            if not low <= value <= high:
                raise ValueError(f"ToolLimits.{name} must be between {low} and {high}, not {value!r}.")
        if self.cost is not None and self.cost <= 0:
            raise ValueError(f"ToolLimits.cost must be above 0, not {self.cost!r}.")


class Tool:
    """A function as the model gets it described, and as the engine runs it. Calling it calls the function."""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str,
        timeout: float | None,
        atomic: bool,
        requires_approval: bool = False,
    ) -> None:
        self.function = function
        self.name = name
        self.timeout = timeout
        """Seconds; None: TOOL_TIMEOUT_SECONDS."""
        self.atomic = atomic
        """What it writes to the database is committed together with its result."""
        self.requires_approval = requires_approval
        """It runs when a person has approved of its arguments; until then its call waits in the queue."""
        self.is_async = inspect.iscoroutinefunction(function)
        self.description = inspect.getdoc(function) or ""
        parameters, self._context = _parameters(self)
        self.arguments = _model(self, parameters)
        self.schema = _schema(self)
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tool {self.name}>"

    def described(self) -> JsonObject:
        """As it is sent to a provider, and audited."""
        described = {"name": self.name, "description": self.description, "parameters": self.schema}
        return {"type": "function", **described, "strict": True}

    def bound(self, arguments: Any, context: ToolContext) -> dict[str, Any]:
        """The keywords of a run; pydantic's ValidationError when the arguments are wrong."""
        read = vars(self.arguments.model_validate(arguments))
        named = {name.removeprefix(FIELD): value for name, value in read.items()}
        return named | ({self._context: context} if self._context else {})


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    name: str | None = None,
    timeout: float | None = None,
    atomic: bool = False,
    requires_approval: bool = False,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    timeout: float | None = None,
    atomic: bool = False,
    requires_approval: bool = False,
) -> Any:
    """Make a tool of a typed function, async or not: its name, docstring and signature are what the model is told.

    `timeout`: seconds after which it counts as failed. `atomic`: a plain function whose writes to the database are
    committed together with its result, exactly once. `requires_approval`: it runs when a person has approved of its
    arguments. ComponentDefinitionError says what in a function is not as it
    must be; SchemaNotStrict which parameter's type cannot be described strictly.
    """

    def decorate(decorated: Callable[..., Any]) -> Tool:
        return Tool(
            decorated,
            name=name or decorated.__name__,
            timeout=timeout,
            atomic=atomic,
            requires_approval=requires_approval,
        )

    return decorate if function is None else decorate(function)


def described(tools: Iterable[Tool | JsonObject]) -> list[JsonObject]:
    """Tools of a service as they are sent: those that the engine runs, and those of the provider as they are."""
    return [each.described() if isinstance(each, Tool) else each for each in tools]


def runnable(tools: Iterable[Tool | JsonObject]) -> dict[str, Tool]:
    """By name those of a service's tools that the engine runs."""
    return {each.name: each for each in tools if isinstance(each, Tool)}


# --- from a signature to a schema -------------------------------------------------------------


def _parameters(found: Tool) -> tuple[dict[str, tuple[Any, Any]], str]:
    """(type, default) of each parameter by name, `...` where it is required; and the name of that for the context."""
    faults = [*_faults(found)]
    try:
        hints = get_type_hints(found.function, include_extras=True)
    except NameError as error:
        raise _refused(found, [f"a type of its signature is not known: {error}."]) from error
    parameters: dict[str, tuple[Any, Any]] = {}
    context = ""
    for name, parameter in inspect.signature(found.function).parameters.items():
        if hints.get(name) is ToolContext:
            context = name
        elif parameter.kind not in TAKEN_BY_NAME:
            faults.append(f"the model names its arguments: {parameter} cannot be given by name.")
        elif name not in hints:
            faults.append(f"the parameter {name} has no type.")
        else:
            default = ... if parameter.default is parameter.empty else parameter.default
            parameters[name] = (hints[name], default)
    if faults:
        raise _refused(found, faults)
    return parameters, context


def _faults(found: Tool) -> Iterable[str]:
    if not NAME.fullmatch(found.name):
        yield f"its name must match [a-zA-Z0-9_-]{{1,64}}, not {found.name!r}."
    if not found.description.strip():
        yield "say in its docstring what it does: that is what the model is told."
    if found.timeout is not None and found.timeout <= 0:
        yield f"timeout must be a positive number of seconds, not {found.timeout!r}."
    if found.atomic and found.is_async:
        yield "an atomic tool is a plain function: what an async one writes is not all in one transaction."


def _model(found: Tool, parameters: dict[str, tuple[Any, Any]]) -> type[BaseModel]:
    fields: dict[str, Any] = {
        f"{FIELD}{name}": (Annotated[annotation, Field(alias=name)], default)
        for name, (annotation, default) in parameters.items()
    }
    config = ConfigDict(extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=False)
    try:
        return create_model(f"{found.name}_arguments", __config__=config, **fields)
    except PydanticUserError as error:
        raise _refused(found, [error.message]) from error


def _schema(found: Tool) -> JsonObject:
    try:
        return adapt(found.arguments.model_json_schema(), f"the tool {found.name}").json_schema
    except PydanticUserError as error:
        raise SchemaNotStrict(
            f"The tool {found.name} has a type that JSON schema does not know: {error.message}"
        ) from error


def _refused(found: Tool, faults: list[str]) -> ComponentDefinitionError:
    where = f"{found.function.__module__}.{found.function.__qualname__}"
    return ComponentDefinitionError(f"@tool {where}:" + "".join(f"\n  {fault}" for fault in faults))
