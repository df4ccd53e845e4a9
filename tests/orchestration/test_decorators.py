"""What @service and @prompt_section accept, and how they refuse the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest

from orchestration.components.identity import DjangoIdentityMixin
from orchestration.components.prompts import PromptSection
from orchestration.components.registry import empty_registries, prompts, services
from orchestration.decorators import prompt_section, service
from orchestration.errors import ComponentDefinitionError, IdentityCollision, NotConfigured
from orchestration.retry import RetryPolicy
from orchestration.services import DjangoBaseService


class SimcoreMixin(DjangoIdentityMixin):
    namespace = "simcore"


class FeedbackMixin(DjangoIdentityMixin):
    group = "feedback"


@pytest.fixture(autouse=True)
def own_registries() -> Iterator[None]:
    with empty_registries():
        yield


def declare(**attributes: Any) -> type[DjangoBaseService]:
    return service(type("Declared", (SimcoreMixin, DjangoBaseService), {"__module__": __name__, **attributes}))


# --- services -------------------------------------------------------------------------------


def test_a_bare_service_is_named_by_its_mixins_and_registered() -> None:
    @service
    class GenerateHotwashInitialResponse(SimcoreMixin, FeedbackMixin, DjangoBaseService):
        """As in the source documents."""

        async def execute(self, simulation_id: int, **kwargs: Any) -> dict[str, Any]:
            return {}

    identity = GenerateHotwashInitialResponse.identity
    assert str(identity) == "services.simcore.feedback.GenerateHotwashInitialResponse"
    assert services.get("simcore.feedback.GenerateHotwashInitialResponse") is GenerateHotwashInitialResponse
    assert GenerateHotwashInitialResponse.overrides_execute


def test_the_decorator_takes_parts_of_the_identity() -> None:
    @service(namespace="n", group="g", name="x")
    class Named(DjangoBaseService):
        pass

    assert Named.identity.label == "n.g.x"


def test_every_documented_attribute_is_accepted() -> None:
    declared = declare(
        required_context_keys=("simulation_id",),
        schema=None,
        prompt_plan=("prompts.a.b.c",),
        codec="codecs.a.b.c",
        model="gpt-4o-mini",
        client="default",
        retry=RetryPolicy(max_attempts=2),
        parameters={"temperature": 0.2},
        timeout=30,
        tools=[{"type": "web_search"}],
    )
    assert declared.timeout == 30
    assert declare(routes=["a", "a/gpt-4o", {"client": "b", "weight": 2}], fallback_on=["refused"], name="other").routes


def test_methods_properties_and_private_names_are_free() -> None:
    class Helping:
        def shared(self) -> int:
            return 1

    @service(namespace="n")
    class Rich(Helping, DjangoBaseService):
        _limit = 3

        def method(self) -> int:
            return self._limit

        @property
        def computed(self) -> int:
            return 2

        @cached_property
        def cached(self) -> int:
            return 2

        @classmethod
        def of_class(cls) -> int:
            return 2

        @staticmethod
        def static() -> int:
            return 2

    assert Rich().method() == 3


@pytest.mark.parametrize(
    "attributes",
    [
        {"temperature": 0.5},
        {"prompt_sections": ()},
        {"response_schema": DjangoBaseService},
        {"codec_cls": None},
        {"required_context": ["a"]},
        {"Meta": type("Meta", (), {})},
    ],
)
def test_an_unknown_attribute_is_refused_with_the_allowed_ones(attributes: dict[str, Any]) -> None:
    with pytest.raises(ComponentDefinitionError) as caught:
        declare(**attributes)
    message = str(caught.value)
    assert f"{next(iter(attributes))} (set in Declared) is not an attribute of services" in message
    assert "required_context_keys, schema, prompt_plan, codec, model, client, retry, parameters, timeout" in message
    assert not services.all()


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"routes": []}, "routes: all: Tuple should have at least 1 item"),
        ({"routes": "main"}, "routes: all: Input should be a valid tuple"),
        ({"routes": ["main/"]}, "routes: 0.model: String should have at least 1 character"),
        ({"routes": [{"model": "gpt-4o"}]}, "routes: 0.client: Field required"),
        ({"routes": [{"client": "a", "weight": 0}]}, "routes: 0.weight: Input should be greater than or equal to 1"),
        ({"routes": [{"client": "a", "wieght": 2}]}, "routes: 0.wieght: Extra inputs are not permitted"),
        ({"routes": ["a/x", "b", {"client": "a", "model": "x"}]}, "a/x is named twice"),
        ({"routes": ["a"] * 16}, "at most 15 items"),
        ({"routes": ["a"], "client": "a"}, "leave out `client` and `model`"),
        (
            {"fallback_on": ["timeout", "time_out"]},
            "time_out is not a code after which a call can continue; these are: paused",
        ),
        ({"fallback_on": []}, "fallback_on: all: Tuple should have at least 1 item"),
    ],
)
def test_wrong_routes_are_refused_by_name(attributes: dict[str, Any], said: str) -> None:
    with pytest.raises(ComponentDefinitionError) as caught:
        declare(**attributes)
    assert said in str(caught.value)


def test_an_unknown_attribute_of_a_mixin_is_named_with_the_mixin() -> None:
    class LegacyMixin:
        backend = "celery"

    with pytest.raises(ComponentDefinitionError, match=r"backend \(set in .*LegacyMixin\)"):

        @service(namespace="n")
        class Legacy(LegacyMixin, DjangoBaseService):
            pass


@pytest.mark.parametrize(
    ("attribute", "value", "said"),
    [
        ("required_context_keys", "simulation_id", "a tuple of strings, not str 'simulation_id'"),
        ("required_context_keys", (1,), "a tuple of strings"),
        ("schema", dict, "an OutputSchema class"),
        ("prompt_plan", "prompts.a.b.c", "a tuple of PromptSection classes"),
        ("prompt_plan", (SimcoreMixin,), "a tuple of PromptSection classes"),
        ("codec", 3, "a codec class"),
        ("model", 4, "a string or None"),
        ("model", "", "a string or None"),
        ("client", 4, "a string or None"),
        ("retry", {"max_attempts": 3}, "a RetryPolicy or None"),
        ("parameters", None, "a dict"),
        ("timeout", 0, "a positive number"),
        ("timeout", True, "a positive number"),
        ("tools", {"type": "x"}, "a list of functions with @tool"),
    ],
)
def test_an_attribute_of_the_wrong_kind_is_refused(attribute: str, value: Any, said: str) -> None:
    with pytest.raises(ComponentDefinitionError, match=f"{attribute} must be {said}"):
        declare(**{attribute: value})


def test_all_faults_are_reported_together() -> None:
    with pytest.raises(ComponentDefinitionError) as caught:
        declare(temperature=1, timeout=-1, model=3)
    assert len(str(caught.value).splitlines()) == 4


def test_execute_must_be_a_coroutine_function() -> None:
    with pytest.raises(ComponentDefinitionError, match="execute must be a coroutine function"):
        declare(execute=lambda self, **payload: None)


def test_only_services_can_be_decorated_as_services() -> None:
    with pytest.raises(ComponentDefinitionError, match="@service is for subclasses of DjangoBaseService"):

        @service
        class Other(SimcoreMixin):
            pass


def test_two_services_with_one_identity_collide() -> None:
    @service(namespace="n", name="same")
    class First(DjangoBaseService):
        pass

    with pytest.raises(IdentityCollision, match=r"First.*Second"):

        @service(namespace="n", name="same")
        class Second(DjangoBaseService):
            pass


def test_a_service_that_is_not_wired_yet_says_so_when_used() -> None:
    declared = declare()
    with pytest.raises(NotConfigured, match="Declared is not wired: OrchestrAI has not started"):
        _ = declared.wiring


# --- prompt sections ------------------------------------------------------------------------


def test_the_section_of_the_source_documents_works() -> None:
    @prompt_section
    @dataclass
    class PatientNameSection(SimcoreMixin, PromptSection):
        weight = 100

        async def render_instruction(self, **ctx: Any) -> str | None:
            return f"You are {ctx['simulation']}"

    assert PatientNameSection.identity.label == "simcore.default.PatientNameSection"
    assert prompts.get("prompts.simcore.default.PatientNameSection") is PatientNameSection


def test_render_methods_must_be_coroutine_functions() -> None:
    with pytest.raises(ComponentDefinitionError, match="render_message must be a coroutine function"):

        @prompt_section
        class Sync(SimcoreMixin, PromptSection):
            def render_message(self, **ctx: Any) -> str:
                return "x"


def test_a_section_that_renders_nothing_is_refused() -> None:
    with pytest.raises(ComponentDefinitionError, match="it renders nothing"):

        @prompt_section
        class Empty(SimcoreMixin, PromptSection):
            weight = 3


async def rendered(self: PromptSection, **ctx: Any) -> str:
    return "x"


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"weight": "high"}, "weight must be a whole number"),
        ({"weight": True}, "weight must be a whole number"),
        ({"required_variables": "simulation"}, "required_variables must be a tuple of strings"),
        ({"__init__": lambda self, name: None}, "created without arguments, but needs name"),
    ],
)
def test_a_section_with_wrong_attributes_is_refused(attributes: dict[str, Any], said: str) -> None:
    body = {"__module__": __name__, "render_instruction": rendered, **attributes}
    with pytest.raises(ComponentDefinitionError, match=said):
        prompt_section(type("Wrong", (SimcoreMixin, PromptSection), body))


def test_only_sections_can_be_decorated_as_sections() -> None:
    with pytest.raises(ComponentDefinitionError, match="@prompt_section is for subclasses of PromptSection"):
        prompt_section("not a class")
