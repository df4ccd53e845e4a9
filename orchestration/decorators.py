"""`@service`, `@schema`, `@prompt_section`: check a class against its contract, name it and register it.

Each works bare (`@service`) and with parts of the identity (`@service(group="feedback")`). `@tool` is for functions,
which services name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, overload

from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

from orchestration.components.alignment import Unwired
from orchestration.components.identity import PROMPTS, SCHEMAS, SERVICES, derive_identity
from orchestration.components.prompts import PromptSection
from orchestration.components.registry import registry_for
from orchestration.components.round_trip import round_trip_faults
from orchestration.components.schemas import OutputSchema, shadowed_fields
from orchestration.components.strict_schema import StrictSchema, adapt
from orchestration.components.tools import tool as tool
from orchestration.errors import ComponentDefinitionError, SchemaNotStrict
from orchestration.service_checks import contract_faults, is_names
from orchestration.services import DjangoBaseService

C = TypeVar("C", bound=type)
ServiceT = TypeVar("ServiceT", bound=type[DjangoBaseService])
SchemaT = TypeVar("SchemaT", bound=type[OutputSchema])
SectionT = TypeVar("SectionT", bound=type[PromptSection])


def register_component(
    cls: C,
    domain: str,
    *,
    namespace: str | None = None,
    group: str | None = None,
    name: str | None = None,
) -> C:
    """Set `cls.identity` and register the class in its domain: the last step of every component decorator.

    Raises IdentityError, IdentityCollision or RegistryFrozenError.
    """
    identity = derive_identity(cls, domain, namespace=namespace, group=group, name=name)
    registry_for(domain).register(identity, cls)
    component: Any = cls
    component.identity = identity
    return cls


@overload
def service(cls: ServiceT, /) -> ServiceT: ...
@overload
def service(
    *, namespace: str | None = None, group: str | None = None, name: str | None = None
) -> Callable[[ServiceT], ServiceT]: ...
def service(cls: Any = None, /, **parts: str | None) -> Any:
    """Register a service. ComponentDefinitionError lists every attribute that is unknown or of the wrong kind."""

    def decorate(component: ServiceT) -> ServiceT:
        _check_base(component, DjangoBaseService, "service")
        _refuse(component, contract_faults(component))
        unwired: Any = Unwired()
        component.wiring = unwired
        return register_component(component, SERVICES, **parts)

    return decorate if cls is None else decorate(cls)


@overload
def prompt_section(cls: SectionT, /) -> SectionT: ...
@overload
def prompt_section(
    *, namespace: str | None = None, group: str | None = None, name: str | None = None
) -> Callable[[SectionT], SectionT]: ...
def prompt_section(cls: Any = None, /, **parts: str | None) -> Any:
    """Register a prompt section; ComponentDefinitionError says what in it is not as PromptSection documents it."""

    def decorate(component: SectionT) -> SectionT:
        _check_base(component, PromptSection, "prompt_section")
        _refuse(component, _section_faults(component))
        return register_component(component, PROMPTS, **parts)

    return decorate if cls is None else decorate(cls)


@overload
def schema(cls: SchemaT, /) -> SchemaT: ...
@overload
def schema(
    *, version: int = 1, namespace: str | None = None, group: str | None = None, name: str | None = None
) -> Callable[[SchemaT], SchemaT]: ...
def schema(cls: Any = None, /, *, version: int = 1, **parts: str | None) -> Any:
    """Adapt a schema for strict structured output and register it.

    Raises SchemaNotStrict with every path and violated rule, ComponentDefinitionError for a wrong base,
    a version below 1, a type that is not defined yet, or what could not be read back from a stored answer.
    """

    def decorate(component: SchemaT) -> SchemaT:
        _check_base(component, OutputSchema, "schema")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            _refuse(component, [f"version must be a whole number from 1, not {version!r}."])
        _refuse(component, [_shadowed(field) for field in shadowed_fields(component)])
        name = derive_identity(component, SCHEMAS, **parts).name
        component.strict = _adapted(component, name)
        _refuse(component, round_trip_faults(component))
        component.version = version
        return register_component(component, SCHEMAS, **parts)

    return decorate if cls is None else decorate(cls)


def _shadowed(field: str) -> str:
    return (
        f"the field {field} has the name of a class attribute that a mixin or base sets; "
        f'call it {field}_ and give it Field(alias="{field}"), which keeps the name in the answer.'
    )


def _adapted(component: type[OutputSchema], name: str) -> StrictSchema:
    title = f"{component.__module__}.{component.__qualname__}"
    try:
        source = component.model_json_schema()
    except PydanticInvalidForJsonSchema as error:
        raise SchemaNotStrict(f"{title} has a type that JSON schema does not know: {error.message}") from error
    except PydanticUserError as error:
        raise ComponentDefinitionError(f"@schema {title}: {error.message}") from error
    return adapt(source, name)


def _section_faults(component: type[PromptSection]) -> list[str]:
    faults = []
    if not isinstance(component.weight, int) or isinstance(component.weight, bool):
        faults.append(f"weight must be a whole number, not {component.weight!r}.")
    if not is_names(component.required_variables):
        faults.append(f"required_variables must be a tuple of strings, not {component.required_variables!r}.")
    methods = (
        (component.render_instruction, PromptSection.render_instruction),
        (component.render_message, PromptSection.render_message),
    )
    if all(own is default for own, default in methods):
        faults.append("it renders nothing: define render_instruction, render_message or both.")
    faults += [
        f"{default.__name__} must be a coroutine function (async def)."
        for own, default in methods
        if not inspect.iscoroutinefunction(own)
    ]
    needed = [
        name
        for name, parameter in inspect.signature(component).parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}
    ]
    if needed:
        faults.append(f"it is created without arguments, but needs {', '.join(needed)}: give them defaults.")
    return faults


def _check_base(component: object, base: type, decorator: str) -> None:
    if not (isinstance(component, type) and issubclass(component, base)):
        shown = component.__qualname__ if isinstance(component, type) else repr(component)
        raise ComponentDefinitionError(f"@{decorator} is for subclasses of {base.__name__}, which {shown} is not.")


def _refuse(component: type, faults: list[str]) -> None:
    if faults:
        listed = "".join(f"\n  {fault}" for fault in faults)
        raise ComponentDefinitionError(f"{component.__module__}.{component.__qualname__}:{listed}")
