"""Wiring: explicit attributes first, then alignment, and never a guess or a silent skip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orchestration.components.alignment import WiringProblem, wire
from orchestration.components.identity import CODECS, DjangoIdentityMixin
from orchestration.components.lifecycle import OrchestrAI
from orchestration.components.prompts import PromptSection
from orchestration.components.registry import empty_registries
from orchestration.components.schemas import OutputSchema
from orchestration.decorators import prompt_section, register_component, schema, service
from orchestration.errors import ComponentDefinitionError
from orchestration.services import DjangoBaseService

DEMO = {"namespace": "demo", "group": "patient"}


class DemoMixin(DjangoIdentityMixin):
    namespace = "demo"
    group = "patient"


@pytest.fixture(autouse=True)
def own_registries() -> Iterator[None]:
    with empty_registries():
        yield


def a_schema(class_name: str, **parts: str) -> type[OutputSchema]:
    model = type(class_name, (OutputSchema,), {"__annotations__": {"text": str}, "__module__": __name__})
    return schema(**{**DEMO, **parts})(model)


async def _render(self: PromptSection, **ctx: Any) -> str:
    return "x"


def a_section(class_name: str, **parts: str) -> type[PromptSection]:
    body = {"render_message": _render, "__module__": __name__}
    return prompt_section(**{**DEMO, **parts})(type(class_name, (PromptSection,), body))


def a_codec(class_name: str, **parts: str) -> type:
    return register_component(type(class_name, (), {"__module__": __name__}), CODECS, **{**DEMO, **parts})


def a_service(class_name: str, attributes: dict[str, Any] | None = None, **parts: str) -> type[DjangoBaseService]:
    body = {"__module__": __name__, **(attributes or {})}
    return service(**{**DEMO, **parts})(type(class_name, (DjangoBaseService,), body))


def problems() -> list[WiringProblem]:
    return list(OrchestrAI().finalize())


# --- alignment ------------------------------------------------------------------------------


def test_a_service_finds_its_parts_by_namespace_group_and_stem() -> None:
    """The parts are schema, section and codec."""
    found_schema = a_schema("PatientInitialOutputSchema")
    found_section = a_section("PatientInitialSection")
    found_codec = a_codec("PatientInitialCodec")
    patient = a_service("GeneratePatientInitial")
    assert problems() == []
    assert patient.wiring.schema is found_schema
    assert patient.wiring.sections == (found_section,)
    assert patient.wiring.codec is found_codec


@pytest.mark.parametrize("parts", [{"group": "nurse"}, {"namespace": "other"}])
def test_another_group_or_namespace_does_not_align(parts: dict[str, str]) -> None:
    a_schema("PatientInitialOutputSchema", **parts)
    patient = a_service("GeneratePatientInitial")
    assert problems() == []
    assert patient.wiring.schema is None


def test_another_stem_does_not_align() -> None:
    a_schema("PatientReplyOutputSchema")
    patient = a_service("GeneratePatientInitial")
    assert wire(patient).schema is None


def test_components_with_the_same_explicit_name_align() -> None:
    found = a_schema("AnySchema", name="initial")
    patient = a_service("GenerateSomething", name="initial")
    assert wire(patient).schema is found


def test_an_explicit_attribute_comes_before_alignment() -> None:
    a_schema("ReplyOutputSchema")
    chosen = a_schema("OtherOutputSchema")
    reply = a_service("GenerateReply", {"schema": chosen})
    assert wire(reply).schema is chosen


# --- explicit references --------------------------------------------------------------------


def test_a_plan_takes_classes_identities_and_labels_in_its_order() -> None:
    one, two, three = a_section("OneSection"), a_section("TwoSection"), a_section("ThreeSection")
    plan = ("demo.patient.TwoSection", three, "prompts.demo.patient.OneSection")
    assert wire(a_service("GenerateReply", {"prompt_plan": plan})).sections == (two, three, one)


def test_an_explicit_empty_plan_is_empty() -> None:
    a_section("ReplySection")
    assert wire(a_service("GenerateReply", {"prompt_plan": ()})).sections == ()


def test_schema_and_codec_may_be_named_by_identity() -> None:
    found_schema, found_codec = a_schema("ASchema"), a_codec("ACodec")
    attributes = {"schema": "schemas.demo.patient.ASchema", "codec": "demo.patient.ACodec"}
    wiring = wire(a_service("GenerateReply", attributes))
    assert (wiring.schema, wiring.codec) == (found_schema, found_codec)


# --- what cannot be wired -------------------------------------------------------------------


def test_two_aligned_schemas_are_ambiguous_and_both_are_named() -> None:
    a_schema("ReplySchema")
    a_schema("ReplyOutputSchema")
    reply = a_service("GenerateReply")
    [problem] = problems()
    assert problem.kind == "ambiguous"
    assert problem.component == "services.demo.patient.GenerateReply"
    assert "schemas.demo.patient.ReplySchema" in problem.message
    assert "schemas.demo.patient.ReplyOutputSchema" in problem.message
    assert problem.hint == "Set `schema` on the service."
    with pytest.raises(ComponentDefinitionError, match="more than one component aligns"):
        _ = reply.wiring


def test_an_unknown_section_is_named_with_its_service() -> None:
    """This happens when the registries are finalized, and when the section is used."""
    a_section("ReplyStyleSection")
    reply = a_service("GenerateReply", {"prompt_plan": ("demo.patient.ReplyStileSection",)})
    [problem] = problems()
    assert problem.kind == "unknown"
    assert "services.demo.patient.GenerateReply: prompt_plan refers to 'demo.patient.ReplyStileSection'" in (
        problem.message
    )
    assert "Did you mean demo.patient.ReplyStyleSection?" in problem.message
    with pytest.raises(ComponentDefinitionError, match="ReplyStileSection"):
        _ = reply.wiring
    with pytest.raises(ComponentDefinitionError, match="ReplyStileSection"):
        _ = reply().wiring


def test_a_malformed_reference_is_a_problem_and_no_crash() -> None:
    a_service("GenerateReply", {"schema": "no identity at all"})
    [problem] = problems()
    assert "is not an identity" in problem.message


def test_a_class_without_decorator_is_a_problem() -> None:
    class Undecorated(OutputSchema):
        text: str

    a_service("GenerateReply", {"schema": Undecorated})
    [problem] = problems()
    assert "Undecorated, which is not registered in schemas" in problem.message
    assert "Decorate the class" in problem.hint


def test_all_problems_of_a_service_are_collected() -> None:
    reply = a_service("GenerateReply", {"schema": "a.b.c", "codec": "a.b.c", "prompt_plan": ("a.b.c", "a.b.d")})
    assert len(problems()) == 4
    with pytest.raises(ComponentDefinitionError) as caught:
        wire(reply)
    assert str(caught.value).count("refers to") == 4


def test_one_broken_service_does_not_hold_up_the_others() -> None:
    a_service("GenerateBroken", {"schema": "a.b.c"})
    fine = a_service("GenerateFine")
    assert len(problems()) == 1
    assert fine.wiring.schema is None
