"""Whether stored answers can be read back by their schema: checked at declaration, before any call is paid for.

An answer is stored as the JSON that the model sent, once the schema has accepted it, and every use validates it
again. So every key that the model is asked for must be one that validation reads, and every value must be accepted as
the JSON that it is in the database. Serializers, computed fields and `exclude` play no part in that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import AliasChoices, AliasPath, BaseModel, Secret, SecretBytes, SecretStr
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import SchemaValidator, to_jsonable_python
from typing_extensions import TypeAliasType

from orchestration.components.strict_schema import REF_PREFIX

STRICT_IN_JSON = frozenset(
    {"any", "none", "bool", "int", "float", "str", "literal", "list", "dict", "json", "url", "multi-host-url"}
    | {"nullable", "default", "function-after", "custom-error", "generator", "is-instance", "is-subclass"}
)
"""Types that accept in strict mode what they accept from JSON, wrappers, and what is refused in any mode. The other
types want an instance of themselves."""
CONVERTERS = frozenset({"function-before", "function-wrap", "function-plain"})
"""Nodes below these receive a transformed value."""
SECRETS = (Secret, SecretStr, SecretBytes)
UNHASHABLE = frozenset({"list", "set", "dict", "typed-dict", "deque"})

STRICT_TYPE = "strict mode does not read {} from a stored answer, which is JSON: turn it off here, Field(strict=False)"
INSTANCE_ONLY = "only an instance of {} is accepted, which a stored answer does not hold: use a type read from JSON"
SHOWN = "{} cannot be kept secret, since an answer is stored and shown as it came: use the type inside of it"
READ_LATE = "an iterable is not validated before it is read: use list"
UNREADABLE = "{!r} is not accepted as the JSON value that it is written as: use text or numbers"
NO_SET = "{} is not hashable and cannot be in a set: use list, or make it frozen"
BYTES = "val_json_bytes does not apply to a stored answer: use Base64Bytes"
UNREAD = "the model is asked for the key {!r}, which validation does not read: use an alias that is one name"
UNASKED = "it is required, but the model is not asked for it: give it a default, or let it be in the JSON schema"
SHARED = "it is read from the key {!r}, like the field {}: give each an alias of its own"


def round_trip_faults(schema: type[BaseModel]) -> list[str]:
    """Why a stored answer could not be read back, as `path: rule` lines; the paths use the fields' names."""
    walk = _Walk()
    walk.visit(schema.__pydantic_core_schema__, _Place(path="$"))
    return list(dict.fromkeys(walk.faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """The current place in the schema, and the configuration that applies."""

    path: str
    strict: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)


class _Walk:
    """Goes through a core schema as its validator does with Python values: where there are two ways, that one's."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.definitions: dict[str, Any] = {}
        self.entered: set[tuple[str, bool]] = set()

    def visit(self, node: Any, at: _Place) -> None:
        """One node of the core schema, and what is below it."""
        if node.get("strict") is not None:
            at = replace(at, strict=bool(node["strict"]))
        kind = node["type"]
        if kind in CONVERTERS:
            for child in _children(node):
                self.visit(child, replace(at, strict=False))
        elif kind in ("model", "dataclass", "typed-dict"):
            self._model(node, at)
        elif kind in ("union", "tagged-union"):
            self._union(node, at)
        elif kind == "definition-ref":
            self._definition(node["schema_ref"], at)
        elif (taken := self._taken(node, at)) is not None:
            self.visit(taken, at)
        else:
            self._value(node, at)

    def _taken(self, node: Any, at: _Place) -> Any:
        """The way that is taken, in a node that has several; None in any other."""
        match node["type"]:
            case "definitions":
                self.definitions |= {each["ref"]: each for each in node["definitions"]}
                return node["schema"]
            case "lax-or-strict":
                return node["strict_schema" if at.strict else "lax_schema"]
            case "json-or-python":
                return node["python_schema"]
            case "chain":
                return node["steps"][0]
        return None

    def _definition(self, ref: str, at: _Place) -> None:
        if (ref, at.strict) not in self.entered:
            self.entered.add((ref, at.strict))
            self.visit(self.definitions[ref], at)

    def _model(self, node: Any, at: _Place) -> None:
        config = node.get("config") or {}
        inner = replace(at, config=config, strict=bool(config.get("strict")))
        for name, annotation in _annotations(node["cls"]).items():
            for secret in _secrets_in(annotation):
                self._fault(replace(at, path=f"{at.path}.{name}"), SHOWN.format(secret.__name__))
        if node["type"] == "dataclass" and (at.strict or inner.strict):
            self._fault(at, STRICT_TYPE.format(node["cls"].__name__))
        content = node
        while "fields" not in content or content["type"] == "dataclass":
            if node.get("root_model"):
                return self.visit(node["schema"], inner)
            content = content["schema"]  # past the validators of the whole model
        listed = content["fields"]
        fields = listed if isinstance(listed, dict) else {each["name"]: each for each in listed}
        self._keys(fields, self._asked(node), inner)
        for name, each in fields.items():
            self.visit(each["schema"], replace(inner, path=f"{at.path}.{name}"))

    def _asked(self, node: Any) -> list[str]:
        """The keys that the model is asked for in this object."""
        whole: Any = {"type": "definitions", "schema": node, "definitions": list(self.definitions.values())}
        asked = GenerateJsonSchema().generate(whole, mode="validation")
        if "$ref" in asked:
            asked = asked["$defs"][asked["$ref"].removeprefix(REF_PREFIX)]
        return list(asked.get("properties", ()))

    def _keys(self, fields: Mapping[str, Any], asked: list[str], at: _Place) -> None:
        """Every key that is asked for is read, by one field, and what is required is asked for."""
        readers: dict[str, str] = {}
        for name, each in fields.items():
            place = replace(at, path=f"{at.path}.{name}")
            key = next((key for key in _keys_read(name, each, at.config) if key in asked), None)
            if key in readers:
                self._fault(place, SHARED.format(key, readers[key]))
            elif key is not None:
                readers[key] = name
            elif name not in asked and each.get("required", each["schema"]["type"] != "default"):
                self._fault(place, UNASKED)
        for key in asked:
            if key not in readers:
                place = replace(at, path=f"{at.path}.{key}") if key in fields else at
                self._fault(place, UNREAD.format(key))

    def _union(self, node: Any, at: _Place) -> None:
        """Members that accept an instance besides JSON do not count."""
        choices = node["choices"]
        given = choices.values() if isinstance(choices, dict) else choices
        members = [each[0] if isinstance(each, tuple) else each for each in given]
        members = [each["python_schema"] if each["type"] == "json-or-python" else each for each in members]
        for member in [each for each in members if each["type"] != "is-instance"] or members:
            self.visit(member, at)

    def _value(self, node: Any, at: _Place) -> None:
        kind = node["type"]
        if kind in {"is-instance", "is-subclass"}:
            self._fault(at, INSTANCE_ONLY.format(_name_of(node["cls"])))
        elif kind == "generator":
            self._fault(at, READ_LATE)
        elif at.strict and kind not in STRICT_IN_JSON:
            self._fault(at, STRICT_TYPE.format(kind))
        elif kind == "bytes" and at.config.get("val_json_bytes", "utf8") != "utf8":
            self._fault(at, BYTES)
        elif kind in {"enum", "literal"}:
            self._values(node, at)
        elif kind in {"set", "frozenset"}:
            self._hashable(node["items_schema"], at)
        if kind != "json":  # what is inside of that is validated as JSON
            for child in _children(node):
                self.visit(child, replace(at, path=f"{at.path}[]" if "items_schema" in node else at.path))

    def _values(self, node: Any, at: _Place) -> None:
        """The members of an enum or literal, each as JSON has it."""
        validator = SchemaValidator(node)
        for member in node.get("members") or node["expected"]:
            written = to_jsonable_python(member, fallback=repr)
            if not validator.isinstance_python(written) or validator.validate_python(written) != member:
                self._fault(at, UNREADABLE.format(member))

    def _hashable(self, node: Any, at: _Place) -> None:
        while node["type"] in {"definition-ref", "nullable", "default", "function-after"}:
            node = self.definitions[node["schema_ref"]] if node["type"] == "definition-ref" else node["schema"]
        unhashable = node["cls"].__hash__ is None if node["type"] in {"model", "dataclass"} else None
        if unhashable or (unhashable is None and node["type"] in UNHASHABLE):
            self._fault(at, NO_SET.format(node["cls"].__name__ if "cls" in node else node["type"]))

    def _fault(self, at: _Place, rule: str) -> None:
        self.faults.append(f"{at.path}: {rule}")


def _keys_read(name: str, node: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    """The keys of an answer from which validation takes a field."""
    alias = node.get("validation_alias")
    by_name = config.get("validate_by_name") or config.get("populate_by_name")
    if alias is not None and config.get("validate_by_alias", True):
        paths = [[alias]] if isinstance(alias, str) else alias if isinstance(alias[0], list) else [alias]
        yield from (path[0] for path in paths if len(path) == 1)
    if alias is None or by_name:
        yield name


def _annotations(owner: type) -> Mapping[str, Any]:
    if issubclass(owner, BaseModel):
        return {name: each.annotation for name, each in owner.model_fields.items()}
    return get_type_hints(owner)


def _secrets_in(annotation: Any) -> Iterator[type]:
    """The secret types that an annotation mentions, anywhere in it; a core schema does not contain all of them."""
    kind = get_origin(annotation) or annotation
    if isinstance(kind, type) and issubclass(kind, SECRETS):
        yield kind
    elif isinstance(annotation, TypeAliasType):
        yield from _secrets_in(annotation.__value__)
    for part in get_args(annotation):
        yield from _secrets_in(part)


def _children(node: Any) -> list[Any]:
    """The schemas right below a node that holds values of one kind."""
    below = [node[key] for key in ("schema", "items_schema", "keys_schema", "values_schema") if key in node]
    return [child for each in below for child in (each if isinstance(each, list) else [each])]


def wire_form(value: BaseModel) -> dict[str, Any]:
    """An instance as the JSON that its schema reads: the keys are those of validation, whatever it is written as."""
    written: dict[str, Any] = _renamed(value, value.model_dump(mode="json", round_trip=True, by_alias=False))
    return written


def _name_of(cls: object) -> str:
    return cls.__name__ if isinstance(cls, type) else str(cls)


def _renamed(value: Any, written: Any) -> Any:
    if isinstance(value, BaseModel) and isinstance(written, dict):
        fields, values = type(value).model_fields, dict(value)
        by_alias = value.model_config.get("validate_by_alias", True)
        return {
            _key_of(name, fields[name].validation_alias if by_alias else None): _renamed(values[name], item)
            for name, item in written.items()
            if name in fields
        }
    if isinstance(value, list | tuple) and isinstance(written, list):
        return [_renamed(item, each) for item, each in zip(value, written, strict=True)]
    return written


def _key_of(name: str, alias: str | AliasPath | AliasChoices | None) -> str:
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return next((choice for choice in choices if isinstance(choice, str)), name)
