"""The life cycle: start, retry after an error, threads, entry point, and complete registries in every process."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from config.orca import app as project_app
from config.orca import get_orca
from orchestration.components.alignment import WiringProblem
from orchestration.components.lifecycle import (
    OrchestrAI,
    configure_from_django_settings,
    ensure_autostarted,
    get_current_app,
    load_entrypoint,
)
from orchestration.components.registry import empty_registries, services
from orchestration.decorators import service
from orchestration.errors import NotConfigured, RegistryFrozenError
from orchestration.services import DjangoBaseService

fresh_app = OrchestrAI()
not_an_app = 7
PROBLEM = WiringProblem(component="persist.a.b.c", kind="other", message="m", hint="h")


def make_fresh_app() -> OrchestrAI:
    return fresh_app


@pytest.fixture(autouse=True)
def own_registries() -> Iterator[None]:
    with empty_registries():
        yield


@pytest.fixture
def app() -> OrchestrAI:
    made = OrchestrAI()
    configure_from_django_settings(made)
    return made


class Counting(OrchestrAI):
    """Counts, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__()
        configure_from_django_settings(self)
        self.discovered = 0
        self.failures = failures

    def discover(self) -> list[str]:
        self.discovered += 1
        if self.discovered <= self.failures:
            raise SyntaxError("broken component")
        return []


# --- start ----------------------------------------------------------------------------------


def test_starting_discovers_freezes_and_wires(app: OrchestrAI) -> None:
    @service(namespace="n")
    class Free(DjangoBaseService):
        pass

    app.start()
    assert app.started
    assert services.frozen
    assert Free.wiring.schema is None
    assert app.clients.default_client == "default"
    assert app.engine.CONCURRENCY > 0


def test_a_service_that_comes_after_the_start_is_refused(app: OrchestrAI) -> None:
    app.start()
    with pytest.raises(RegistryFrozenError):

        @service(namespace="n")
        class Late(DjangoBaseService):
            pass


def test_starting_twice_starts_once() -> None:
    counting = Counting()
    counting.start()
    counting.start()
    assert counting.discovered == 1


def test_many_threads_start_once_and_all_wait_for_it() -> None:
    counting = Counting()
    seen: list[bool] = []

    def start() -> None:
        counting.start()
        seen.append(counting.started)

    threads = [threading.Thread(target=start) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counting.discovered == 1
    assert seen == [True] * 16


def test_after_an_error_every_start_raises_until_one_succeeds() -> None:
    counting = Counting(failures=2)
    for _ in range(2):
        with pytest.raises(SyntaxError):
            counting.start()
        assert not counting.started
    counting.start()
    assert counting.started


def test_a_component_module_may_ask_for_the_app_during_discovery() -> None:
    class Reentrant(Counting):
        def discover(self) -> list[str]:
            self.start()
            return super().discover()

    reentrant = Reentrant()
    reentrant.start()
    assert reentrant.discovered == 1


def test_an_app_without_settings_does_not_start() -> None:
    with pytest.raises(NotConfigured, match="configure_from_django_settings"):
        OrchestrAI().start()


@override_settings(ORCA_CONFIG={"MODE": "nonsense"})
def test_an_app_with_wrong_settings_does_not_start(app: OrchestrAI) -> None:
    with pytest.raises(NotConfigured, match="MODE"):
        app.start()


# --- entry point ----------------------------------------------------------------------------


def test_the_current_app_is_the_one_of_the_entry_point() -> None:
    assert get_current_app() is get_orca() is project_app
    assert ensure_autostarted() is project_app
    assert project_app.started


@override_settings(ORCA_ENTRYPOINT=f"{__name__}:make_fresh_app", ORCA_AUTOSTART=False)
def test_without_autostart_the_app_is_given_but_not_started() -> None:
    assert ensure_autostarted() is fresh_app
    assert not fresh_app.started


@pytest.mark.parametrize(
    ("entrypoint", "said"),
    [
        (None, "must be"),
        ("config.orca", "must be"),
        ("config.orca:get_orca:x", "must be"),
        ("config.nowhere:get_orca", r"config\.nowhere cannot be imported"),
        ("config.orca:nothing", "has no 'nothing'"),
        (f"{__name__}:not_an_app", "gave int, not an OrchestrAI app"),
    ],
)
def test_a_wrong_entry_point_says_what_is_wrong(entrypoint: Any, said: str) -> None:
    with pytest.raises(NotConfigured, match=said):
        load_entrypoint(entrypoint)


def test_an_entry_point_may_be_the_app_itself() -> None:
    assert load_entrypoint(f"{__name__}:fresh_app") is fresh_app


# --- processes ------------------------------------------------------------------------------


def run_python(code: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process of this project with the files of `tmp_path` importable."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        env={"PYTHONPATH": f"{tmp_path}:{settings.BASE_DIR}", "ORCA_VAR_DIR": str(tmp_path / "var"), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,  # beside other tests a migration of all apps takes a minute
    )


SETUP = "import django; django.setup(); from orchestration.components.registry import services"


@pytest.mark.slow
def test_after_django_setup_the_registries_are_complete(tmp_path: Path) -> None:
    code = f"{SETUP}; print(len(services.all()) > 0, services.frozen)"
    done = run_python(code, tmp_path, DJANGO_SETTINGS_MODULE="config.settings")
    assert done.stdout.strip() == "True True", done.stderr


@pytest.mark.slow
def test_the_registries_are_complete_when_the_engine_is_last(tmp_path: Path) -> None:
    """`orchestration` is the last of INSTALLED_APPS."""
    changed_project(tmp_path, "INSTALLED_APPS.remove('orchestration'); INSTALLED_APPS.append('orchestration')")
    code = f"{SETUP}; print(len(services.all()) > 0, services.frozen)"
    done = run_python(code, tmp_path, DJANGO_SETTINGS_MODULE="changed_settings")
    assert done.stdout.strip() == "True True", done.stderr


def changed_project(tmp_path: Path, extra: str) -> None:
    (tmp_path / "changed_settings.py").write_text(f"from config.settings import *\n{extra}\n")


def broken_project(folder: Path) -> None:
    orca = folder / "brokenapp" / "orca"
    orca.mkdir(parents=True)
    (folder / "brokenapp" / "__init__.py").touch()
    (orca / "__init__.py").write_text("import json\nboom = 1 / 0\n")
    changed_project(folder, "INSTALLED_APPS = [*INSTALLED_APPS, 'brokenapp']")


BROKEN = "brokenapp.orca cannot be imported: line 2: ZeroDivisionError."


@pytest.mark.sampled(4)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "ends_with", "fails"),
    [
        (["check", "--tag", "orchestrai"], f"?: (orchestration.E010) {BROKEN}", True),
        (["orca_components"], f"CommandError: broken_component: {BROKEN}", True),
        (["run_service", "a.b.c"], f"CommandError: broken_component: {BROKEN}", True),
        (["qcluster"], f"?: (orchestration.E010) {BROKEN}", True),
        (["migrate"], f"?: (orchestration.E010) {BROKEN}", False),
    ],
)
def test_a_broken_module_stops_what_needs_it_and_nothing_else(
    tmp_path: Path, command: list[str], ends_with: str, fails: bool
) -> None:
    broken_project(tmp_path)
    run = "from django.core.management import execute_from_command_line as run"
    code = f"import sys; {run}; sys.argv[1:] = {command}; run()"
    done = run_python(code, tmp_path, DJANGO_SETTINGS_MODULE="changed_settings")
    assert bool(done.returncode) is fails, done.stderr
    assert ends_with in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.sampled(3)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("extra", "identifier"),
    [
        ("ORCA_ENTRYPOINT = 'config.nowhere:get_orca'", "orchestration.E003"),
        ("ORCA_CONFIG = {'MODE': 'nonsense'}", "orchestration.E002"),
        ("ORCHESTRAI = {'CONCURENCY': 3}", "orchestration.E001"),
    ],
)
def test_wrong_settings_leave_the_checks_able_to_report_them(tmp_path: Path, extra: str, identifier: str) -> None:
    changed_project(tmp_path, extra)
    code = f"{SETUP}; from django.core.management import call_command; call_command('check', tags=['orchestrai'])"
    done = run_python(code, tmp_path, DJANGO_SETTINGS_MODULE="changed_settings")
    assert identifier in done.stderr
    assert "autostart failed code=not_configured" in done.stderr
    assert done.returncode != 0


@pytest.mark.slow
def test_a_lookup_without_settings_says_what_is_wrong(tmp_path: Path) -> None:
    """Django is up, the app is not: a lookup must not pretend that there is no such component."""
    changed_project(tmp_path, "ORCA_CONFIG = {'MODE': 'nonsense'}")
    done = run_python(f"{SETUP}; services.try_get('a.b.c')", tmp_path, DJANGO_SETTINGS_MODULE="changed_settings")
    assert "NotConfigured: settings.ORCA_CONFIG: MODE" in done.stderr
    assert done.returncode != 0
