"""A value by its type and length: all that may be said of content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError

from orchestration.isolation import isolated

NOTHING = "nothing"
"""What is said of an empty value."""


def described(value: Any) -> str:
    """`text of 140 characters`, `list of 3`, `number of 12 digits`, `nothing`."""
    match value:
        case None:
            return NOTHING
        case bool():
            return "a truth value"
        case str():
            return f"text of {_count(len(value), 'character')}"
        case bytes():
            return f"{_count(len(value), 'byte')}"
        case int():
            return f"{'a negative ' if value < 0 else 'a '}number of {_count(len(str(abs(value))), 'digit')}"
        case list() | tuple():
            return f"list of {len(value)}"
        case dict():
            return f"object with {_count(len(value), 'key')}"
    return f"a {type(value).__name__}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def path_of(location: tuple[int | str, ...], names: Set[str]) -> str:
    """The path of a field. What is none of the `names` may be a key of the answer itself, and is not shown."""
    return ".".join(str(part) if isinstance(part, int) or part in names else "<key>" for part in location) or "all"


def names_in(schema: type[BaseModel]) -> Set[str]:
    """The names by which errors place what is wrong in an answer of this schema: fields, and the kinds of a value."""
    return KINDS_OF_VALUES | schema.model_fields.keys() | _named_in(_json_schema(schema))


def names_of(error: ValidationError) -> Set[str]:
    """`names_in` of the model whose validation failed, of which the error says the title alone."""
    titled = (model for model in _models(BaseModel) if _title(model) == error.title)
    return KINDS_OF_VALUES.union(*map(names_in, titled))


KINDS_OF_VALUES = frozenset({"str", "int", "float", "bool", "list", "dict", "none"})


def _models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


def _title(model: type[BaseModel]) -> str:
    return model.model_config.get("title") or model.__name__


@lru_cache(maxsize=256)
def _json_schema(model: type[BaseModel]) -> Any:
    """None of a model that has none, because a field is of a class of its own."""
    with isolated():
        return model.model_json_schema()
    return None


def _named_in(schema: Any) -> Set[str]:
    """Names of properties, definitions, and what tells the parts of a union apart."""
    if isinstance(schema, list):
        return frozenset().union(*map(_named_in, schema))
    if not isinstance(schema, dict):
        return frozenset()
    own = (schema[key] for key in ("properties", "$defs", "mapping") if isinstance(schema.get(key), dict))
    return frozenset().union(*own, *map(_named_in, schema.values()))


def shapes(values: Iterable[Any]) -> str:
    """What many values have in common: `text of 12 to 480 characters (48 of 50), nothing (2 of 50)`; empty without any.

    For saying how one value differs from those that went well.
    """
    sizes: dict[str, list[int]] = {}
    for value in values:
        kind, size = _measured(value)
        sizes.setdefault(kind, []).append(size)
    return _said(sizes)


def _said(sizes: dict[str, list[int]]) -> str:
    total = sum(map(len, sizes.values()))
    ordered = sorted(sizes.items(), key=lambda each: -len(each[1]))
    whole = len(ordered) == 1
    return ", ".join(_range(kind, found) + ("" if whole else f" ({len(found)} of {total})") for kind, found in ordered)


def lengths(measured: Iterable[int | None]) -> str:
    """`shapes` of texts of these lengths; None is not a text."""
    found = list(measured)
    sizes = {"text": [length for length in found if length is not None], NOTHING: [0] * found.count(None)}
    return _said({kind: each for kind, each in sizes.items() if each})


def _measured(value: Any) -> tuple[str, int]:
    """The kind of a value, as `UNITS` names it, and its size."""
    match value:
        case None:
            return NOTHING, 0
        case bool():
            return "a truth value", 0
        case str():
            return "text", len(value)
        case int():
            return "number", len(str(abs(value)))
        case list() | tuple():
            return "list", len(value)
        case dict():
            return "object", len(value)
    return f"a {type(value).__name__}", 0


UNITS = {"text": "characters", "number": "digits", "list": "items", "object": "keys"}


def _range(kind: str, sizes: list[int]) -> str:
    if kind not in UNITS:
        return kind
    least, most = min(sizes), max(sizes)
    return f"{kind} of {least:,} to {most:,} {UNITS[kind]}" if least != most else f"{kind} of {most:,} {UNITS[kind]}"
