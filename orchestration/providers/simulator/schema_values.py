"""A value for every JSON schema: what the simulator answers. The same arguments give the same value."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from typing import Any

from orchestration.providers.simulator.described_limits import with_described_limits
from orchestration.providers.simulator.filler_text import Writer
from orchestration.providers.simulator.prompt_reader import read_material
from orchestration.providers.simulator.responder import MakeResponder, Responder, responder_for
from orchestration.types import JsonObject

DEEPEST = 6
"""From this depth on the smallest value is taken: recursive schemas must end."""
INFINITE = math.inf
LEAST = re.compile(r"(?<![^_])min(?![^_])")
"""What names the lower end of a range: a word of its own between underscores."""


class CannotGenerate(ValueError):
    """No value can be made for this schema; the message says where and why."""


def value_for(
    schema: JsonObject,
    *,
    seed: bytes,
    message: str = "",
    context: JsonObject | None = None,
    texts: Sequence[str] = (),
    responders: tuple[MakeResponder, ...] = (),
) -> Any:
    """A value that `schema` accepts. `message` is what texts refer to, `texts` are all messages of the prompt.

    Scalars of `context` are used for properties of the same name when they fit. What `responders` give comes before
    generated values. Raises CannotGenerate.
    """
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    responder = responder_for(responders, read_material(list(texts), message), rng)
    writer = Writer(rng, message, responder)
    return _Generator(schema, rng, responder, writer, context or {}).value(schema, name="", depth=0)


class _Generator:
    def __init__(
        self, root: JsonObject, rng: random.Random, responder: Responder, writer: Writer, context: JsonObject
    ) -> None:
        self._root = root
        self._rng = rng
        self._responder = responder
        self._writer = writer
        self._context = context
        self._heights: dict[str, float] | None = None

    def value(self, schema: JsonObject | bool, *, name: str, depth: int) -> Any:
        schema = with_described_limits(self._resolved(schema))
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            picked = self._responder.picks(name, schema["enum"])
            return self._rng.choice(schema["enum"]) if picked is None else picked
        for union in ("anyOf", "oneOf"):
            if union in schema:
                rest = {key: value for key, value in schema.items() if key != union}
                return self.value(_merged(rest, self._branch(schema[union], depth)), name=name, depth=depth)
        match self._type(schema, depth):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "null":
                return None
            case scalar:
                return self._scalar(scalar, schema, name)

    def _resolved(self, schema: JsonObject | bool) -> JsonObject:
        """Without `$ref` and `allOf`; `true` accepts everything."""
        if isinstance(schema, bool):
            if not schema:
                raise CannotGenerate("the schema `false` accepts nothing")
            return {"type": "string"}
        while "$ref" in schema or "allOf" in schema:
            rest = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}
            if "$ref" in schema:
                rest = _merged(rest, self._target(schema["$ref"]))
            for part in schema.get("allOf", ()):
                rest = _merged(rest, part)
            schema = rest
        return schema

    def _target(self, pointer: str) -> JsonObject:
        target: Any = self._root
        for step in pointer.removeprefix("#").split("/")[1:]:
            target = target.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        if not pointer.startswith("#") or not isinstance(target, dict):
            raise CannotGenerate(f"the reference {pointer} does not resolve")
        return target

    def _branch(self, options: list[JsonObject], depth: int) -> JsonObject:
        if depth >= DEEPEST:
            return min(options, key=self._height)
        filled = [option for option in options if option.get("type") != "null"]
        if len(filled) < len(options) and (not filled or self._rng.random() < 0.2):
            return {"type": "null"}
        if any(option.get("type") == "number" for option in filled):  # pydantic's decimal: a number, or it as text
            filled = [option for option in filled if option.get("type") != "string"]
        return self._rng.choice([option for option in filled if self._height(option) < INFINITE] or filled)

    def _type(self, schema: JsonObject, depth: int) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            return str(self._type(self._branch([{"type": each} for each in kind], depth), depth))
        if kind is not None:
            return str(kind)
        if "properties" in schema:
            return "object"
        return "array" if "items" in schema or "prefixItems" in schema else "string"

    def _object(self, schema: JsonObject, depth: int, known: JsonObject | None = None) -> JsonObject:
        """An object; `known` holds values for properties, which are taken where they fit."""
        if self._height(schema) == INFINITE:
            raise CannotGenerate("the schema is infinitely recursive")
        required = set(schema.get("required", ()))
        properties: JsonObject = schema.get("properties", {})
        made = {
            name: self._property(part, name, depth + 1, known or {})
            for name, part in properties.items()
            if name in required or depth < DEEPEST
        }
        others = schema.get("additionalProperties", True)
        for index in range(max(schema.get("minProperties", 0), len(required - made.keys())) - len(made)):
            made[f"key_{index + 1}"] = self.value(others, name="", depth=depth + 1)
        return _in_order(made, properties)

    def _property(self, schema: JsonObject, name: str, depth: int, row: JsonObject) -> Any:
        if row:
            resolved = with_described_limits(self._resolved(schema))
            if "enum" in resolved:
                known = row.get(name)
                options = resolved["enum"]
                return known if known in options else self._responder.option(options, row, known)
            known = row.get(name)
            if self._fits(known, resolved) or (isinstance(known, list) and resolved.get("type") == "array"):
                return known
        known = self._context.get(name)
        if isinstance(known, str | int | float) and self._fits(known, self._resolved(schema)):
            return known
        return self.value(schema, name=name, depth=depth)

    def _fits(self, known: Any, schema: JsonObject) -> bool:
        """Whether a known scalar may be used here; False when in doubt."""
        if "anyOf" in schema:
            return any(self._fits(known, self._resolved(branch)) for branch in schema["anyOf"])
        kinds: dict[str, type | tuple[type, ...]] = {"string": str, "integer": int, "boolean": bool}
        expected = kinds.get(str(schema.get("type")))
        if expected is None or not isinstance(known, expected) or isinstance(known, bool) != (expected is bool):
            return False
        return schema.keys() <= {"type", "title", "description", "default"}

    def _array(self, schema: JsonObject, name: str, depth: int) -> list[Any]:
        made = [self.value(part, name=name, depth=depth + 1) for part in schema.get("prefixItems", ())]
        items = schema.get("items", not made)
        fewest, most = schema.get("minItems", 0), schema.get("maxItems", INFINITE)
        wanted = fewest
        rows = self._rows(items, name) if not made else None
        if rows or (rows is not None and not fewest):
            return [self._member(items, row, depth + 1) for row in rows[: int(min(most, len(rows)))]]
        if items is not False and depth < DEEPEST - 2 and self._height(items) < INFINITE:
            wanted = min(max(fewest, len(made) + self._rng.randint(1, self._responder.most_items)), most)
        for _ in range(20 * int(wanted)):
            if len(made) >= wanted:
                return made
            item = self.value(items, name=name, depth=depth + 1)
            if not (schema.get("uniqueItems") and item in made):
                made.append(item)
        if len(made) < fewest:
            raise CannotGenerate(f"{fewest} different items were asked for {name or 'a list'}, {len(made)} found")
        return made

    def _member(self, items: JsonObject | bool, row: Any, depth: int) -> Any:
        """A member of a list from what the responder knows."""
        return self._object(self._resolved(items), depth, row) if isinstance(row, dict) else row

    def _rows(self, items: JsonObject | bool, name: str) -> list[Any] | None:
        """What the responder knows of a list's members."""
        resolved = self._resolved(items) if not isinstance(items, bool) else {}
        return self._responder.rows(name, frozenset(resolved.get("properties", ())))

    def _scalar(self, kind: str, schema: JsonObject, name: str) -> Any:
        if kind == "boolean":
            decided = self._responder.decides(name)
            return self._rng.random() < 0.5 if decided is None else decided
        if kind == "integer":
            return self._integer(schema, name)
        if kind == "number":
            return self._number(schema, name)
        if kind != "string":
            raise CannotGenerate(f"the type {kind!r} is not a JSON type")
        text = self._writer.text(schema, name)
        if text is None:
            raise CannotGenerate(f"no text found for {name or 'the pattern'} that matches {schema.get('pattern')!r}")
        return text

    def _integer(self, schema: JsonObject, name: str) -> int:
        low, high = _bounds(schema)
        step: float = schema.get("multipleOf", 1)
        if "exclusiveMinimum" in schema:
            low = max(low, math.floor(schema["exclusiveMinimum"]) + 1)
        if "exclusiveMaximum" in schema:
            high = min(high, math.ceil(schema["exclusiveMaximum"]) - 1)
        first, last = math.ceil(low / step), math.floor(high / step)
        if first > last:
            raise CannotGenerate(f"no integer lies within the bounds of {name or 'the value'}")
        rated = self._responder.rates(name, first, last) if step == 1 else None
        if rated is not None:
            return round(rated)
        return round(self._rng.randint(first, last) * step)

    def _number(self, schema: JsonObject, name: str) -> float:
        low, high = _bounds(schema)
        if "multipleOf" in schema:
            return float(self._integer(schema | {"multipleOf": 1}, name) * schema["multipleOf"])
        if low > high:
            raise CannotGenerate(f"no number lies within the bounds of {name or 'the value'}")
        rated = self._responder.rates(name, low, high)
        if rated is not None:
            return float(rated)
        inside = low + (high - low) * self._rng.uniform(0.1, 0.9)
        rounded = round(inside, 2)
        return rounded if low < rounded < high else inside

    def _height(self, schema: JsonObject | bool) -> float:
        """Levels of the smallest value of `schema`; INFINITE when it never ends."""
        if self._heights is None:
            self._heights = {}
            for _ in range(len(self._root.get("$defs", {})) + 2):
                pointers = ["#", *(f"#/$defs/{name}" for name in self._root.get("$defs", {}))]
                self._heights = {pointer: self._measured(self._target(pointer)) for pointer in pointers}
        return self._measured(schema)

    def _measured(self, schema: JsonObject | bool) -> float:
        if isinstance(schema, bool):
            return 1
        parts = [self._heights_of(schema["$ref"])] if "$ref" in schema else []
        parts += [self._measured(part) for part in schema.get("allOf", ())]
        for union in ("anyOf", "oneOf"):
            if union in schema:
                parts.append(min(map(self._measured, schema[union])))
        required = schema.get("required", ())
        parts += [1 + self._measured(part) for name, part in schema.get("properties", {}).items() if name in required]
        if schema.get("minItems", 0) > 0:
            parts.append(1 + self._measured(schema.get("items", True)))
        return max(parts, default=1)

    def _heights_of(self, pointer: str) -> float:
        return (self._heights or {}).get(pointer, INFINITE)


def _in_order(made: JsonObject, properties: JsonObject) -> JsonObject:
    """With `x_min` no greater than `x_max`, nor `min_x` than `max_x`, where both have the same bounds."""
    for name, low in made.items():
        partner = LEAST.sub("max", name, count=1)
        high = made.get(partner)
        if partner == name or not (isinstance(low, int | float) and isinstance(high, int | float)) or low <= high:
            continue
        if _bounds(properties[name]) == _bounds(properties[partner]):
            made[name], made[partner] = high, low
    return made


def _merged(first: JsonObject, second: JsonObject) -> JsonObject:
    """Both schemas at once; properties and required lists add up, anything else is the first's."""
    merged = second | first
    for key in ("properties", "required"):
        if key in first and key in second:
            merged[key] = (
                second[key] | first[key] if key == "properties" else list(dict.fromkeys(second[key] + first[key]))
            )
    return merged


def _bounds(schema: JsonObject) -> tuple[float, float]:
    """Inclusive bounds; where a side is open, a hundred away from the other."""
    lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema]
    highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema]
    low = max(lows) if lows else (min(highs) - 100 if highs else 1)
    return low, min(highs) if highs else low + 99
