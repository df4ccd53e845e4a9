"""`ai_healthcheck`: what it says of each client, and its exit status."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from orchestration.providers.simulator.faults import Fault
from orchestration.providers.simulator.provider import scripted
from orchestration.providers.simulator.server import SimulatedProviderServer

SECRET = "sk-very-secret-0123"
SIMULATED = {"provider": "simulator", "model": "gpt-4o-mini"}
KEYLESS = {"api_key_envvar": "TEST_NO_SUCH_KEY"}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("TEST_KEY", SECRET)


def check(settings: Settings, *options: str, **clients: dict[str, Any]) -> tuple[int, str]:
    settings.ORCA_CONFIG = {"MODE": "pod", "CLIENTS": clients}
    return run(*options)


def run(*options: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("ai_healthcheck", *options, stdout=out)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def test_all_well_exits_0_with_a_line_for_each_client(settings: Settings) -> None:
    status, output = check(settings, first=SIMULATED, second=SIMULATED)
    assert status == 0
    assert [line.split()[:3] for line in output.splitlines()] == [
        ["ok", "first", "simulator/gpt-4o-mini"],
        ["ok", "second", "simulator/gpt-4o-mini"],
    ]


def test_some_failing_exits_1_and_names_them(settings: Settings) -> None:
    status, output = check(settings, good=SIMULATED, bad=KEYLESS)
    assert status == 1
    assert "FAIL  bad" in output
    assert "TEST_NO_SUCH_KEY" in output
    assert output.endswith("1 of 2 model clients fail: bad.")


def test_all_failing_exits_2(settings: Settings) -> None:
    assert check(settings, bad=KEYLESS)[0] == 2


@pytest.mark.parametrize(
    "broken",
    [
        {"ORCA_CONFIG": None},
        {"ORCA_CONFIG": {"MODE": "single"}},
        {"ORCA_CONFIG": {"MODE": "single", "CLIENT": {"provider": "none"}}},
        {"ORCHESTRAI": {"CONCURRENCY": 0}},
    ],
)
def test_unreadable_settings_exit_2_and_say_which(settings: Settings, broken: dict[str, Any]) -> None:
    for name, value in broken.items():
        setattr(settings, name, value)
    status, output = run("--json")
    assert status == 2
    report = json.loads(output[: output.rindex("}") + 1])
    assert report["status"] == "broken"
    assert next(iter(broken)) in report["error"]
    assert report["clients"] == []


def test_a_paid_provider_is_not_asked_unless_told_to(settings: Settings) -> None:
    paid = {"api_key_envvar": "TEST_KEY", "base_url": "https://192.0.2.1/v1"}
    status, output = check(settings, "--json", paid=paid)
    [client] = json.loads(output)["clients"]
    assert status == 0
    assert (client["ok"], client["sent"], client["latency_ms"], client["key_present"]) == (True, False, None, True)
    assert SECRET not in output


def test_asking_a_paid_provider_is_still_subject_to_the_switch(settings: Settings) -> None:
    settings.ORCHESTRAI = {"ALLOW_PAID_REQUESTS": False}
    status, output = check(settings, "--send", paid={"api_key_envvar": "TEST_KEY"})
    assert status == 2
    assert "paid_requests_forbidden" in output


def test_a_local_server_is_asked_and_its_failure_reported(settings: Settings, server: SimulatedProviderServer) -> None:
    local = {"api_key_envvar": "TEST_KEY", "base_url": server.base_url}
    assert check(settings, local=local)[0] == 0
    server.script([Fault(kind="unauthorized")])
    status, output = check(settings, "--json", local=local, sim=SIMULATED)
    report = json.loads(output[: output.rindex("}") + 1])
    assert status == 1
    assert report["status"] == "degraded"
    assert [(client["name"], client["ok"], client["sent"], client["error_code"]) for client in report["clients"]] == [
        ("local", False, True, "provider_auth"),
        ("sim", True, True, ""),
    ]


def test_a_provider_that_hangs_fails_in_time(settings: Settings) -> None:
    with scripted(Fault(kind="hang")):
        status, output = check(settings, "--timeout", "0.2", sim=SIMULATED)
    assert status == 2
    assert "timeout" in output
