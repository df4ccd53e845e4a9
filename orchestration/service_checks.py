"""What a service class may declare: the documented attributes with values of their kind, methods and private names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partialmethod
from typing import Any

from orchestration.components.approval import Approval
from orchestration.components.prompts import PromptSection
from orchestration.components.routing import routes_faults
from orchestration.components.schemas import OutputSchema
from orchestration.components.text_paths import is_path
from orchestration.components.tools import Tool, ToolLimits
from orchestration.retry import RetryPolicy
from orchestration.services import DjangoBaseService
from orchestration.values.content_parts import KINDS

DESCRIPTORS = (property, cached_property, classmethod, staticmethod, partialmethod)


@dataclass(frozen=True, slots=True)
class Rule:
    """What the value of one attribute must be."""

    expected: str
    accepts: Callable[[Any], bool]


def is_names(value: Any) -> bool:
    """A list or tuple of non-empty strings; a bare string is the classic mistake `("simulation_id")`."""
    return isinstance(value, tuple | list) and all(isinstance(name, str) and name for name in value)


def _is_subclass(value: Any, base: type) -> bool:
    return isinstance(value, type) and issubclass(value, base)


def _is_section(value: Any) -> bool:
    return isinstance(value, str) or _is_subclass(value, PromptSection)


ATTRIBUTES: dict[str, Rule] = {
    "required_context_keys": Rule("a tuple of strings", is_names),
    "schema": Rule(
        "an OutputSchema class, its identity as a string, or None",
        lambda value: value is None or isinstance(value, str) or _is_subclass(value, OutputSchema),
    ),
    "prompt_plan": Rule(
        "a tuple of PromptSection classes or their identities as strings, or None",
        lambda value: value is None or (isinstance(value, tuple | list) and all(map(_is_section, value))),
    ),
    "codec": Rule(
        "a codec class, its identity as a string, or None",
        lambda value: value is None or isinstance(value, str | type),
    ),
    "model": Rule("a string or None", lambda value: value is None or (isinstance(value, str) and value != "")),
    "client": Rule("a string or None", lambda value: value is None or (isinstance(value, str) and value != "")),
    "retry": Rule("a RetryPolicy or None", lambda value: value is None or isinstance(value, RetryPolicy)),
    "parameters": Rule("a dict", lambda value: isinstance(value, Mapping)),
    "timeout": Rule(
        "a positive number of seconds or None",
        lambda value: value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value > 0),
    ),
    "stream": Rule(
        'True, False, or the path of a text in the schema ("reply", "messages[].text")',
        lambda value: isinstance(value, bool) or is_path(value),
    ),
    "content_kinds": Rule(
        f"a tuple of {', '.join(KINDS)}",
        lambda value: is_names(value) and set(value) <= set(KINDS),
    ),
    "tools": Rule(
        "a list of functions with @tool, and of dicts that describe a provider's own",
        lambda value: isinstance(value, tuple | list) and all(isinstance(each, Tool | Mapping) for each in value),
    ),
    "tool_limits": Rule("a ToolLimits", lambda value: isinstance(value, ToolLimits)),
    "approval": Rule("an Approval or None", lambda value: value is None or isinstance(value, Approval)),
}
CHECKED_ELSEWHERE = ("routes", "fallback_on")
IDENTITY_ATTRIBUTES = ("namespace", "group", "name")


def contract_faults(cls: type[DjangoBaseService]) -> list[str]:
    """What in a service class breaks the contract, one sentence each."""
    faults = [*_unknown_attributes(cls), *_wrong_values(cls), *routes_faults(cls), *_repeated_tools(cls)]
    if not inspect.iscoroutinefunction(inspect.unwrap(cls.execute)):
        faults.append("execute must be a coroutine function (async def).")
    if not inspect.isfunction(cls.needs_approval) or inspect.iscoroutinefunction(cls.needs_approval):
        faults.append("needs_approval must be a plain method: def needs_approval(self, response) -> str | None.")
    return faults


def _unknown_attributes(cls: type[DjangoBaseService]) -> Iterator[str]:
    """Public class attributes, of the class or its mixins, that are neither methods nor known to a service."""
    documented = {name for base in DjangoBaseService.__mro__ for name in (*vars(base), *_annotations(base))}
    for base in cls.__mro__:
        if base in DjangoBaseService.__mro__:
            continue
        for name, value in vars(base).items():
            if name.startswith("_") or name in documented or inspect.isroutine(value):
                continue
            if not isinstance(value, DESCRIPTORS):
                yield (
                    f"{name} (set in {base.__qualname__}) is not an attribute of services; "
                    f"they are {', '.join((*ATTRIBUTES, *CHECKED_ELSEWHERE, *IDENTITY_ATTRIBUTES))}. "
                    "Methods and names with a leading underscore are free."
                )


def _wrong_values(cls: type[DjangoBaseService]) -> Iterator[str]:
    values = {name: value for base in reversed(cls.__mro__) for name, value in vars(base).items()}
    for name, rule in ATTRIBUTES.items():
        if not rule.accepts(values[name]):
            yield f"{name} must be {rule.expected}, not {_shown(values[name])}."


def _repeated_tools(cls: type[DjangoBaseService]) -> Iterator[str]:
    listed = cls.tools if ATTRIBUTES["tools"].accepts(cls.tools) else ()
    names = [each.name for each in listed if isinstance(each, Tool)]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        yield f"tools has two of the name {name}: give one of them another, @tool(name=…)."


def _annotations(base: type) -> Mapping[str, Any]:
    return inspect.get_annotations(base)


def _shown(value: object) -> str:
    return f"{type(value).__name__} {value!r}"[:120]
