"""Which schemas validate without running anybody's code: nothing in them can block, kill the process or take long."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from typing import Any

from pydantic import BaseModel

from orchestration.components.schemas import OutputSchema

LEAVES = frozenset(
    {"any", "none", "bool", "int", "float", "str", "literal", "enum", "date", "time", "datetime", "timedelta", "uuid"}
    | {"definition-ref"}  # what it refers to is among the definitions
)
BELOW = {
    "model": ("schema",),
    "nullable": ("schema",),
    "default": ("schema",),
    "definitions": ("schema", "definitions"),
    "list": ("items_schema",),
    "tuple": ("items_schema",),
    "dict": ("keys_schema", "values_schema"),
    "union": ("choices",),
}
"""By type of node: where its children are."""
AUTHORS = ("custom_init", "post_init", "default_factory")
"""Keys of a node under which there is code of an author."""


@lru_cache(maxsize=1024)
def is_plain(schema: type[OutputSchema]) -> bool:
    """Whether the schema consists of pydantic's own types, without validators; False for anything that is not known."""
    overridden = any("model_validate" in vars(base) for base in schema.__mro__ if base is not BaseModel)
    return not overridden and _is_plain(schema.__pydantic_core_schema__)


def _is_plain(node: Any) -> bool:
    kind = node["type"]
    if any(node.get(key) for key in AUTHORS) or _uses_re(node) or _has_missing(node):
        return False
    return kind in LEAVES or (kind in {*BELOW, "model-fields"} and all(map(_is_plain, _below(node))))


def _uses_re(node: Any) -> bool:
    """Whether patterns may be matched by Python's `re`, which can take exponential time; pydantic's own cannot."""
    engines = (node.get("regex_engine"), (node.get("config") or {}).get("regex_engine"))
    return any(engines) or not isinstance(node.get("pattern") or "", str)


def _has_missing(node: Any) -> bool:
    """Whether an enumeration has code for values that it does not list."""
    return node["type"] == "enum" and any("_missing_" in vars(base) for base in node["cls"].__mro__ if base is not Enum)


def _below(node: Any) -> Iterator[Any]:
    if node["type"] == "model-fields":
        yield from (field["schema"] for field in node["fields"].values())
    for key in BELOW.get(node["type"], ()):
        children = node.get(key, ())
        for child in children if isinstance(children, list | tuple) else [children]:
            yield child[0] if isinstance(child, tuple) else child  # a choice may come with its label
