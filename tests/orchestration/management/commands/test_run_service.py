"""`orca_components` and `run_service`: what they print, what they leave alone, and how they fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from orchestration.components.identity import CODECS, PERSIST
from orchestration.components.lifecycle import OrchestrAI, configure_from_django_settings
from orchestration.components.prompts import PromptSection
from orchestration.components.registry import empty_registries
from orchestration.components.schemas import OutputSchema
from orchestration.decorators import prompt_section, register_component, schema, service
from orchestration.models import AIRequestAudit, ServiceCallRecord
from orchestration.models.states import Status
from orchestration.services import DjangoBaseService

GREET = "demo.default.GenerateGreeting"


class OnlyWhatTheTestDefines(OrchestrAI):
    def discover(self) -> list[str]:
        return []


entry_app = OrchestrAI()


def get_entry_app() -> OrchestrAI:
    return entry_app


@pytest.fixture(autouse=True)
def components() -> Iterator[None]:
    """A service with schema, section and codec found by alignment, a handler, and one service that is broken."""
    global entry_app
    entry_app = OnlyWhatTheTestDefines()
    configure_from_django_settings(entry_app)
    with empty_registries(), override_settings(ORCA_ENTRYPOINT=f"{__name__}:get_entry_app"):
        define()
        yield


def define() -> None:
    @schema(namespace="demo", version=4)
    class GreetingOutputSchema(OutputSchema):
        text: str

    @prompt_section(namespace="demo")
    class GreetingSection(PromptSection):
        weight = 7
        required_variables = ("who",)

        async def render_message(self, **ctx: Any) -> str:
            return f"Greet {ctx['who']} in {ctx.get('language', 'English')}."

    class GreetingCodec:
        pass

    class GreetingPersistence:
        schema = GreetingOutputSchema

    @service(namespace="demo")
    class GenerateGreeting(DjangoBaseService):
        required_context_keys = ("who",)

    @service(namespace="demo")
    class GenerateBroken(DjangoBaseService):
        schema = "demo.default.Nowhere"
        prompt_plan = ()

    @service(namespace="demo")
    class Echo(DjangoBaseService):
        async def execute(self, **payload: Any) -> dict[str, Any]:
            return payload

    register_component(GreetingCodec, CODECS, namespace="demo")
    register_component(GreetingPersistence, PERSIST, namespace="demo")


def call(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def entries() -> dict[str, dict[str, Any]]:
    return {entry["identity"]: entry for entry in json.loads(call("orca_components", "--json"))}


# --- orca_components ------------------------------------------------------------------------


def test_every_component_is_listed_with_its_place() -> None:
    greet = entries()[f"services.{GREET}"]
    assert greet["label"] == GREET
    assert greet["class"].endswith("GenerateGreeting")
    assert greet["file"].endswith("tests/orchestration/management/commands/test_run_service.py")
    source = Path(__file__).read_text().splitlines()
    assert "class GenerateGreeting" in "".join(source[greet["line"] - 1 : greet["line"] + 1])


def test_every_component_says_what_it_is_wired_to() -> None:
    found = entries()
    greet = f"services.{GREET}"
    assert found[greet]["wiring"] == {
        "schema": "schemas.demo.default.GreetingOutputSchema",
        "sections": ["prompts.demo.default.GreetingSection"],
        "codec": "codecs.demo.default.GreetingCodec",
    }
    assert found["schemas.demo.default.GreetingOutputSchema"]["wiring"]["used_by"] == [greet]
    assert found["schemas.demo.default.GreetingOutputSchema"]["wiring"]["version"] == 4
    assert found["prompts.demo.default.GreetingSection"]["wiring"]["weight"] == 7
    assert found["codecs.demo.default.GreetingCodec"]["wiring"] == {"used_by": [greet]}
    assert found["persist.demo.default.GreetingPersistence"]["wiring"] == {
        "schema": "schemas.demo.default.GreetingOutputSchema",
        "used_by": [],
    }


def test_what_could_not_be_wired_is_shown() -> None:
    assert "Nowhere" in entries()["services.demo.default.GenerateBroken"]["problems"][0]
    assert "problem: services.demo.default.GenerateBroken: schema refers to" in call("orca_components")


def test_the_text_has_a_line_for_each_fact() -> None:
    lines = call("orca_components").splitlines()
    assert "services" in lines
    (service,) = [line for line in lines if line.startswith(f"  {GREET}  ")]
    assert "test_run_service.py:" in service
    assert "      schema: schemas.demo.default.GreetingOutputSchema" in lines
    assert lines[-1] == "7 components"


@override_settings(ORCA_ENTRYPOINT="config.nowhere:get_orca")
def test_without_an_app_the_listing_fails_clearly() -> None:
    with pytest.raises(CommandError, match=r"not_configured: settings\.ORCA_ENTRYPOINT"):
        call("orca_components")


# --- run_service ----------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_dry_run_prints_prompt_and_schema_and_stores_nothing() -> None:
    arguments = ("--mode", "dry-run", "--context", '{"who": "Ada"}', "--input", '{"language": "French"}')
    shown = json.loads(call("run_service", GREET, *arguments))
    assert shown["service"] == f"services.{GREET}"
    assert shown["context"] == {"who": "Ada"}
    assert shown["messages"] == [{"role": "user", "content": "Greet Ada in French."}]
    assert shown["prompt_meta"]["sections"][0]["rendered"] is True
    assert shown["schema"]["version"] == 4
    assert shown["schema"]["json_schema"]["additionalProperties"] is False
    assert not ServiceCallRecord.objects.exists()
    assert not AIRequestAudit.objects.exists()


@pytest.mark.django_db
def test_run_waits_for_the_response_and_records_the_call() -> None:
    response = json.loads(call("run_service", f"services.{GREET}", "--context", '{"who": "Ada"}'))
    assert response["identity_str"] == GREET
    assert isinstance(response["structured_data"]["text"], str)
    record = ServiceCallRecord.objects.get()
    assert record.pk == response["call_id"]
    assert record.status == Status.SUCCEEDED
    assert record.context["who"] == "Ada"


@pytest.mark.django_db
def test_run_prints_what_an_overridden_execute_returns() -> None:
    assert json.loads(call("run_service", "demo.default.Echo", "--input", '{"a": [1]}')) == {"a": [1]}


@pytest.mark.django_db
def test_enqueue_leaves_a_queued_call() -> None:
    queued = json.loads(call("run_service", GREET, "--mode", "enqueue", "--context", '{"who": "Ada"}'))
    record = ServiceCallRecord.objects.get()
    assert queued == {"id": record.pk, "status": "queued", "task_id": queued["task_id"]}
    assert record.status == Status.QUEUED


@pytest.mark.django_db
def test_context_and_input_may_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "context.json").write_text('{"who": "Zoë"}')
    shown = json.loads(call("run_service", GREET, "--mode", "dry-run", "--context", f"@{tmp_path / 'context.json'}"))
    assert shown["messages"][0]["content"] == "Greet Zoë in English."


@pytest.mark.django_db
@pytest.mark.parametrize("mode", ["run", "enqueue", "dry-run"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((GREET,), "missing_context: .* needs context who"),
        (("demo.default.GenerateGreetings",), r"unknown_service: .*Did you mean demo\.default\.GenerateGreeting"),
        (("nonsense",), "invalid_identity: 'nonsense' is not an identity"),
        (("demo.default.GenerateBroken",), "invalid_component: .*Nowhere"),
        ((GREET, "--context", "{"), "--context is not JSON"),
        ((GREET, "--context", "[1]"), "--context must be a JSON object, not list"),
        ((GREET, "--input", "@/nowhere/at/all.json"), "--input @/nowhere/at/all.json cannot be read"),
    ],
)
def test_failures_say_what_is_wrong_and_store_nothing(mode: str, arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call("run_service", *arguments, "--mode", mode)
    assert not ServiceCallRecord.objects.exists()


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(CommandError, match="invalid choice: 'later'"):
        call("run_service", GREET, "--mode", "later")
