"""The sizes that strict structured output allows.

From OpenAI's guide "Structured Outputs", section "Supported schemas", as of 2026. The guide does not say how nesting
is counted; here it is objects inside objects, the root being the first, through references, which is the strictest
reading that leaves recursive schemas possible.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestration.types import JsonObject

MAX_PROPERTIES = 5_000
MAX_DEPTH = 10
MAX_ENUM_VALUES = 1_000
MAX_NAMES_LENGTH = 120_000
"""Characters of all property names, definition names, enum and const values."""
BIG_ENUM = 250
MAX_BIG_ENUM_LENGTH = 15_000
"""Characters of all values of one enum with more than BIG_ENUM values."""


def limit_violations(schema: JsonObject) -> list[str]:
    """What an adapted schema has too much of, as `path: rule` lines."""
    nodes = list(_nodes(schema, "$"))
    counts = (
        ("properties", sum(len(node.get("properties", ())) for _, node in nodes), MAX_PROPERTIES),
        ("levels of nested objects", depth(schema), MAX_DEPTH),
        ("enum values", sum(len(node.get("enum", ())) for _, node in nodes), MAX_ENUM_VALUES),
        ("characters in names and values", sum(_names_length(node) for _, node in nodes), MAX_NAMES_LENGTH),
    )
    found = [f"$: {count} {what}, at most {limit} are allowed" for what, count, limit in counts if count > limit]
    return found + [
        f"{path}: an enum of {len(node['enum'])} values may have at most {MAX_BIG_ENUM_LENGTH} characters"
        for path, node in nodes
        if len(node.get("enum", ())) > BIG_ENUM and sum(map(_length, node["enum"])) > MAX_BIG_ENUM_LENGTH
    ]


def depth(schema: JsonObject) -> int:
    """Levels of objects inside objects, the root included; a recursive reference counts once."""
    return _depth(schema, schema.get("$defs", {}), frozenset())


def _depth(node: JsonObject, definitions: JsonObject, entered: frozenset[str]) -> int:
    ref = node.get("$ref")
    if ref is not None:
        target = ref.rpartition("/")[2]
        return 0 if target in entered else _depth(definitions[target], definitions, entered | {target})
    own = 1 if node.get("type") == "object" else 0
    children = [child for _, child in _children(node, "")]
    return own + max((_depth(child, definitions, entered) for child in children), default=0)


def _nodes(node: JsonObject, path: str) -> Iterator[tuple[str, JsonObject]]:
    """This node and every one below it, definitions once each, with their paths."""
    yield path, node
    for child_path, child in _children(node, path):
        yield from _nodes(child, child_path)
    for name, definition in node.get("$defs", {}).items():
        yield from _nodes(definition, f"$defs.{name}")


def _children(node: JsonObject, path: str) -> Iterator[tuple[str, JsonObject]]:
    for key, child in node.get("properties", {}).items():
        yield f"{path}.{key}", child
    for index, child in enumerate(node.get("anyOf", ())):
        yield f"{path}.anyOf[{index}]", child
    if "items" in node:
        yield f"{path}[]", node["items"]


def _names_length(node: JsonObject) -> int:
    names = [*node.get("properties", ()), *node.get("$defs", ()), *node.get("enum", ())]
    return sum(map(_length, names)) + _length(node.get("const", ""))


def _length(value: Any) -> int:
    return len(str(value))
