"""What could not be read back from a stored answer is refused when it is declared, by schema, field and rule."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import (
    AliasPath,
    BaseModel,
    ConfigDict,
    EmailStr,
    Field,
    InstanceOf,
    Json,
    Secret,
    SecretBytes,
    SecretStr,
)  # fmt: skip
from pydantic.json_schema import SkipJsonSchema

from orchestration.components.registry import empty_registries
from orchestration.components.schemas import OutputSchema
from orchestration.decorators import schema
from orchestration.errors import ComponentDefinitionError, SchemaNotStrict


class Color(Enum):
    RED = date(2026, 1, 2)


class Amount(Enum):
    ONE = Decimal("1.5")


class Mood(Enum):
    CALM = "calm"


class Inner(BaseModel):
    x: int


class Aliased(BaseModel):
    x: int = Field(alias="y")


class Path2(BaseModel):
    x: int = Field(validation_alias=AliasPath("y", "z"))


class StrictInner(BaseModel, strict=True):
    at: datetime


@dataclass
class Point:
    x: int


@pytest.fixture(autouse=True)
def own_registries() -> Iterator[None]:
    with empty_registries():
        yield


def declared(annotation: Any, config: ConfigDict | None = None, **more: Any) -> type[OutputSchema]:
    body = {
        "__annotations__": {"x": annotation, **more},
        "__module__": __name__,
        "model_config": config or ConfigDict(),
    }
    return schema(namespace="demo")(type("Answer", (OutputSchema,), body))


STRICT = ConfigDict(strict=True)


@pytest.mark.parametrize(
    ("annotation", "config", "told"),
    [
        (Annotated[int, Field(validation_alias=AliasPath("a", 0))], None, r"\$\.x: .* 'x', which validation does not"),
        (Annotated[int, Field(1, validation_alias=AliasPath("a", 0))], None, r"\$\.x: .* which validation does not"),
        (list[Path2], None, r"\$\.x\[\]\.x: the model is asked for the key 'x'"),
        (SkipJsonSchema[int], None, r"\$\.x: it is required, but the model is not asked for it"),
        (Annotated[int, Field(alias="y")], None, r"\$\.y: it is read from the key 'y', like the field x"),
        (set[Inner], None, r"\$\.x: Inner is not hashable"),
        (frozenset[list[int]], None, r"\$\.x: list is not hashable"),
        (Iterable[int], None, r"\$\.x: an iterable is not validated before"),
        (Color, None, r"\$\.x: <Color.RED: .* is not accepted as the JSON value"),
        (Amount, None, r"\$\.x: <Amount.ONE"),
        (Literal[b"raw"], None, r"\$\.x: b'raw' is not accepted"),
        (Literal["a", Mood.CALM], None, r"\$\.x: <Mood.CALM"),
        (InstanceOf[Inner], None, r"\$\.x: only an instance of Inner is accepted"),
        (bytes, ConfigDict(val_json_bytes="base64"), r"\$\.x: val_json_bytes does not apply"),
        (datetime, STRICT, r"\$\.x: strict mode does not read datetime"),
        (datetime | None, STRICT, r"\$\.x: strict mode"),
        (int | datetime, STRICT, r"\$\.x: strict mode"),
        (list[UUID], STRICT, r"\$\.x\[\]: strict mode does not read uuid"),
        (Decimal, STRICT, r"\$\.x: strict mode"),
        (Mood, STRICT, r"\$\.x: strict mode"),
        (set[int], STRICT, r"\$\.x: strict mode"),
        (tuple[int, ...], STRICT, r"\$\.x: strict mode"),
        (Point, STRICT, r"\$\.x: strict mode"),
        (Path, STRICT, r"\$\.x: only an instance of Path"),
        (list[StrictInner], None, r"\$\.x\[\]\.at: strict mode"),
        (Annotated[datetime, Field(strict=True)], None, r"\$\.x: strict mode"),
    ],
)
def test_what_cannot_be_read_back_is_refused_by_name(annotation: Any, config: Any, told: str) -> None:
    with pytest.raises(ComponentDefinitionError, match=rf"Answer:\n  {told}"):
        declared(annotation, config, y=int)


@pytest.mark.parametrize(
    ("annotation", "config"),
    [
        (Annotated[datetime, Field(strict=False)], STRICT),
        (Json[datetime], STRICT),
        (list[Inner], STRICT),
        (Path, None),
        (Aliased, ConfigDict(populate_by_name=True)),
        (Mood | None, None),
        (Annotated[int, Field(exclude=True)], None),
    ],
)
def test_what_can_be_read_back_is_declared(annotation: Any, config: Any) -> None:
    assert "x" in declared(annotation, config, y=int).strict.json_schema["properties"]


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        (Annotated[float, Field(gt=float("nan"))], r"\$\.properties\.x\.exclusiveMinimum is nan"),
        (Annotated[int, Field(alias="a\x00")], r"A key of \$\.properties holds a NUL character"),
        (Literal["a\x00"], r"\$\.properties\.x\.const holds a NUL character"),
        (Annotated[int, Field(description="\ud800")], r"\$\.properties\.x\.description holds half of a surrogate"),
    ],
)
def test_a_schema_that_no_request_can_carry_is_refused(annotation: Any, told: str) -> None:
    with pytest.raises(SchemaNotStrict, match=told):
        declared(annotation)


@pytest.mark.parametrize("annotation", [SecretStr, SecretBytes, Secret[int], list[SecretStr], SecretStr | None])
def test_a_secret_in_an_answer_is_refused_by_name(annotation: Any) -> None:
    with pytest.raises(ComponentDefinitionError, match=r"Answer:\n  \$\.x.*: Secret.* cannot be kept secret"):
        declared(annotation)


def test_every_fault_of_a_schema_is_told_at_once() -> None:
    with pytest.raises(ComponentDefinitionError) as caught:
        declared(Iterable[int], STRICT, y=set[str], z=datetime)
    assert str(caught.value).count("\n  $.") == 3


def test_a_type_whose_package_is_missing_is_named_with_its_field(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise ImportError("email-validator is not installed, run `pip install 'pydantic[email]'`")

    monkeypatch.setattr("pydantic.networks.import_email_validator", missing)
    with pytest.raises(ComponentDefinitionError, match=r"Mail: the type of to, also cannot be used: .*pip install"):

        class Mail(OutputSchema):
            subject: str
            to: EmailStr
            also: list[EmailStr] | None
