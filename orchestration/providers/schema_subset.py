"""From an adapted strict schema to the smaller subsets of JSON Schema that some providers take.

What a provider does not take is said to the model in the description, in words that pydantic checks on the answer. What
would change the meaning is a violation, and every violation is reported, with its path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from orchestration.components.strict_schema import IN_WORDS, REF_PREFIX, with_words
from orchestration.types import JsonObject

STRUCTURE = frozenset({"type", "description", "properties", "required", "additionalProperties", "items", "anyOf"})
"""Keywords of every subset, beside `$ref` and `$defs`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subset:
    """What a provider's structured output takes beside STRUCTURE."""

    keywords: frozenset[str]
    formats: frozenset[str]
    takes: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)
    """Keywords that it takes with some values only."""
    enum_types: tuple[type, ...] = (str, int, float, bool, type(None))
    """What the values of an enum may be."""
    recursion: bool = False
    described_references: bool = True
    """A `$ref` may stand beside a description."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A schema within a subset, or why there is none."""

    schema: JsonObject
    violations: tuple[str, ...]


def narrowed(schema: JsonObject, subset: Subset) -> Narrowed:
    """An adapted strict schema within a subset. The same schema is translated once."""
    return _narrowed(orjson.dumps(schema), _Keyed(subset))


class _Keyed:
    """A subset as the key of a cache: there is one for each provider."""

    __slots__ = ("subset",)

    def __init__(self, subset: Subset) -> None:
        self.subset = subset

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and other.subset is self.subset

    def __hash__(self) -> int:
        return id(self.subset)


@lru_cache(maxsize=512)
def _narrowed(raw: bytes, keyed: _Keyed) -> Narrowed:
    schema = orjson.loads(raw)
    narrower = _Narrower(schema.get("$defs", {}), keyed.subset)
    found = narrower.node({key: value for key, value in schema.items() if key != "$defs"}, "$", ())
    definitions = {
        name: narrower.node(target, f"$defs.{name}", (REF_PREFIX + name,))
        for name, target in narrower.definitions.items()
    }
    return Narrowed(found | ({"$defs": definitions} if definitions else {}), tuple(dict.fromkeys(narrower.violations)))


class _Narrower:
    def __init__(self, definitions: JsonObject, subset: Subset) -> None:
        self.definitions = definitions
        self.subset = subset
        self.violations: list[str] = []

    def node(self, schema: JsonObject, path: str, inside: tuple[str, ...]) -> JsonObject:
        """One schema; `inside`: the definitions that it is part of."""
        if "$ref" in schema:
            return self._reference(schema, path, inside)
        kept: JsonObject = {}
        dropped: JsonObject = {}
        for key, value in schema.items():
            (kept if self._takes(key, value) else dropped)[key] = value
        if "const" in dropped:
            kept["enum"] = [dropped.pop("const")]
        if any(type(value) not in self.subset.enum_types for value in kept.get("enum", ())):
            self.violations.append(f"{path}: enum has values of a type that is not supported")
        unknown = [key for key in dropped if key not in IN_WORDS]
        self.violations += [f"{path}: unsupported keyword {key}" for key in unknown]
        text = with_words(kept.get("description", ""), {key: dropped[key] for key in dropped if key in IN_WORDS})
        return self._inner(kept | ({"description": text} if text else {}), path, inside)

    def _inner(self, schema: JsonObject, path: str, inside: tuple[str, ...]) -> JsonObject:
        if "properties" in schema:
            schema["properties"] = {
                name: self.node(each, f"{path}.{name}", inside) for name, each in schema["properties"].items()
            }
        if "items" in schema:
            schema["items"] = self.node(schema["items"], f"{path}[]", inside)
        if "anyOf" in schema:
            schema["anyOf"] = [self.node(each, f"{path}.anyOf[{n}]", inside) for n, each in enumerate(schema["anyOf"])]
        return schema

    def _reference(self, schema: JsonObject, path: str, inside: tuple[str, ...]) -> JsonObject:
        if not self.subset.recursion and self._leads_into(schema["$ref"], inside):
            self.violations.append(f"{path}: a recursive reference ({schema['$ref'].removeprefix(REF_PREFIX)})")
        return schema if self.subset.described_references else {"$ref": schema["$ref"]}

    def _leads_into(self, ref: str, inside: tuple[str, ...]) -> bool:
        """Whether a definition leads back to one that the reference is part of."""
        if not inside:
            return False
        seen: set[str] = set()
        waiting = [ref]
        while waiting:
            at = waiting.pop()
            if at == inside[0]:
                return True
            if at not in seen:
                seen.add(at)
                waiting += _references(self.definitions.get(at.removeprefix(REF_PREFIX)))
        return False

    def _takes(self, key: str, value: Any) -> bool:
        if key in STRUCTURE:
            return True
        if key == "format":
            return value in self.subset.formats
        if key in self.subset.takes:
            return self.subset.takes[key](value)
        return key in self.subset.keywords


def _references(schema: Any) -> list[str]:
    """The references in a schema."""
    if isinstance(schema, list):
        return [ref for each in schema for ref in _references(each)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
    return own + [ref for each in schema.values() for ref in _references(each)]
