"""A value for every JSON schema: what the simulator answers. The same arguments give the same value."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from orchestration.providers.judging import Judge, judges
from orchestration.providers.material import Material, read_material
from orchestration.providers.players import Player
from orchestration.providers.roles import Role, casts
from orchestration.providers.speech import stems
from orchestration.providers.texts import Writer
from orchestration.providers.told import with_told
from orchestration.types import JsonObject

DEEPEST = 6
"""From here on the smallest value is taken: recursive schemas must end."""
ENDLESS = math.inf


class CannotGenerate(ValueError):
    """No value can be made for this schema; the message says where and why."""


def value_for(
    schema: JsonObject,
    *,
    seed: bytes,
    message: str = "",
    context: JsonObject | None = None,
    texts: Sequence[str] = (),
) -> Any:
    """A value that `schema` accepts. `message` is what texts refer to, `texts` are all messages of the prompt.

    Scalars of `context` are taken over for properties of the same name when they fit. Raises CannotGenerate.
    """
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    player = player_for(read_material(list(texts), message), rng)
    return _Generator(schema, rng, player, Writer(rng, message, player), context or {}).value(schema, name="", depth=0)


def player_for(material: Material, rng: random.Random) -> Player:
    """Whoever the prompt wants to hear."""
    if casts(material):
        return Role(material, rng)
    return Judge(material, rng) if judges(material) else Player(material, rng)


class _Generator:
    def __init__(
        self, root: JsonObject, rng: random.Random, player: Player, writer: Writer, context: JsonObject
    ) -> None:
        self._root = root
        self._rng = rng
        self._player = player
        self._writer = writer
        self._context = context
        self._heights: dict[str, float] | None = None

    def value(self, schema: JsonObject | bool, *, name: str, depth: int) -> Any:
        schema = with_told(self._resolved(schema))
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._rng.choice(schema["enum"])
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
            raise CannotGenerate(f"the reference {pointer} leads nowhere")
        return target

    def _branch(self, options: list[JsonObject], depth: int) -> JsonObject:
        if depth >= DEEPEST:
            return min(options, key=self._height)
        filled = [option for option in options if option.get("type") != "null"]
        if len(filled) < len(options) and (not filled or self._rng.random() < 0.2):
            return {"type": "null"}
        if any(option.get("type") == "number" for option in filled):  # pydantic's decimal: a number, or it as text
            filled = [option for option in filled if option.get("type") != "string"]
        return self._rng.choice([option for option in filled if self._height(option) < ENDLESS] or filled)

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
        if self._height(schema) == ENDLESS:
            raise CannotGenerate("the schema refers to itself without an end")
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
        return made

    def _property(self, schema: JsonObject, name: str, depth: int, row: JsonObject) -> Any:
        if row:
            resolved = with_told(self._resolved(schema))
            if "enum" in resolved:
                return _member(resolved["enum"], row.get(name), row)
            if isinstance(row.get(name), str) and self._fits(row[name], resolved):
                return row[name]
        known = self._context.get(name)
        if isinstance(known, str | int | float) and self._fits(known, self._resolved(schema)):
            return known
        return self.value(schema, name=name, depth=depth)

    def _fits(self, known: Any, schema: JsonObject) -> bool:
        """Whether a scalar of the context can stand here; when in doubt it cannot."""
        kinds: dict[str, type | tuple[type, ...]] = {"string": str, "integer": int, "boolean": bool}
        expected = kinds.get(str(schema.get("type")))
        if expected is None or not isinstance(known, expected) or isinstance(known, bool) != (expected is bool):
            return False
        return schema.keys() <= {"type", "title", "description", "default"}

    def _array(self, schema: JsonObject, name: str, depth: int) -> list[Any]:
        made = [self.value(part, name=name, depth=depth + 1) for part in schema.get("prefixItems", ())]
        items = schema.get("items", not made)
        fewest, most = schema.get("minItems", 0), schema.get("maxItems", ENDLESS)
        wanted = fewest
        rows = self._rows(items, name) if not made else []
        if rows:
            return [self._object(self._resolved(items), depth + 1, row) for row in rows[: int(min(most, len(rows)))]]
        if items is not False and depth < DEEPEST - 2 and self._height(items) < ENDLESS:
            wanted = min(max(fewest, len(made) + self._rng.randint(1, self._player.most_items)), most)
        for _ in range(20 * int(wanted)):
            if len(made) >= wanted:
                return made
            item = self.value(items, name=name, depth=depth + 1)
            if not (schema.get("uniqueItems") and item in made):
                made.append(item)
        if len(made) < fewest:
            raise CannotGenerate(f"{fewest} different items were asked for {name or 'a list'}, {len(made)} found")
        return made

    def _rows(self, items: JsonObject | bool, name: str) -> list[JsonObject]:
        """What the player knows of a list's objects; nothing when too few."""
        resolved = self._resolved(items) if not isinstance(items, bool) else {}
        return self._player.rows(name, frozenset(resolved.get("properties", ())))

    def _scalar(self, kind: str, schema: JsonObject, name: str) -> Any:
        if kind == "boolean":
            decided = self._player.decides(name)
            return self._rng.random() < 0.5 if decided is None else decided
        if kind == "integer":
            return self._integer(schema, name)
        if kind == "number":
            return self._number(schema, name)
        if kind != "string":
            raise CannotGenerate(f"the type {kind!r} is none of JSON's")
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
        rated = self._player.rates(first, last) if step == 1 else None
        if rated is not None:
            return rated
        return round(self._rng.randint(first, last) * step)

    def _number(self, schema: JsonObject, name: str) -> float:
        low, high = _bounds(schema)
        if "multipleOf" in schema:
            return float(self._integer(schema | {"multipleOf": 1}, name) * schema["multipleOf"])
        if low > high:
            raise CannotGenerate(f"no number lies within the bounds of {name or 'the value'}")
        inside = low + (high - low) * self._rng.uniform(0.1, 0.9)
        rounded = round(inside, 2)
        return rounded if low < rounded < high else inside

    def _height(self, schema: JsonObject | bool) -> float:
        """Levels of the smallest value of `schema`; ENDLESS when it never ends."""
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
        return (self._heights or {}).get(pointer, ENDLESS)


def _member(options: list[Any], wanted: Any, row: JsonObject) -> Any:
    """The option that a row names, by its value, by a part of it, or by a word of its key; else the first."""
    if wanted in options:
        return wanted
    key = stems(str(row.get("key", "")))
    named = (option for option in options if isinstance(option, str))
    return next((option for option in named if (wanted and str(wanted) in option) or key & stems(option)), options[0])


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
