"""System checks of settings and components: each with what triggers it and what does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.checks import CheckMessage, run_checks
from django.test import override_settings
from pydantic import BaseModel

from orchestration.checks.components import TAG
from orchestration.components.lifecycle import OrchestrAI, configure_from_django_settings
from orchestration.components.prompts import PromptSection
from orchestration.components.registry import empty_registries
from orchestration.components.schemas import OutputSchema
from orchestration.decorators import prompt_section, schema, service
from orchestration.providers.http.provider import HttpProvider
from orchestration.providers.openai.provider import OpenAIProvider
from orchestration.services import DjangoBaseService


class Careless(OpenAIProvider):
    """A provider that claims what nothing knows."""

    capabilities = frozenset({"telepathy"})  # type: ignore[arg-type]


class Unfinished(HttpProvider):
    """A provider of which the most is missing."""

    name = "unfinished"


OPENAI = {"MODE": "single", "CLIENT": {"provider": "openai"}}
SIMULATOR = {"MODE": "single", "CLIENT": {"provider": "simulator"}}
UNCONFIGURED = OrchestrAI()


def messages(**changed: Any) -> dict[str, CheckMessage]:
    """The findings of this package's checks under changed settings, by id; each must have a hint."""
    with override_settings(**changed):
        found = run_checks(tags=[TAG])
    assert [message for message in found if not message.hint] == []
    return {message.id or "": message for message in found}


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("ORCA_PROVIDER_API_KEY", raising=False)


def test_the_project_itself_has_no_findings() -> None:
    assert messages(DEBUG=True) == {}


# --- settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"CONCURENCY": 64}, "CONCURENCY"),
        ({"CONCURRENCY": 0}, "CONCURRENCY"),
        ({"RENEW_SECONDS": 9.0}, "half of LEASE_SECONDS"),
        ([], "dictionary"),
    ],
)
def test_a_wrong_engine_setting_is_an_error(value: Any, said: str) -> None:
    found = messages(ORCHESTRAI=value)
    assert said in found["orchestration.E001"].msg


def test_a_key_under_its_former_name_is_a_warning() -> None:
    found = messages(ORCHESTRAI={**settings.ORCHESTRAI, "PUMP_BUDGET_SECONDS": 30.0})
    assert "LOOP_BUDGET_SECONDS now" in found["orchestration.W005"].msg
    assert "orchestration.E001" not in found


def test_the_keys_of_persistence_are_not_the_engine_s_business() -> None:
    assert "orchestration.E001" not in messages(ORCHESTRAI={**settings.ORCHESTRAI, "DOMAIN_PERSIST_BATCH_SIZE": 7})


@pytest.mark.parametrize("path", ["nowhere", "no_such.module:name", f"{__name__}:missing", f"{__name__}:SIMULATOR"])
def test_a_responder_that_cannot_be_imported_is_an_error(path: str) -> None:
    found = messages(ORCHESTRAI={**settings.ORCHESTRAI, "SIMULATOR_RESPONDERS": [path]}, DEBUG=True)
    assert list(found) == ["orchestration.E009"]
    assert path.partition(":")[0] in found["orchestration.E009"].msg


def test_wrong_responders_are_reported_once() -> None:
    assert list(messages(ORCHESTRAI={"SIMULATOR_RESPONDERS": 7}, DEBUG=True)) == ["orchestration.E001"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "missing"),
        ({"MODE": "pod"}, "CLIENTS"),
        ({"MODE": "single", "CLIENT": {"provider": "nobody"}}, "provider"),
        ({"MODE": "single", "CLIENT": {"api_key": "sk-secret"}}, "api_key"),
        ("openai", "dict"),
        (7, "dict"),
    ],
)
def test_a_wrong_or_missing_client_setting_is_an_error(value: Any, said: str) -> None:
    message = messages(ORCA_CONFIG=value)["orchestration.E002"]
    assert said in message.msg
    assert "sk-secret" not in message.msg


def test_an_error_in_the_clients_is_reported_once() -> None:
    assert list(messages(ORCA_CONFIG={"MODE": "nonsense"}, DEBUG=True)) == ["orchestration.E002"]


@pytest.mark.parametrize("value", [None, "config.orca", "config.nowhere:get_orca", "config.orca:nothing"])
def test_an_entry_point_that_gives_no_app_is_an_error(value: Any) -> None:
    found = messages(ORCA_ENTRYPOINT=value, DEBUG=True)
    assert list(found) == ["orchestration.E003"]
    assert "ORCA_ENTRYPOINT" in found["orchestration.E003"].msg


def test_an_entry_point_whose_app_has_no_settings_is_an_error() -> None:
    found = messages(ORCA_ENTRYPOINT=f"{__name__}:UNCONFIGURED", DEBUG=True)
    assert list(found) == ["orchestration.E003"]


@pytest.mark.parametrize("value", ["False", 1, None])
def test_autostart_must_be_a_bool(value: Any) -> None:
    assert "orchestration.E008" in messages(ORCA_AUTOSTART=value)


def test_an_app_that_nothing_starts_is_a_warning() -> None:
    idle = OrchestrAI()
    configure_from_django_settings(idle)
    globals()["idle"] = idle
    found = messages(ORCA_ENTRYPOINT=f"{__name__}:idle", ORCA_AUTOSTART=False, DEBUG=True)
    assert list(found) == ["orchestration.W003"]
    assert "orchestration.W003" not in messages(ORCA_AUTOSTART=False)  # the project's app has started


# --- clients --------------------------------------------------------------------------------


def test_openai_without_a_key_is_an_error() -> None:
    message = messages(ORCA_CONFIG=OPENAI)["orchestration.E004"]
    assert "set ORCA_PROVIDER_API_KEY or OPENAI_API_KEY in the environment" in message.msg


@pytest.mark.parametrize("variable", ["ORCA_PROVIDER_API_KEY", "OPENAI_API_KEY"])
def test_openai_with_a_key_is_fine(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "sk-test")
    assert messages(ORCA_CONFIG=OPENAI) == {}


def test_openais_key_is_not_for_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    client = {"provider": "openai", "base_url": "https://api.example.com/v1", "api_key_envvar": "OTHER_KEY"}
    message = messages(ORCA_CONFIG={"MODE": "pod", "CLIENTS": {"other": client}})["orchestration.E004"]
    assert "'other' has no API key for api.example.com: set OTHER_KEY in the environment, or, if" in message.msg
    assert messages(ORCA_CONFIG={"MODE": "single", "CLIENT": client | {"api_key_envvar": "OPENAI_API_KEY"}}) == {}


def test_hosts_that_share_a_key_by_default_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCA_PROVIDER_API_KEY", "sk-test")
    other = {"base_url": "https://api.example.com/v1"}
    message = messages(ORCA_CONFIG={"MODE": "pod", "CLIENTS": {"main": {}, "other": other}})["orchestration.E004"]
    assert "'main' to api.openai.com, 'other' to api.example.com" in message.msg
    named = other | {"api_key_envvar": "ORCA_PROVIDER_API_KEY"}
    assert messages(ORCA_CONFIG={"MODE": "pod", "CLIENTS": {"main": {}, "other": named}}) == {}


@pytest.mark.parametrize(
    ("client", "said"),
    [
        ({"provider": "no.such.module.Provider"}, "cannot be imported: No module named 'no'"),
        ({"provider": "orchestration.conf.ClientSettings"}, "not a subclass of orchestration.providers.base.Provider"),
        ({"provider": f"{__name__}.Careless"}, "'telepathy' is not a capability: structured_output, tools"),
        ({"provider": f"{__name__}.Unfinished"}, "`surfaces` (over HTTP: `wires`) must name at least one API"),
        ({"provider": f"{__name__}.Unfinished"}, "it does not define `path`"),
        ({"provider": "azure"}, 'azure has no address of its own: give the client a "base_url"'),
        ({"provider": "anthropic", "surface": "chat"}, "anthropic has no surface 'chat'; it has: messages"),
        ({"provider": "anthropic", "options": {"max_token": 1}}, "max_token: Extra inputs are not permitted"),
        ({"provider": "anthropic", "options": {"max_tokens": 0}}, "greater than or equal to 1"),
        ({"provider": "openai", "options": {"x": 1}}, "The options of openai are: none"),
        ({"provider": "gemini", "token": "no.module:function"}, "no.module cannot be imported"),
    ],
)
def test_settings_that_do_not_fit_their_provider_are_an_error(client: dict[str, Any], said: str) -> None:
    found = messages(ORCA_CONFIG={"MODE": "pod", "CLIENTS": {"mine": {"model": "m", **client}}}, DEBUG=True)
    assert list(found) == ["orchestration.E013"]
    assert said in found["orchestration.E013"].msg


@pytest.mark.parametrize(
    ("client", "said"),
    [
        ({"provider": "nobody"}, "is none of openai, azure, anthropic"),
        ({"provider": "anthropic"}, "model: name one"),
        ({"without": ["telepathy"]}, "structured_output"),
        ({"token": "a:b", "api_key_envvar": "X"}, "a token or a key"),
    ],
)
def test_settings_that_no_client_may_have_are_an_error(client: dict[str, Any], said: str) -> None:
    assert said in messages(ORCA_CONFIG={"MODE": "single", "CLIENT": client})["orchestration.E002"].msg


def test_a_keyless_client_needs_no_key() -> None:
    assert messages(ORCA_CONFIG={"MODE": "single", "CLIENT": {"provider": "ollama", "model": "m"}}) == {}


def test_each_client_of_a_pod_is_checked() -> None:
    pod = {"MODE": "pod", "CLIENTS": {"main": {"provider": "openai"}, "spare": {"provider": "simulator"}}}
    found = messages(ORCA_CONFIG=pod, DEBUG=False)
    assert "'main'" in found["orchestration.E004"].msg
    assert "'spare'" in found["orchestration.W001"].msg


def test_the_simulator_in_production_is_a_warning() -> None:
    assert "orchestration.W001" in messages(ORCA_CONFIG=SIMULATOR, DEBUG=False)
    assert "orchestration.W001" not in messages(ORCA_CONFIG=SIMULATOR, DEBUG=True)


# --- wiring ---------------------------------------------------------------------------------

entry_app = OrchestrAI()


def get_entry_app() -> OrchestrAI:
    return entry_app


@pytest.fixture
def components() -> Iterator[None]:
    """Empty registries, and an app that has not finalized yet and discovers nothing."""

    class OnlyWhatTheTestDefines(OrchestrAI):
        def discover(self) -> list[str]:
            return []

    global entry_app
    entry_app = OnlyWhatTheTestDefines()
    configure_from_django_settings(entry_app)
    with empty_registries():
        yield


def wiring_messages() -> dict[str, CheckMessage]:
    return messages(ORCA_ENTRYPOINT=f"{__name__}:get_entry_app", DEBUG=True)


@pytest.mark.usefixtures("components")
def test_a_reference_to_an_unknown_component_is_an_error() -> None:
    @service(namespace="demo")
    class GenerateReply(DjangoBaseService):
        prompt_plan = ("demo.default.Missing",)

    message = wiring_messages()["orchestration.E005"]
    assert message.obj == "services.demo.default.GenerateReply"
    assert "demo.default.Missing" in message.msg


class Tree(BaseModel):
    trees: list[Tree]


@pytest.mark.usefixtures("components")
@pytest.mark.parametrize(
    ("client", "said"),
    [
        (
            {"provider": "anthropic"},
            "anthropic cannot express this schema: $defs.Tree.trees[]: a recursive reference (Tree)",
        ),
        ({"provider": "gemini"}, "gemini cannot express this schema: $defs.Tree.trees[]: a recursive"),
        ({"provider": "ollama", "without": ["structured_output"]}, "it has no structured_output."),
        ({"provider": "ollama", "without": ["tools"]}, "it has no tools."),
        ({"provider": "ollama"}, ""),
    ],
)
def test_a_service_that_its_client_cannot_answer_is_an_error(
    client: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @schema(namespace="demo")
    class ReplySchema(OutputSchema):
        root: Tree

    @prompt_section(namespace="demo")
    class ReplyPrompt(PromptSection):
        async def render_message(self, **ctx: Any) -> str:
            return "Answer."

    @service(namespace="demo")
    class GenerateReply(DjangoBaseService):
        schema = ReplySchema
        prompt_plan = (ReplyPrompt,)
        tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}}]

    monkeypatch.setenv("KEY", "sk-1")
    named = {} if client["provider"] == "ollama" else {"api_key_envvar": "KEY"}
    clients = {"MODE": "pod", "CLIENTS": {"mine": {"model": "m", **client, **named}}}
    found = messages(ORCA_ENTRYPOINT=f"{__name__}:get_entry_app", DEBUG=True, ORCA_CONFIG=clients)
    assert list(found) == (["orchestration.E012"] if said else [])
    if said:
        assert said in found["orchestration.E012"].msg
        assert "services.demo.default.GenerateReply" in found["orchestration.E012"].msg


@pytest.mark.usefixtures("components")
@pytest.mark.parametrize(
    ("client", "kinds", "said"),
    [
        ({"provider": "anthropic"}, ("image", "file"), ""),
        ({"provider": "anthropic"}, ("audio",), "it has no audio (content_kinds)."),
        ({"provider": "openai", "surface": "chat"}, ("audio",), ""),
        ({"provider": "openai"}, ("image", "audio"), "its API responses takes no audio (content_kinds)."),
        ({"provider": "gemini", "without": ["images"]}, ("image",), "it has no images (content_kinds)."),
    ],
)
def test_what_a_service_shows_is_held_against_its_clients(
    client: dict[str, Any], kinds: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each of its routes; those that can are not named."""

    @service(namespace="demo")
    class GenerateReply(DjangoBaseService):
        content_kinds = kinds
        routes = ("able", "mine")

        async def execute(self, **payload: Any) -> str:
            return ""

    monkeypatch.setenv("KEY", "sk-1")
    mine = {"model": "m", **client, "api_key_envvar": "KEY"}
    clients = {
        "MODE": "pod",
        "CLIENTS": {"able": {"provider": "simulator", "model": "m", "surface": "generateContent"}, "mine": mine},
    }
    found = messages(ORCA_ENTRYPOINT=f"{__name__}:get_entry_app", DEBUG=True, ORCA_CONFIG=clients)
    assert list(found) == (["orchestration.E012"] if said else [])
    if said:
        assert f"cannot be answered by the client 'mine': {said}" in found["orchestration.E012"].msg


@pytest.mark.usefixtures("components")
def test_a_service_with_an_unknown_client_is_an_error() -> None:
    @service(namespace="demo")
    class GenerateReply(DjangoBaseService):
        client = "best"

        async def execute(self, **payload: Any) -> str:
            return ""

    assert "the client 'best', which ORCA_CONFIG has not: default" in wiring_messages()["orchestration.E011"].msg


@pytest.mark.usefixtures("components")
def test_every_route_of_a_service_is_checked() -> None:
    @service(namespace="demo")
    class GenerateReply(DjangoBaseService):
        routes = ("default", "best/gpt-4o")

        async def execute(self, **payload: Any) -> str:
            return ""

    assert "the client 'best', which ORCA_CONFIG has not: default" in wiring_messages()["orchestration.E011"].msg


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        ({"ROUTES": []}, "ROUTES: Tuple should have at least 1 item"),
        ({"ROUTES": ["default", "best"]}, "ROUTES names best, but the clients are default"),
        ({"ROUTES": ["default"], "FALLBACK_ON": ["x"]}, "x is not a code"),
    ],
)
def test_routes_that_lead_nowhere_are_an_error(routes: dict[str, Any], said: str) -> None:
    assert said in messages(ORCA_CONFIG=SIMULATOR | routes)["orchestration.E002"].msg


@pytest.mark.usefixtures("components")
def test_an_ambiguous_alignment_is_an_error() -> None:
    @schema(namespace="demo")
    class ReplySchema(OutputSchema):
        text: str

    @schema(namespace="demo")
    class ReplyOutputSchema(OutputSchema):
        text: str

    @service(namespace="demo")
    class GenerateReply(DjangoBaseService):
        prompt_plan = ()

    assert "more than one component aligns" in wiring_messages()["orchestration.E006"].msg


@pytest.mark.usefixtures("components")
def test_a_service_without_any_prompt_is_a_warning() -> None:
    @service(namespace="demo")
    class GenerateReply(DjangoBaseService):
        pass

    assert list(wiring_messages()) == ["orchestration.W002"]


@pytest.mark.usefixtures("components")
def test_a_service_with_a_prompt_or_a_body_of_its_own_is_fine() -> None:
    @prompt_section(namespace="demo")
    class ReplySection(PromptSection):
        async def render_message(self, **ctx: Any) -> str:
            return "x"

    @service(namespace="demo")
    class GenerateReply(DjangoBaseService):
        pass

    @service(namespace="demo")
    class Computed(DjangoBaseService):
        async def execute(self, **payload: Any) -> dict[str, Any]:
            return payload

    assert wiring_messages() == {}
