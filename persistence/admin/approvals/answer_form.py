"""An answer as the fields of a form, made from its JSON schema: nested objects, lists, choices, numbers, dates, what
may be left out. What cannot be shown as fields is edited as JSON.

A form is built from the data that it shows, and read against the same data: a field that nobody touched keeps its value
exactly, whatever a browser makes of a text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from orchestration.types import JsonObject
from orchestration.values.sanitize import legible

ROOT = "answer"
MOST_FIELDS = 600
"""Of one form; Django takes a thousand. What goes beyond is edited as JSON."""
MOST_DEPTH = 8
LONG_TEXT = 60
"""Characters from which a text gets a field of several lines."""
NOT_JSON = "This is not JSON."
NOT_FINITE = "Write a finite number."
SCALARS = {"string", "number", "integer", "boolean"}
EMPTY: dict[str, Any] = {"string": "", "boolean": False, "array": [], "object": {}}

Spec = dict[str, Any]
Path = tuple[str | int, ...]


@dataclass(slots=True, kw_only=True)
class Field:
    """One value of the answer, with those inside it."""

    path: Path
    kind: str
    """object, list, missing (an object or a list that is null), text, long, whole, number, flag, choice, date, json."""
    label: str
    value: Any
    help: str = ""
    optional: bool = False
    """Whether it may be null."""
    in_list: bool = False
    children: list[Field] = field(default_factory=list)
    choices: list[tuple[str, str]] = field(default_factory=list)
    """(value in the form, text)."""
    shown: str = ""
    """The value as its input has it."""
    errors: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """In the form; also the id of its input."""
        return "/".join((ROOT, *(quote(str(part), safe="") for part in self.path)))

    @property
    def said(self) -> str:
        """The value for people: of a choice its text."""
        return dict(self.choices).get(self.shown, self.shown)

    @property
    def lines(self) -> int:
        return min(20, max(3, self.shown.count("\n") + len(self.shown) // 90 + 1))

    def walk(self) -> Iterator[Field]:
        yield self
        for child in self.children:
            yield from child.walk()

    def find(self, path: Path) -> Field | None:
        """The field of a place, or the innermost one around it."""
        found = self
        for depth in range(1, len(path) + 1):
            inner = next((child for child in found.children if child.path == path[:depth]), None)
            if inner is None:
                return found
            found = inner
        return found


class AnswerForm:
    """The fields of an answer. `schema` is the JSON schema of the whole."""

    def __init__(self, schema: Spec, data: JsonObject) -> None:
        self._schema = schema
        self.data = data
        self._left = MOST_FIELDS
        self.root = self._field(schema, data, path=(), label="", depth=0)
        self.unplaced: list[str] = []
        """Errors that belong to no field."""

    # --- made from the schema -----------------------------------------------------------------

    def _field(self, spec: Spec, value: Any, *, path: Path, label: str, depth: int, in_list: bool = False) -> Field:
        resolved, optional = self._shape(spec)
        kind = self._kind(resolved, value, optional=optional, depth=depth)
        made = Field(path=path, kind=kind, label=label, value=value, optional=optional, in_list=in_list)
        made.help = _help(resolved)
        if kind == "object":
            known = resolved["properties"]
            made.children = [
                self._field(
                    inner,
                    value[name] if name in value else self._empty(inner),
                    path=(*path, name),
                    label=_label(inner, name),
                    depth=depth + 1,
                )
                for name, inner in known.items()
            ]
        elif kind == "list":
            made.children = [
                self._field(
                    resolved["items"],
                    one,
                    path=(*path, at),
                    label=f"{label} {at + 1}".strip(),
                    depth=depth + 1,
                    in_list=True,
                )
                for at, one in enumerate(value)
            ]
        else:
            self._left -= 1
            made.choices = _choices(resolved, value, optional=optional) if kind == "choice" else []
            made.shown = _shown(kind, value)
        return made

    def _shape(self, spec: Spec) -> tuple[Spec, bool]:
        """What a value looks like, without null, and whether null is allowed."""
        found, optional = self._followed(spec), False
        several = found.get("anyOf") or found.get("oneOf")
        if several:
            options = [self._followed(each) for each in several]
            real = [each for each in options if each.get("type") != "null"]
            optional = len(real) < len(options)
            outer: Spec = {name: found[name] for name in ("title", "description", "default") if name in found}
            if len(real) == 1:
                return {**real[0], **outer}, optional or self._shape(real[0])[1]
            if {each.get("type") for each in real} == {"number", "string"}:  # a decimal number
                return {**outer, "type": "string"}, optional
            return outer, optional
        return found, optional

    def _followed(self, spec: Spec) -> Spec:
        """With what it refers to."""
        seen = 0
        while ("$ref" in spec or len(spec.get("allOf", ())) == 1) and seen < MOST_DEPTH:
            seen += 1
            if "$ref" in spec:
                named = self._schema.get("$defs", {}).get(spec["$ref"].rpartition("/")[2], {})
                spec = {**named, **_without(spec, "$ref")}
            else:
                spec = {**spec["allOf"][0], **_without(spec, "allOf")}
        return spec

    def _kind(self, spec: Spec, value: Any, *, optional: bool, depth: int) -> str:
        if "enum" in spec or "const" in spec:
            return "choice" if not isinstance(value, dict | list) else "json"
        form = spec.get("type")
        if (form == "object" and "properties" in spec) or (form == "array" and isinstance(spec.get("items"), dict)):
            if value is None and optional:
                return "missing"
            fits = isinstance(value, dict if form == "object" else list) and depth < MOST_DEPTH
            if not fits or _weight(value) > self._left:
                return "json"
            return "object" if form == "object" else "list"
        if form not in SCALARS or isinstance(value, dict | list):
            return "json"
        if form == "string":
            if not isinstance(value, str) and value is not None:
                return "json"
            return "date" if spec.get("format") == "date" else _text_kind(value)
        if form == "boolean":
            return "flag" if isinstance(value, bool) and not optional else "choice" if optional else "json"
        return "whole" if form == "integer" else "number"

    def _empty(self, spec: Spec, depth: int = 0) -> Any:
        """What a new value begins with."""
        resolved, optional = self._shape(spec)
        if "default" in resolved:
            return resolved["default"]
        if optional or depth > MOST_DEPTH:
            return None
        if "const" in resolved:
            return resolved["const"]
        if resolved.get("enum"):
            return resolved["enum"][0]
        form = resolved.get("type", "")
        if form == "object":
            inner = resolved.get("properties", {})
            return {name: self._empty(each, depth + 1) for name, each in inner.items()}
        if resolved.get("format"):
            return None
        return EMPTY.get(form)

    # --- what was sent ------------------------------------------------------------------------

    def read(self, sent: Mapping[str, str]) -> JsonObject:
        """The answer as it was sent; what cannot be read is noted with its field, and kept as text."""
        read: JsonObject = self._read(self.root, sent)
        return read

    def _read(self, each: Field, sent: Mapping[str, str]) -> Any:
        if each.kind == "object":
            return {**each.value, **{str(one.path[-1]): self._read(one, sent) for one in each.children}}
        if each.kind == "list":
            return [self._read(one, sent) for one in each.children]
        if each.kind == "missing":
            return None
        if each.kind == "flag":
            each.value = each.name in sent
            return each.value
        text = sent.get(each.name)
        if text is None or _lines(text) == _lines(each.shown):
            return each.value
        each.shown = _lines(text)
        return _value(each, each.shown)

    def changed(self, data: JsonObject, sent: Mapping[str, str]) -> Path | None:
        """Carry out the button that adds or removes something, in the data; where the eye goes then, None without."""
        for verb in ("add", "remove"):
            if verb in sent:
                there = next((each for each in self.root.walk() if each.name == sent[verb] and each.path), None)
                return self._add(data, there) if there and verb == "add" else _remove(data, there) if there else None
        return None

    def _add(self, data: JsonObject, there: Field) -> Path:
        holder, at = _holder(data, there.path), there.path[-1]
        spec, _ = self._shape(self._spec_of(there.path))
        if holder[at] is None:
            holder[at] = [] if spec.get("type") == "array" else self._empty(_without(spec, "default"))
            if spec.get("type") != "array":
                return there.path
        if not isinstance(holder[at], list):
            return there.path
        holder[at].append(self._empty(spec["items"]))
        return (*there.path, len(holder[at]) - 1)

    def _spec_of(self, path: Path) -> Spec:
        spec = self._schema
        for part in path:
            shape, _ = self._shape(spec)
            spec = shape["items"] if isinstance(part, int) else shape["properties"][part]
        return spec

    # --- what is wrong ------------------------------------------------------------------------

    def refuse(self, place: Path, why: str) -> None:
        """Note what is wrong where."""
        around = self.root.find(place)
        if around is None or not around.path:
            self.unplaced.append(f"{'.'.join(map(str, place))}: {why}" if place else why)
        else:
            around.errors.append(why)

    @property
    def is_refused(self) -> bool:
        return bool(self.unplaced) or any(each.errors for each in self.root.walk())


def _without(spec: Spec, key: str) -> Spec:
    return {name: value for name, value in spec.items() if name != key}


def _value(each: Field, text: str) -> Any:
    """A text that somebody wrote, as the value that it means. What it cannot mean stays a text, and the schema says
    what is wrong with it."""
    if not text and each.optional and each.kind != "json":
        return None
    if each.kind in {"choice", "json"}:
        try:
            return json.loads(text, parse_constant=_refused)
        except (ValueError, RecursionError):
            each.errors.append(NOT_JSON)
            return text
    if each.kind in {"whole", "number"}:
        return _number(each, text.strip())
    return text


def _refused(name: str) -> Any:
    raise ValueError(name)


def _number(each: Field, text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        each.errors.append(NOT_FINITE)
        return text
    return number


def _holder(data: Any, path: Path) -> Any:
    for part in path[:-1]:
        data = data[part]
    return data


def _remove(data: JsonObject, there: Field) -> Path:
    holder, at = _holder(data, there.path), there.path[-1]
    if isinstance(holder, list):
        del holder[int(at)]
        return there.path[:-1]
    if there.optional:
        holder[at] = None
    return there.path


def _lines(text: str) -> str:
    """As browsers send and show it: they end lines in their own way."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _text_kind(value: str | None) -> str:
    return "long" if value and (len(value) > LONG_TEXT or "\n" in value or "\r" in value) else "text"


def _shown(kind: str, value: Any) -> str:
    if kind in {"json", "choice"}:
        return legible(json.dumps(value, indent=2 if kind == "json" else None, ensure_ascii=False))
    if value is None or kind in {"missing", "flag"}:
        return ""
    return legible(value if isinstance(value, str) else json.dumps(value))


def _choices(spec: Spec, value: Any, *, optional: bool) -> list[tuple[str, str]]:
    """Its values; also the present one, when it is none of them."""
    values = [spec["const"]] if "const" in spec else spec.get("enum", [True, False])
    values = [*values, *([None] if optional and None not in values else [])]
    values = values if value in values else [value, *values]
    words = {True: "yes", False: "no", None: "none"}
    return [
        (_shown("choice", one), words[one] if isinstance(one, bool) or one is None else legible(str(one)))
        for one in values
    ]


LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "maxLength": "at most {} characters",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
}


def _help(spec: Spec) -> str:
    """What its author says of it, and its limits."""
    limits = ", ".join(text.format(spec[name]) for name, text in LIMITS.items() if name in spec)
    said = str(spec.get("description", "")).strip()
    return " ".join(filter(None, (said, f"{limits[:1].upper()}{limits[1:]}." if limits else "")))


def _label(spec: Spec, name: str) -> str:
    """The title that its author gave it; pydantic makes one in Title Case for everything else."""
    given = spec.get("title", "")
    return given if given and given != name.replace("_", " ").title() else _titled(name)


def _titled(name: str) -> str:
    return name.replace("_", " ").strip().capitalize()


def _weight(value: Any) -> int:
    """How many fields a value takes."""
    if isinstance(value, dict):
        return sum(map(_weight, value.values())) + 1
    if isinstance(value, list):
        return sum(map(_weight, value)) + 1
    return 1
