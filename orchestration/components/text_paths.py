"""Which text of an answer is streamed: all of it, or the field of a schema that a path names.

`reply` is a field, `messages[].text` a field of each item of a list: each item is a part of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from pydantic_core import from_json

from orchestration.types import JsonObject
from orchestration.values.sanitize import NUL

PATH = re.compile(r"[^\W\d]\w*(?:\[\])?(?:\.[^\W\d]\w*(?:\[\])?)*")
ITEM = "[]"
Path = tuple[str, ...]


def is_path(value: object) -> bool:
    """Whether this is written as a path is."""
    return isinstance(value, str) and PATH.fullmatch(value) is not None


@lru_cache(maxsize=256)
def steps_of(path: str) -> Path:
    """`messages[].text` as `("messages", "[]", "text")`."""
    return tuple(step for name in path.split(".") for step in ([name[:-2], ITEM] if name.endswith(ITEM) else [name]))


def texts_at(value: Any, steps: Path) -> list[str]:
    """The texts at a path, in order; what is missing, or something else, is left out."""
    return [text.replace(NUL, "\N{REPLACEMENT CHARACTER}") for text in _texts(value, steps)]


def texts_so_far(written: str, steps: Path) -> list[str]:
    """The texts at a path in JSON of which the end is missing; none of what is not JSON."""
    try:
        return texts_at(from_json(written, allow_partial="trailing-strings"), steps)
    except ValueError:
        return []


def _texts(value: Any, steps: Path) -> Iterator[str]:
    if not steps:
        if isinstance(value, str):
            yield value
    elif steps[0] == ITEM:
        for item in value if isinstance(value, list) else ():
            yield from _texts(item, steps[1:])
    elif isinstance(value, dict):
        yield from _texts(value.get(steps[0]), steps[1:])


def leads_to_text(schema: JsonObject, steps: Path) -> bool:
    """Whether a JSON schema has a text at this path, in one of its choices at least."""
    return _leads(schema, steps, schema.get("$defs") or {}, 0)


def _leads(node: Any, steps: Path, definitions: JsonObject, depth: int) -> bool:
    if not isinstance(node, dict) or depth > 100:
        return False
    if "$ref" in node:
        return _leads(definitions.get(str(node["$ref"]).rpartition("/")[2]), steps, definitions, depth + 1)
    choices: Sequence[Any] = [*(node.get("anyOf") or ()), *(node.get("oneOf") or ()), *(node.get("allOf") or ())]
    if any(_leads(choice, steps, definitions, depth + 1) for choice in choices):
        return True
    if not steps:
        return "string" in (node.get("type"), *(node["type"] if isinstance(node.get("type"), list) else ()))
    if steps[0] == ITEM:
        return _leads(node.get("items"), steps[1:], definitions, depth + 1)
    return _leads((node.get("properties") or {}).get(steps[0]), steps[1:], definitions, depth + 1)
