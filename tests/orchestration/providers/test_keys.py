"""To which hosts a key goes: real requests of engine and gateway, each host answered by one recording proxy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pytest_django import Settings

from orchestration.errors import NotConfigured, ProviderError
from orchestration.providers.openai.provider import is_openai
from orchestration.providers.passthrough import open_passthrough
from orchestration.providers.registry import open_provider
from tests.config.test_env import settings_under
from tests.orchestration.providers.asking import question
from tests.recording_proxy import RecordingProxy, Seen, trusting

OWN, OPENAI = "sk-own-0123456789", "sk-openai-0123456789"
AMBIENT = {
    "OPENAI_ORG_ID": "org-ours",
    "OPENAI_PROJECT_ID": "proj-ours",
    "OPENAI_ADMIN_KEY": "sk-admin",
    "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer sk-ambient\nX-Ours: sk-header",
    "OPENAI_BASE_URL": "http://ambient.example/v1",
}
"""What OpenAI's SDK reads by itself."""


async def by_engine() -> None:
    provider = open_provider("default")
    try:
        await provider.send(question())
    finally:
        await provider.aclose()


async def by_gateway() -> None:
    provider = open_passthrough("default", connections=1, idle_seconds=5)
    try:
        async with provider.request("POST", "/chat/completions", b"{}") as reply:
            await reply.read(1000)
    finally:
        await provider.aclose()


Ask = Callable[[], Coroutine[Any, Any, None]]
DEFAULT, OTHER = "ORCA_PROVIDER_API_KEY", "OTHER_API_KEY"


class Case(NamedTuple):
    """One configuration, and what each host was sent; `why`: what the refusal says when nothing was."""

    client: dict[str, Any]
    variables: dict[str, str]
    sent: list[tuple[str, str]] = []
    why: str = ""
    redirect_to: str = ""


BOTH = {"OPENAI_API_KEY": OPENAI, DEFAULT: OWN}
ONLY_OPENAIS = {"OPENAI_API_KEY": OPENAI}
NAMED = {"api_key_envvar": OTHER}
ELSEWHERE = "https://api.example.com/v1"
TO_OPENAI = "api.openai.com:443"
CONFIGURATIONS = {
    "openai, its key": Case({}, ONLY_OPENAIS, [(TO_OPENAI, OPENAI)]),
    "openai, both keys": Case({}, BOTH, [(TO_OPENAI, OWN)]),
    "openai, by its URL": Case({"base_url": "https://api.openai.com/v1"}, ONLY_OPENAIS, [(TO_OPENAI, OPENAI)]),
    "openai, upper case": Case({"base_url": "https://API.OpenAI.com:443/v1/"}, ONLY_OPENAIS, [(TO_OPENAI, OPENAI)]),
    "openai, a region": Case(
        {"base_url": "https://eu.api.openai.com/v1"}, ONLY_OPENAIS, [("eu.api.openai.com:443", OPENAI)]
    ),
    "openai, a variable that is not set": Case(NAMED, BOTH, why=f"set {OTHER} in the environment"),
    "openai, a variable of its own": Case(NAMED, BOTH | {OTHER: "sk-3"}, [(TO_OPENAI, "sk-3")]),
    "openai, without TLS": Case({"base_url": "http://api.openai.com/v1"}, ONLY_OPENAIS, why=f"set {DEFAULT} in"),
    "openai, another port": Case({"base_url": "https://api.openai.com:8443/v1"}, ONLY_OPENAIS, why="openai.com:8443"),
    "openai, a trailing dot": Case({"base_url": "https://api.openai.com./v1"}, ONLY_OPENAIS, why=r"openai\.com\.:"),
    "openai as a user": Case({"base_url": "https://api.openai.com@evil.example/v1"}, BOTH, why="a user"),
    "openai in the query": Case({"base_url": "https://evil.example?@api.openai.com/v1"}, BOTH, why="must not contain"),
    "openai in other letters": Case(
        {"base_url": "https://\N{CYRILLIC SMALL LETTER A}pi.openai.com/v1"}, ONLY_OPENAIS, why=f"set {DEFAULT} in"
    ),
    "openai, redirected": Case({}, ONLY_OPENAIS, [(TO_OPENAI, OPENAI)], redirect_to="https://evil.example/v1"),
    "another host, openai's key": Case({"base_url": ELSEWHERE}, ONLY_OPENAIS, why='"api_key_envvar": "OPENAI_API_KEY"'),
    "another host, both keys": Case({"base_url": ELSEWHERE}, BOTH, [("api.example.com:443", OWN)]),
    "another host, a variable that is not set": Case({"base_url": ELSEWHERE, **NAMED}, BOTH, why=f"set {OTHER} in"),
    "another host, openai's key by name": Case(
        {"base_url": ELSEWHERE, "api_key_envvar": "OPENAI_API_KEY"}, BOTH, [("api.example.com:443", OPENAI)]
    ),
    "another host, redirected to openai": Case(
        {"base_url": "http://api.example.com/v1"},
        BOTH,
        [("api.example.com", OWN)],
        redirect_to="https://api.openai.com/v1",
    ),
    "another host, an empty variable": Case(
        {"base_url": ELSEWHERE}, ONLY_OPENAIS | {DEFAULT: ""}, why=f"set {DEFAULT}"
    ),
    "a port that is none": Case({"base_url": "https://api.openai.com:99999/v1"}, BOTH, why="a port from 1"),
    "no host": Case({"base_url": "https://:443/v1"}, BOTH, why="must name a host"),
}
"""Twenty-odd configurations of one client: its settings, the environment, and to which host which key goes."""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[RecordingProxy]:
    """Nothing of the environment but a proxy."""
    settings.ORCHESTRAI = {"ALLOW_PAID_REQUESTS": True}
    for name in (*AMBIENT, *ALL, "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for module in ("http.transport", "passthrough"):
        monkeypatch.setattr(f"orchestration.providers.{module}.ssl_context", trusting)
    with RecordingProxy(tmp_path) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        yield proxy


@pytest.fixture(params=[by_engine, by_gateway], ids=["engine", "gateway"])
def ask(request: pytest.FixtureRequest, world: RecordingProxy, settings: Settings) -> Callable[..., list[Seen]]:
    """Asks with a client and tells what arrived where; raises what asking raises before anything is sent."""

    def ask(others: dict[str, Any] | None = None, **client: Any) -> list[Seen]:
        clients = {"default": {"provider": "openai", **client}, **(others or {})}
        settings.ORCA_CONFIG = {"MODE": "pod", "CLIENTS": clients}
        try:
            asyncio.run(request.param())
        except ProviderError as error:
            if not error.sent and not world.seen:
                raise
        return world.seen

    return ask


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_key_goes_where_it_is_meant_to_go_and_nowhere_else(
    ask: Callable[..., list[Seen]], world: RecordingProxy, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = CONFIGURATIONS[name]
    for variable, value in case.variables.items():
        monkeypatch.setenv(variable, value)
    world.redirect_to = case.redirect_to
    if case.why:
        with pytest.raises((ProviderError, NotConfigured), match=case.why) as refused:
            ask(**case.client)
        assert not [key for key in case.variables.values() if key and key in str(refused.value)]
    else:
        ask(**case.client)
    assert [(seen.host.lower(), seen.key) for seen in world.seen] == case.sent
    assert not [tunnel for tunnel in world.tunnels if "sk-" in str(tunnel.headers)]


ALL = {
    "OPENAI_API_KEY": OPENAI,
    DEFAULT: OWN,
    OTHER: "sk-other",
    "ANTHROPIC_API_KEY": "sk-ant",
    "GEMINI_API_KEY": "gemini-key",
    "AZURE_OPENAI_API_KEY": "azure-key",
}
AZURE_URL = "https://mine.openai.azure.com"
OF_OTHERS: dict[str, Case] = {
    "anthropic": Case({"provider": "anthropic"}, ALL, [("api.anthropic.com:443", "sk-ant")]),
    "anthropic, without TLS": Case(
        {"provider": "anthropic", "base_url": "http://api.anthropic.com/v1"}, ALL, why='"api_key_envvar"'
    ),
    "anthropic, elsewhere": Case(
        {"provider": "anthropic", "base_url": ELSEWHERE}, ALL, why="ANTHROPIC_API_KEY is meant"
    ),
    "anthropic, elsewhere by name": Case(
        {"provider": "anthropic", "base_url": ELSEWHERE, **NAMED}, ALL, [("api.example.com:443", "sk-other")]
    ),
    "anthropic, redirected": Case(
        {"provider": "anthropic"}, ALL, [("api.anthropic.com:443", "sk-ant")], redirect_to="https://evil.example/"
    ),
    "anthropic without its key": Case({"provider": "anthropic"}, BOTH, why="set ANTHROPIC_API_KEY in the environment"),
    "gemini": Case({"provider": "gemini"}, ALL, [("generativelanguage.googleapis.com:443", "gemini-key")]),
    "gemini, another of google's hosts": Case(
        {"provider": "gemini", "base_url": "https://evil.googleapis.com/v1beta"}, ALL, why='"api_key_envvar"'
    ),
    "azure": Case({"provider": "azure", "base_url": AZURE_URL}, ALL, [("mine.openai.azure.com:443", "azure-key")]),
    "azure, without an address": Case({"provider": "azure"}, ALL, why='give the client a "base_url"'),
    "azure without its key": Case(
        {"provider": "azure", "base_url": AZURE_URL}, BOTH, why="set AZURE_OPENAI_API_KEY in"
    ),
    "ollama elsewhere": Case({"provider": "ollama", "base_url": ELSEWHERE}, ALL, [("api.example.com:443", "")]),
    "ollama with a key": Case(
        {"provider": "ollama", "base_url": ELSEWHERE, **NAMED}, ALL, [("api.example.com:443", "sk-other")]
    ),
    "compatible, a variable that is not set": Case(
        {"provider": "compatible", "base_url": ELSEWHERE, **NAMED}, BOTH, why=f"set {OTHER} in the environment"
    ),
    "vllm elsewhere": Case({"provider": "vllm", "base_url": "http://gpu.example/v1"}, ALL, [("gpu.example", "")]),
}
"""The same for the other providers, with the keys of all of them in the environment."""


@pytest.mark.parametrize("name", OF_OTHERS)
def test_the_keys_of_other_providers_go_to_them(
    world: RecordingProxy, settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = OF_OTHERS[name]
    for variable, value in case.variables.items():
        monkeypatch.setenv(variable, value)
    world.redirect_to = case.redirect_to
    settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": {"model": "m", **case.client}}
    with pytest.raises((ProviderError, NotConfigured), match=case.why or None) as refused:
        asyncio.run(by_engine())
    assert not [value for value in case.variables.values() if value in str(refused.value)]
    assert [(seen.host.lower(), seen.key) for seen in world.seen] == case.sent
    assert not [tunnel for tunnel in world.tunnels if tunnel.key]


def test_what_speaks_another_api_is_not_passed_through(world: RecordingProxy, settings: Settings) -> None:
    settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": {"provider": "gemini", "model": "m", **NAMED}}
    with pytest.raises(NotConfigured, match="The provider gemini speaks neither OpenAI's API nor Anthropic's"):
        asyncio.run(by_gateway())
    assert world.seen == []


def test_two_azure_resources_do_not_share_a_key_by_default(
    ask: Callable[..., list[Seen]], monkeypatch: pytest.MonkeyPatch, world: RecordingProxy
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")
    other = {"provider": "azure", "model": "m", "base_url": "https://other.openai.azure.com"}
    with pytest.raises(ProviderError, match="'default' to mine"):
        ask({"other": other}, provider="azure", model="m", base_url=AZURE_URL)
    assert world.seen == []


@pytest.mark.parametrize(
    ("variables", "sent"),
    [
        ({"OPENAI_API_KEY": OPENAI}, [(TO_OPENAI, OPENAI)]),
        ({"OPENAI_API_KEY": OPENAI, "OPENAI_BASE_URL": ELSEWHERE}, [("api.example.com:443", OPENAI)]),
        ({**BOTH, "OPENAI_BASE_URL": ELSEWHERE}, [("api.example.com:443", OWN)]),
    ],
)
def test_the_example_project_gives_a_key_to_the_server_beside_it(
    ask: Callable[..., list[Seen]],
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    sent: list[tuple[str, str]],
) -> None:
    client = settings_under("ORCA_CONFIG", **variables)["ORCA_CONFIG"]["CLIENT"]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert [(seen.host, seen.key) for seen in ask(**client)] == sent


FOREIGN = [
    "https://api.example.com/v1",
    "http://api.openai.com/v1",
    "https://api.openai.com.evil.example/v1",
    "https://api.openai.com@evil.example/v1",
    "https://api.openai.com:443@evil.example/v1",
    "https://api.openai.com./v1",
    "https://api.openai.com:8443/v1",
    "https://evil.example/api.openai.com/v1",
    "https://evil.example#@api.openai.com/v1",
    "https://evil.example?@api.openai.com/v1",
    "https://evil.example\\@api.openai.com/v1",
    "https://xapi.openai.com/v1",
    "https://openai.com/v1",
    "https://evil.api.openai.com/v1",
    "https://api.openai\N{IDEOGRAPHIC FULL STOP}com/v1",
    "https://\N{CYRILLIC SMALL LETTER A}pi.openai.com/v1",
    "https://api\N{KELVIN SIGN}openai.com/v1",
    "https://198.51.100.7/v1",
    "http://[2001:db8::1]/v1",
    "https://API.OPENAI.COM.EVIL.EXAMPLE/v1",
]


@pytest.mark.parametrize("base_url", FOREIGN)
def test_openais_key_goes_to_no_other_host(
    ask: Callable[..., list[Seen]], monkeypatch: pytest.MonkeyPatch, base_url: str, world: RecordingProxy
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI)
    with pytest.raises((ProviderError, NotConfigured)) as refused:
        ask(base_url=base_url)
    assert world.seen == []
    assert OPENAI not in str(refused.value)
    if isinstance(refused.value, ProviderError):
        assert refused.value.code == "provider_key_missing"
        assert "'default'" in str(refused.value)
        assert "ORCA_PROVIDER_API_KEY" in str(refused.value)


def test_openais_key_does_not_go_to_a_local_server(
    ask: Callable[..., list[Seen]], monkeypatch: pytest.MonkeyPatch, world: RecordingProxy
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI)
    with pytest.raises(ProviderError, match=r'127\.0\.0\.1.*"api_key_envvar": "OPENAI_API_KEY"'):
        ask(base_url=f"{world.url}/v1")
    assert world.seen == []


def test_a_proxy_that_only_tunnels_is_told_no_key(
    ask: Callable[..., list[Seen]], monkeypatch: pytest.MonkeyPatch, world: RecordingProxy
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI)
    assert [seen.key for seen in ask()] == [OPENAI]
    [tunnel] = world.tunnels
    assert OPENAI not in str(tunnel.headers)


@pytest.mark.parametrize("named", [False, True])
def test_the_default_variable_goes_to_one_host_unless_named(
    ask: Callable[..., list[Seen]], monkeypatch: pytest.MonkeyPatch, world: RecordingProxy, named: bool
) -> None:
    monkeypatch.setenv(DEFAULT, OWN)
    by_name = {"api_key_envvar": DEFAULT} if named else {}
    others = {"other": {"base_url": "https://other.example/v1"}, "simulated": {"provider": "simulator"}}
    if named:
        assert [(seen.host, seen.key) for seen in ask(others, base_url=ELSEWHERE, **by_name)] == [
            ("api.example.com:443", OWN)
        ]
        return
    with pytest.raises(ProviderError, match=r"'default' to api\.example\.com, 'other' to other\.example") as refused:
        ask(others, base_url=ELSEWHERE)
    assert refused.value.code == "provider_key_missing"
    assert world.seen == []


def test_clients_that_name_no_variable_may_share_a_host(
    ask: Callable[..., list[Seen]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DEFAULT, OWN)
    found = ask({"other": {"base_url": "https://API.example.com:443/v2"}}, base_url=ELSEWHERE)
    assert [seen.key for seen in found] == [OWN]


def test_a_netrc_file_changes_nothing(
    ask: Callable[..., list[Seen]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password sk-netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("ORCA_PROVIDER_API_KEY", OWN)
    assert [seen.key for seen in ask(base_url="https://api.example.com/v1")] == [OWN]


def test_a_local_server_is_asked_without_the_proxy(
    ask: Callable[..., list[Seen]], monkeypatch: pytest.MonkeyPatch, world: RecordingProxy
) -> None:
    monkeypatch.setenv("ORCA_PROVIDER_API_KEY", OWN)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert [seen.key for seen in ask(base_url=f"{world.url}/v1")] == [OWN]


def test_what_the_sdk_reads_by_itself_goes_to_no_other_host(
    ask: Callable[..., list[Seen]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in AMBIENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ORCA_PROVIDER_API_KEY", OWN)
    [seen] = ask(base_url="https://api.example.com/v1")
    assert (seen.host, seen.key) == ("api.example.com:443", OWN)
    assert not [value for value in seen.headers.values() if "ours" in value or "sk-" in value.replace(OWN, "")]


def test_openai_itself_is_told_organization_and_project(
    world: RecordingProxy, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    for name, value in AMBIENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI)
    settings.ORCA_CONFIG = {"MODE": "single", "CLIENT": {"provider": "openai"}}
    with pytest.raises(ProviderError):
        asyncio.run(by_engine())
    [seen] = world.seen
    assert (seen.host, seen.key) == ("api.openai.com:443", OPENAI)
    assert seen.headers["openai-organization"] == "org-ours"
    assert "x-ours" not in seen.headers


@pytest.mark.parametrize("url", ["https://api.openai.com", "https://us.api.openai.com/v1"])
def test_openais_own_urls(url: str) -> None:
    assert is_openai(url)


@pytest.mark.parametrize("url", [*FOREIGN, "https://api.openai.com/v1\n", "https://api.openai.com:0443/v1", ""])
def test_urls_that_are_not_openais(url: str) -> None:
    assert not is_openai(url)
