"""From pydantic's JSON schema to the subset that strict structured output accepts.

The subset is OpenAI's (platform guide "Structured Outputs", section "Supported schemas"). A keyword outside of it is
dropped only when pydantic checks it again on the answer; the description then says it to the model in words. What
would change the meaning of the schema is a violation, and every violation is reported, with its path.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.components.strict_schema_limits import limit_violations
from orchestration.errors import NotJson, SchemaNotStrict
from orchestration.types import JsonObject
from orchestration.values.sanitize import check_json

REF_PREFIX = "#/$defs/"
MAX_NAME = 64

ANNOTATIONS = frozenset(
    {"title", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "$schema", "$id"}
    | {"discriminator", "contentMediaType", "contentEncoding", "contentSchema"}
)
"""Keywords that pydantic does not enforce."""
OBJECT = frozenset({"properties", "required", "additionalProperties"})
NUMBER = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
ARRAY = frozenset({"minItems", "maxItems"})
FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})

IN_WORDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "uniqueItems": "no duplicates",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minimum": "minimum {}",
    "maximum": "maximum {}",
    "exclusiveMinimum": "greater than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "pattern": "matching the regular expression {}",
    "format": "format {}",
}
"""Constraints that are dropped where a provider does not take them, in words for the model."""
OPENINGS = "|".join(re.escape(words.partition("{}")[0]) for words in IN_WORDS.values())
BRACKET = re.compile(rf"\(((?:{OPENINGS}).*)\)$", re.DOTALL)
"""The end of a description that says what was dropped."""

NO_GRAMMAR = re.compile(r"\(\?(?:[=!]|<[=!])|\\[1-9]|\(\?P=")
"""Lookaround and back-references, which the provider refuses."""

JSON_TYPES = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (type(None), "null"))

OPEN_MAP = "open map: keys must be declared; use a list of objects with a key and a value"
TUPLE = "tuple: items have one type each; use a model with named fields"
ANYTHING = "any value: state a type"


@dataclass(frozen=True, slots=True, kw_only=True)
class StrictSchema:
    """An adapted schema, ready to be sent."""

    name: str
    """1-64 characters of `[A-Za-z0-9_-]`."""
    json_schema: JsonObject
    fingerprint: str
    """First 16 hex digits of the SHA-256 of the canonical JSON."""


def adapt(schema: JsonObject, name: str) -> StrictSchema:
    """Adapt a JSON schema as pydantic writes it; SchemaNotStrict lists every path and violated rule."""
    adapter = _Adapter(schema)
    adapted = adapter.root()
    violations = adapter.violations or limit_violations(adapted) or _unwritable(adapted)
    if violations:
        listed = "".join(f"\n  {violation}" for violation in violations)
        raise SchemaNotStrict(f"{name} cannot be a strict structured output:{listed}")
    return StrictSchema(name=name[:MAX_NAME], json_schema=adapted, fingerprint=fingerprint(adapted))


def _unwritable(adapted: JsonObject) -> list[str]:
    """What no request can carry: a bound that is infinite, half of a surrogate pair in a key."""
    try:
        check_json(adapted, "$")
    except NotJson as error:
        return [str(error)]
    return []


def fingerprint(schema: JsonObject) -> str:
    """16 hex digits that change when the schema does."""
    canonical = json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


class _Adapter:
    """Walks one schema; definitions are adapted when something refers to them, so unused ones disappear."""

    def __init__(self, schema: JsonObject) -> None:
        self.source = schema
        self.definitions: Mapping[str, Any] = schema.get("$defs", {})
        self.adapted: dict[str, Any] = {}
        self.violations: list[str] = []

    def root(self) -> JsonObject:
        source = _without(self.source, "$defs")
        inlined: frozenset[str] = frozenset()
        if "$ref" in source:  # a recursive root: it is written out, its inner references stay
            inlined = frozenset({source["$ref"]})
            source = {**self._target(source["$ref"], "$"), **_without(source, "$ref")}
        if source.get("type") != "object":
            self._violation("$", "the root must be an object, not a union, a list or a single value")
        adapted = self.node(source, "$", inlined)
        return adapted | ({"$defs": self.adapted} if self.adapted else {})

    def node(self, schema: Any, path: str, inlined: frozenset[str]) -> JsonObject:
        """One schema; `inlined` holds the definitions that are being written out around it."""
        if not isinstance(schema, dict):
            self._violation(path, ANYTHING)
            return {}
        schema = {key: value for key, value in schema.items() if key not in ANNOTATIONS and not key.startswith("x-")}
        if "$ref" in schema:
            return self._reference(schema, path, inlined)
        if "allOf" in schema:
            return self._intersection(schema, path, inlined)
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self._union(schema, key, path, inlined)
        return self._typed(schema, path, inlined)

    def _reference(self, schema: JsonObject, path: str, inlined: frozenset[str]) -> JsonObject:
        """A bare reference stays; one with sibling keywords is replaced by a copy of its target with them."""
        ref = schema["$ref"]
        siblings = _without(schema, "$ref")
        recursive = ref in inlined and siblings.keys() <= {"description"}
        if siblings and not recursive:
            if ref in inlined:
                self._violation(path, "a recursive reference cannot carry constraints of its own")
                return {}
            return self.node({**self._target(ref, path), **siblings}, path, inlined | {ref})
        self._define(ref, path)
        return {"$ref": ref}

    def _intersection(self, schema: JsonObject, path: str, inlined: frozenset[str]) -> JsonObject:
        parts = schema["allOf"]
        if len(parts) != 1 or not isinstance(parts[0], dict):
            self._violation(path, "allOf: an intersection of several schemas is not supported")
            return {}
        return self.node({**parts[0], **_without(schema, "allOf")}, path, inlined)

    def _union(self, schema: JsonObject, key: str, path: str, inlined: frozenset[str]) -> JsonObject:
        self._unsupported(_without(schema, key), {"description"}, path)
        members = [self.node(member, f"{path}.{key}[{index}]", inlined) for index, member in enumerate(schema[key])]
        return _described({"anyOf": members}, schema, {})

    def _typed(self, schema: JsonObject, path: str, inlined: frozenset[str]) -> JsonObject:
        kind = schema.get("type") or _type_of_values(schema)
        if kind is None:
            self._violation(path, ANYTHING)
            return {}
        if kind == "object":
            return self._object(schema, path, inlined)
        if kind == "array":
            return self._array(schema, path, inlined)
        return self._scalar(schema, kind, path)

    def _object(self, schema: JsonObject, path: str, inlined: frozenset[str]) -> JsonObject:
        self._unsupported(schema, OBJECT | {"type", "description"}, path)
        if schema.get("additionalProperties", False) is not False or "properties" not in schema:
            self._violation(path, OPEN_MAP)
        properties = {
            key: self.node(value, f"{path}.{key}", inlined) for key, value in schema.get("properties", {}).items()
        }
        closed = {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
        return _described(closed, schema, {})

    def _array(self, schema: JsonObject, path: str, inlined: frozenset[str]) -> JsonObject:
        if "prefixItems" in schema:
            self._violation(path, TUPLE)
            return {}
        self._unsupported(schema, ARRAY | {"type", "description", "items", "uniqueItems"}, path)
        items = self.node(schema.get("items"), f"{path}[]", inlined)
        array = {"type": "array", "items": items} | {key: schema[key] for key in schema if key in ARRAY}
        return _described(array, schema, {key: schema[key] for key in schema if key == "uniqueItems"})

    def _scalar(self, schema: JsonObject, kind: Any, path: str) -> JsonObject:
        allowed = {"type", "description", "enum", "const", "minLength", "maxLength", "pattern", "format", *NUMBER}
        self._unsupported(schema, allowed, path)
        dropped = {key: schema[key] for key in schema if key in {"minLength", "maxLength"}}
        if NO_GRAMMAR.search(schema.get("pattern", "")):
            dropped["pattern"] = schema["pattern"]
        if "format" in schema and schema["format"] not in FORMATS:
            dropped["format"] = schema["format"]
        kept = {key: value for key, value in schema.items() if key not in dropped and key != "description"}
        return _described({"type": kind} | kept, schema, dropped)

    def _define(self, ref: str, path: str) -> None:
        name = ref.removeprefix(REF_PREFIX)
        if name not in self.adapted:
            self.adapted[name] = {}  # marks it as known before its own references are followed
            self.adapted[name] = self.node(self._target(ref, path), f"$defs.{name}", frozenset({ref}))

    def _target(self, ref: str, path: str) -> JsonObject:
        target = self.definitions.get(ref.removeprefix(REF_PREFIX))
        if not ref.startswith(REF_PREFIX) or not isinstance(target, dict):
            self._violation(path, f"$ref {ref} leads to no definition")
            return {"type": "object", "properties": {}}
        return target

    def _unsupported(self, schema: JsonObject, allowed: frozenset[str] | set[str], path: str) -> None:
        for key in schema:
            if key in {"patternProperties", "propertyNames"}:
                self._violation(path, OPEN_MAP)
            elif key not in allowed:
                self._violation(path, f"unsupported keyword {key}")

    def _violation(self, path: str, rule: str) -> None:
        line = f"{path}: {rule}"
        if line not in self.violations:
            self.violations.append(line)


def _described(adapted: JsonObject, schema: JsonObject, dropped: JsonObject) -> JsonObject:
    """The adapted node with its description, and in it the constraints that the provider would not take."""
    text = with_words(schema.get("description", ""), dropped)
    return adapted | ({"description": text} if text else {})


def with_words(description: str, dropped: JsonObject) -> str:
    """A description that says in its closing bracket which constraints are dropped, besides those that it says."""
    words = ", ".join(IN_WORDS[key].format(value) for key, value in dropped.items() if value is not False)
    said = BRACKET.search(description)
    if words and said:
        return f"{description[: said.start()]}({said[1]}, {words})"
    return " ".join(part for part in (description, f"({words})" if words else "") if part)


def _type_of_values(schema: JsonObject) -> str | list[str] | None:
    """The type, or types, of the values of `enum` or `const`; None without either."""
    values = schema["enum"] if "enum" in schema else [schema["const"]] if "const" in schema else []
    kinds = dict.fromkeys(next((name for kind, name in JSON_TYPES if isinstance(v, kind)), "object") for v in values)
    return next(iter(kinds), None) if len(kinds) < 2 else list(kinds)


def _without(schema: JsonObject, key: str) -> JsonObject:
    return {name: value for name, value in schema.items() if name != key}
