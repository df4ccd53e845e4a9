"""Schemas: what strict structured output gets, what stays with pydantic, and what is refused with every path."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, HttpUrl, Json, RootModel, ValidationError
from typing_extensions import TypedDict

from orchestration.components.identity import DjangoIdentityMixin
from orchestration.components.registry import empty_registries, schemas
from orchestration.components.schemas import OutputSchema
from orchestration.components.strict_schema import adapt
from orchestration.decorators import schema
from orchestration.errors import ComponentDefinitionError, IdentityError, SchemaNotStrict
from orchestration.types import JsonObject


class DemoMixin(DjangoIdentityMixin):
    namespace = "demo"
    group = "answers"


class Mood(Enum):
    CALM = "calm"
    ANXIOUS = "anxious"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    """A dog."""

    kind: Literal["dog"]


class Node(OutputSchema):
    value: str
    children: list[Node] = []
    parent: Node | None = None


class Owner(BaseModel):
    pet: Annotated[OwnedPet, Field(description="The owner's pet.")]


class OwnedPet(BaseModel):
    owner: Annotated[Owner, Field(description="Whose it is.")] | None


Owner.model_rebuild()


@pytest.fixture(autouse=True)
def own_registries() -> Iterator[None]:
    with empty_registries():
        yield


def strict(annotation: Any, **field: Any) -> JsonObject:
    """The adapted schema of one field of this type."""
    fields = {"__annotations__": {"x": annotation}, "__module__": __name__}
    if field:
        fields["x"] = Field(**field)
    return strict_of(type("Model", (OutputSchema,), fields))["properties"]["x"]


def strict_of(model: type[BaseModel]) -> JsonObject:
    return adapt(model.model_json_schema(), "Model").json_schema


def faults(annotation: Any, **field: Any) -> list[str]:
    with pytest.raises(SchemaNotStrict) as caught:
        strict(annotation, **field)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def objects(node: Any) -> Iterator[JsonObject]:
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield node
        for value in node.values():
            yield from objects(value)
    elif isinstance(node, list):
        for value in node:
            yield from objects(value)


# --- what @schema gives a class -------------------------------------------------------------


def test_a_schema_gets_its_identity_version_and_adapted_schema() -> None:
    @schema(version=3)
    class PatientReplyOutputSchema(DemoMixin, OutputSchema):
        text: str

    assert str(PatientReplyOutputSchema.identity) == "schemas.demo.answers.PatientReplyOutputSchema"
    assert PatientReplyOutputSchema.version == 3
    assert PatientReplyOutputSchema.strict.name == "PatientReplyOutputSchema"
    assert PatientReplyOutputSchema.strict.json_schema == {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
        "additionalProperties": False,
    }
    assert schemas.get("demo.answers.PatientReplyOutputSchema") is PatientReplyOutputSchema


def test_the_decorator_works_bare_with_version_one() -> None:
    @schema
    class Bare(DemoMixin, OutputSchema):
        text: str

    assert Bare.version == 1


@pytest.mark.parametrize("version", [0, -1, "2", True, 1.5])
def test_a_version_is_a_whole_number_from_one(version: Any) -> None:
    with pytest.raises(ComponentDefinitionError, match="version must be a whole number from 1"):

        @schema(version=version)
        class Wrong(DemoMixin, OutputSchema):
            text: str


def test_only_output_schemas_can_be_decorated() -> None:
    with pytest.raises(ComponentDefinitionError, match="@schema is for subclasses of OutputSchema"):
        schema(Cat)


def test_a_schema_that_fails_is_not_registered() -> None:
    with pytest.raises(SchemaNotStrict):

        @schema
        class Open(DemoMixin, OutputSchema):
            anything: dict[str, str]

    assert not schemas.all()


def test_a_type_that_is_not_defined_yet_is_named() -> None:
    with pytest.raises(ComponentDefinitionError, match="Unfinished"):

        @schema
        class Unfinished(DemoMixin, OutputSchema):
            later: DefinedNowhere  # noqa: F821


def test_a_type_without_json_schema_is_refused_at_import() -> None:
    with pytest.raises(SchemaNotStrict, match="has a type that JSON schema does not know"):

        @schema
        class Callback(DemoMixin, OutputSchema):
            call: Callable[[], int]


def test_the_name_sent_to_the_provider_has_at_most_64_characters() -> None:
    @schema(name="n" * 100)
    class Long(DemoMixin, OutputSchema):
        text: str

    assert Long.strict.name == "n" * 64


def test_a_malformed_name_is_an_identity_error() -> None:
    with pytest.raises(IdentityError):

        @schema(name="no spaces")
        class Named(DemoMixin, OutputSchema):
            text: str


def test_unknown_keys_in_an_answer_are_an_error() -> None:
    class Closed(OutputSchema):
        text: str

    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        Closed.model_validate({"text": "a", "more": 1})


def test_the_fingerprint_follows_the_schema_and_nothing_else() -> None:
    def fingerprint(**fields: Any) -> str:
        model = type("M", (OutputSchema,), {"__annotations__": fields, "__module__": __name__})
        return adapt(model.model_json_schema(), "M").fingerprint

    assert fingerprint(a=int, b=str) == fingerprint(a=int, b=str)
    assert fingerprint(a=int) != fingerprint(a=str)
    assert len(fingerprint(a=int)) == 16
    assert int(fingerprint(a=int), 16) >= 0


# --- fields that are called like identity attributes ----------------------------------------


class NamespaceMixin(DjangoIdentityMixin):
    namespace = "demo"


def test_fields_called_name_group_and_version_stay_required() -> None:
    @schema(version=2)
    class LabResultSchema(NamespaceMixin, OutputSchema):
        name: str
        group: str
        version: str

    assert LabResultSchema.identity.label == "demo.default.LabResultSchema"
    assert LabResultSchema.version == 2
    assert sorted(LabResultSchema.strict.json_schema["required"]) == ["group", "name", "version"]
    with pytest.raises(ValidationError) as caught:
        LabResultSchema.model_validate({})
    assert caught.value.error_count() == 3
    assert LabResultSchema(name="Na", group="salts", version="b").version == "b"


@pytest.mark.filterwarnings("ignore:Field name:UserWarning")
def test_a_field_that_hides_an_attribute_of_a_mixin_is_refused() -> None:
    """The message names a way out."""
    with pytest.raises(ComponentDefinitionError, match=r'the field group .* Field\(alias="group"\)'):

        @schema
        class Grouped(DemoMixin, OutputSchema):
            group: str


def test_the_way_out_works() -> None:
    @schema
    class Grouped(DemoMixin, OutputSchema):
        group_: str = Field(alias="group")

    assert Grouped.strict.json_schema["required"] == ["group"]
    assert Grouped.model_validate({"group": "salts"}).group_ == "salts"


def test_a_class_variable_of_the_schema_may_set_the_identity() -> None:
    @schema
    class Answer(OutputSchema):
        namespace: ClassVar[str] = "demo"
        group: ClassVar[str] = "own"
        text: str

    assert Answer.identity.label == "demo.own.Answer"


# --- what is adapted ------------------------------------------------------------------------


def test_every_object_is_closed_and_every_key_required() -> None:
    class Inner(BaseModel):
        a: int = 1
        b: str | None = None

    class Outer(OutputSchema):
        inner: Inner
        more: list[Inner] = []

    for found in objects(strict_of(Outer)):
        assert found["additionalProperties"] is False
        assert found["required"] == list(found["properties"])


def test_defaults_are_dropped_and_nullable_stays_as_declared() -> None:
    assert strict(int, default=3) == {"type": "integer"}
    assert strict(int | None, default=None) == {"anyOf": [{"type": "integer"}, {"type": "null"}]}


def test_titles_and_examples_are_dropped_and_descriptions_kept() -> None:
    assert strict(str, title="T", examples=["e"], description="What it is.") == {
        "type": "string",
        "description": "What it is.",
    }


def test_a_discriminated_union_becomes_any_of() -> None:
    adapted = strict(Cat | Dog, discriminator="kind")
    assert adapted == {"anyOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]}


def test_a_reference_with_siblings_is_written_out() -> None:
    assert strict(Mood, default=Mood.CALM, description="How.") == {
        "type": "string",
        "enum": ["calm", "anxious"],
        "description": "How.",
    }


def test_definitions_that_nothing_refers_to_disappear() -> None:
    class Model(OutputSchema):
        mood: Mood = Field(description="How.")

    assert "$defs" not in strict_of(Model)


def test_a_recursive_schema_keeps_its_references() -> None:
    adapted = strict_of(Node)
    assert adapted["type"] == "object"
    assert adapted["properties"]["children"] == {"type": "array", "items": {"$ref": "#/$defs/Node"}}
    assert adapted["$defs"]["Node"]["properties"]["parent"] == {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}
    assert adapted["$defs"]["Node"]["additionalProperties"] is False


def test_a_described_recursive_reference_ends() -> None:
    class Holder(OutputSchema):
        owner: Owner

    text = json.dumps(strict_of(Holder))
    assert "The owner's pet." in text


def test_a_literal_of_several_types_gets_them() -> None:
    assert strict(Literal["a", 1, None]) == {"type": ["string", "integer", "null"], "enum": ["a", 1, None]}


def test_a_model_without_fields_is_an_empty_closed_object() -> None:
    class Nothing(OutputSchema):
        pass

    assert strict_of(Nothing) == {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def test_typed_dicts_are_closed_objects_too() -> None:
    Point = TypedDict("Point", {"x": int, "y": int})  # noqa: UP013 - a class here could not be resolved by name
    adapted = strict_of(type("M", (OutputSchema,), {"__annotations__": {"at": Point}, "__module__": __name__}))
    assert adapted["$defs"]["Point"]["required"] == ["x", "y"]


# --- keywords -------------------------------------------------------------------------------


def test_what_the_provider_understands_is_kept() -> None:
    assert strict(int, ge=1, lt=9, multiple_of=2) == {
        "type": "integer",
        "minimum": 1,
        "exclusiveMaximum": 9,
        "multipleOf": 2,
    }
    assert strict(list[int], min_length=1, max_length=3) == {
        "type": "array",
        "items": {"type": "integer"},
        "minItems": 1,
        "maxItems": 3,
    }
    assert strict(str, pattern="^[A-Z]+$") == {"type": "string", "pattern": "^[A-Z]+$"}
    assert strict(datetime) == {"type": "string", "format": "date-time"}
    assert strict(UUID) == {"type": "string", "format": "uuid"}


def test_what_it_does_not_understand_is_left_to_pydantic() -> None:
    """It is described in words."""
    assert strict(str, min_length=2, max_length=5, description="A code.") == {
        "type": "string",
        "description": "A code. (at most 5 characters, at least 2 characters)",
    }
    assert strict(set[int])["description"] == "(no duplicates)"
    assert strict(HttpUrl)["description"].endswith("format uri)")
    assert strict(Json[Any]) == {"type": "string"}

    class Coded(OutputSchema):
        code: str = Field(min_length=2)

    with pytest.raises(ValidationError):
        Coded(code="x")


def test_a_pattern_that_looks_around_is_left_to_pydantic() -> None:
    source = {"type": "object", "properties": {"x": {"type": "string", "pattern": "^(?!a)b$"}}}
    adapted = adapt(source, "M").json_schema["properties"]["x"]
    assert adapted == {"type": "string", "description": "(matching the regular expression ^(?!a)b$)"}
    assert strict(Decimal)["anyOf"][0] == {"type": "number"}


# --- what cannot be adapted -----------------------------------------------------------------


@pytest.mark.parametrize("annotation", [dict, dict[str, int], Mapping[str, str], dict[Mood, int], list[dict[str, Any]]])
def test_open_maps_are_refused(annotation: Any) -> None:
    assert "open map" in "\n".join(faults(annotation))


@pytest.mark.parametrize("annotation", [Any, object, list, list[Any], list[Any] | None])
def test_values_without_a_type_are_refused(annotation: Any) -> None:
    assert "any value" in "\n".join(faults(annotation))


def test_tuples_are_refused() -> None:
    assert faults(tuple[int, str]) == ["$.x: tuple: items have one type each; use a model with named fields"]


def test_keywords_that_pydantic_does_not_check_are_refused() -> None:
    extra = {"not": {"type": "null"}, "if": {}, "dependentRequired": {}}
    assert set(faults(str, json_schema_extra=extra)) == {f"$.x: unsupported keyword {key}" for key in extra}


def test_an_intersection_is_refused() -> None:
    source = {"type": "object", "properties": {"x": {"allOf": [{"type": "string"}, {"minLength": 1}]}}}
    with pytest.raises(SchemaNotStrict, match=r"\$\.x: allOf"):
        adapt(source, "M")


def test_an_intersection_of_one_is_that_one() -> None:
    source = {"type": "object", "properties": {"x": {"allOf": [{"type": "string"}], "description": "d"}}}
    assert adapt(source, "M").json_schema["properties"]["x"] == {"type": "string", "description": "d"}


@pytest.mark.parametrize("root", [Cat | Dog, list[Cat], str])
def test_the_root_must_be_an_object(root: Any) -> None:
    with pytest.raises(SchemaNotStrict, match=r"\$: the root must be an object"):
        strict_of(RootModel[root])


def test_a_model_that_allows_extra_keys_is_an_open_map() -> None:
    class Loose(OutputSchema, extra="allow"):
        text: str

    with pytest.raises(SchemaNotStrict, match=r"\$: open map"):
        strict_of(Loose)


def test_a_reference_to_nowhere_is_refused() -> None:
    source = {"type": "object", "properties": {"x": {"$ref": "https://elsewhere/schema"}}}
    with pytest.raises(SchemaNotStrict, match=r"\$\.x: \$ref https://elsewhere/schema leads to no definition"):
        adapt(source, "M")


def test_every_fault_is_listed_with_its_path_at_once() -> None:
    class Part(BaseModel):
        free: dict[str, int]

    class Whole(OutputSchema):
        parts: list[Part]
        anything: Any
        pair: tuple[int, int] | None

    with pytest.raises(SchemaNotStrict) as caught:
        strict_of(Whole)
    paths = [line.strip().split(": ")[0] for line in str(caught.value).splitlines()[1:]]
    assert paths == ["$defs.Part.free", "$.anything", "$.pair.anyOf[0]"]


# --- sizes ----------------------------------------------------------------------------------


def nested(levels: int) -> JsonObject:
    inner: JsonObject = {"type": "object", "properties": {}}
    for _ in range(levels - 1):
        inner = {"type": "object", "properties": {"x": {"type": "array", "items": inner}}}
    return inner


def test_ten_levels_of_objects_are_allowed_and_eleven_are_not() -> None:
    adapt(nested(10), "M")
    with pytest.raises(SchemaNotStrict, match="11 levels of nested objects, at most 10"):
        adapt(nested(11), "M")


def test_levels_behind_references_count() -> None:
    definitions = {
        f"L{n}": {"type": "object", "properties": {"x": {"$ref": f"#/$defs/L{n + 1}"}}} for n in range(1, 11)
    }
    definitions["L11"] = {"type": "object", "properties": {}}
    source = {"type": "object", "properties": {"x": {"$ref": "#/$defs/L2"}}, "$defs": definitions}
    with pytest.raises(SchemaNotStrict, match="11 levels"):
        adapt(source, "M")


def of_properties(values: JsonObject) -> JsonObject:
    return {"type": "object", "properties": values}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (of_properties({f"p{n}": {"type": "string"} for n in range(5_001)}), "5001 properties, at most 5000"),
        (of_properties({"x": {"enum": [f"v{n}" for n in range(1_001)]}}), "1001 enum values, at most 1000"),
        (of_properties({"x" * 60_001: {"type": "string"}, "y" * 60_000: {"type": "null"}}), "120001 characters"),
        (of_properties({"x": {"enum": [f"{n:060}" for n in range(251)]}}), r"\$\.x: an enum of 251 values"),
    ],
)
def test_too_large_schemas_are_refused(source: JsonObject, said: str) -> None:
    with pytest.raises(SchemaNotStrict, match=said):
        adapt(source, "M")


def test_the_largest_allowed_schemas_pass() -> None:
    wide = adapt(of_properties({f"p{n}": {"type": "string"} for n in range(5_000)}), "M").json_schema
    assert len(wide["required"]) == 5_000
    long = adapt(of_properties({"x": {"enum": [f"{n:015}" for n in range(1_000)]}}), "M").json_schema
    assert len(long["properties"]["x"]["enum"]) == 1_000
