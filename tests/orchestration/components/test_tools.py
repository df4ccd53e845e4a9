"""`@tool`: from a typed function to what the model is told, and from what it asks to keywords."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

from orchestration.components import Tool, ToolContext, ToolLimits
from orchestration.components.registry import empty_registries
from orchestration.components.tools import described, runnable
from orchestration.decorators import service, tool
from orchestration.errors import ComponentDefinitionError, SchemaNotStrict
from orchestration.services import DjangoBaseService

CONTEXT = ToolContext(call_id="1", key="1:2:0", attempt=1, input={}, context={})


class Place(BaseModel):
    shelf: int
    row: str | None = None


@tool
def find(
    number: Annotated[int, Field(ge=1, description="As printed.")],
    *,
    json: bool = False,
    kind: Literal["a", "b"] = "a",
    near: Place | None = None,
    on: date | None = None,
    context: ToolContext,
) -> dict[str, Any]:
    """Find a thing.

    On any shelf.
    """
    return {"number": number, "json": json, "kind": kind, "near": near, "on": on, "call": context.call_id}


def test_the_model_is_told_name_docstring_and_types() -> None:
    told = find.described()
    assert (told["type"], told["name"], told["strict"]) == ("function", "find", True)
    assert told["description"] == "Find a thing.\n\nOn any shelf."
    parameters = told["parameters"]
    assert parameters["required"] == list(parameters["properties"]) == ["number", "json", "kind", "near", "on"]
    assert parameters["properties"]["number"] == {"type": "integer", "minimum": 1, "description": "As printed."}
    assert parameters["additionalProperties"] is False


def test_arguments_become_what_the_types_say() -> None:
    keywords = find.bound({"number": 7, "near": {"shelf": 1}, "on": "2026-01-02"}, CONTEXT)
    assert keywords["near"] == Place(shelf=1)
    assert keywords["on"] == date(2026, 1, 2)
    assert find(**keywords) == find.function(**keywords)
    assert find(**keywords)["call"] == "1"


@pytest.mark.parametrize(
    "wrong", [{}, {"number": 0}, {"number": 1, "colour": "red"}, [], None, {"number": 1, "context": {}}]
)
def test_wrong_arguments_are_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        find.bound(wrong, CONTEXT)


def test_a_tool_has_the_name_that_it_is_given() -> None:
    @tool(name="look-up", timeout=3)
    async def anything() -> None:
        """Look up."""

    assert (anything.name, anything.timeout, anything.is_async, anything.atomic) == ("look-up", 3, True, False)
    assert anything.schema["properties"] == {}
    assert repr(anything) == "<tool look-up>"


def _of(source: str) -> Any:
    found: dict[str, Any] = {}
    exec(source, {"ToolContext": ToolContext}, found)  # noqa: S102 - of this module
    return found["f"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def f(a):\n    'Does.'", "the parameter a has no type"),
        ("def f(*a: int):\n    'Does.'", "cannot be given by name"),
        ("def f(a: int, /):\n    'Does.'", "cannot be given by name"),
        ("def f(a: int): ...", "say in its docstring what it does"),
        ("def f(a: 'Nowhere'):\n    'Does.'", "a type of its signature is not known"),
    ],
)
def test_a_function_that_cannot_be_described_is_refused(source: str, said: str) -> None:
    with pytest.raises(ComponentDefinitionError, match=said):
        tool(_of(source))


@pytest.mark.parametrize("annotation", ["dict", "object", "tuple[int, str]", "dict[str, int]"])
def test_a_type_that_cannot_be_strict_is_named_with_its_path(annotation: str) -> None:
    with pytest.raises(SchemaNotStrict, match=r"the tool f .*\n  \$\.a: "):
        tool(_of(f"def f(a: {annotation}):\n    'Does.'"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "look up"}, "its name must match"),
        ({"timeout": 0}, "timeout must be a positive number"),
        ({"atomic": True}, "an atomic tool is a plain function"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ComponentDefinitionError, match=said):

        @tool(**options)
        async def does() -> None:
            """Does."""


@pytest.mark.parametrize("limits", [{"turns": 0}, {"turns": 1001}, {"errors": -1}, {"parallel": 65}, {"cost": 0}])
def test_limits_outside_their_ranges_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"ToolLimits.{next(iter(limits))} must be"):
        ToolLimits(**limits)


def test_a_service_has_tools_of_ours_and_of_its_provider() -> None:
    search = {"type": "web_search"}
    assert described([find, search]) == [find.described(), search]
    assert runnable([find, search]) == {"find": find}


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"tools": [find, find]}, "tools has two of the name find"),
        ({"tools": [find.function]}, "tools must be a list of functions with @tool"),
        ({"tools": find}, "tools must be a list of functions with @tool"),
        ({"tool_limits": {"turns": 3}}, "tool_limits must be a ToolLimits"),
    ],
)
def test_wrong_tools_of_a_service_are_refused(attributes: dict[str, Any], said: str) -> None:
    with empty_registries(), pytest.raises(ComponentDefinitionError, match=said):
        service(namespace="demo")(type("Declared", (DjangoBaseService,), {"__module__": __name__, **attributes}))


def test_calling_a_tool_calls_the_function() -> None:
    assert isinstance(find, Tool)
    assert find.__name__ == "find"
