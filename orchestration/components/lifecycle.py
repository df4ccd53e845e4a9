"""The life cycle: one OrchestrAI app per process discovers the components, freezes the registries and wires them.

`OrchestrationConfig.ready()` starts it right after the last app's `ready()`, so that every app has connected its
signals, and registries are complete in web, worker and command processes alike. That takes a few hundredths of a second
and asks no database. Neither wrong settings nor a component's module that cannot be imported stop Django: `manage.py
check` reports them, and `migrate` works. Then each lookup of a component tries to start, and raises the reason why it
cannot. Only the entry points of workers call
`ensure_autostarted()` themselves, for a worker that has no components must not claim any work.
"""

from __future__ import annotations

import logging
import threading

from django.apps import apps
from django.core.signals import setting_changed

from orchestration.components.alignment import WiringProblem, wire_all
from orchestration.components.discovery import discover
from orchestration.components.import_paths import import_named
from orchestration.components.registry import all_registries, services, start_before_lookups
from orchestration.conf import ClientsSettings, EngineSettings, clients_settings, engine_settings
from orchestration.errors import BrokenComponent, NotConfigured
from orchestration.log import describe
from orchestration.typed_settings import optional_setting

logger = logging.getLogger(__name__)


class OrchestrAI:
    """The components of a process and their life cycle: configured, discovered, finalized."""

    def __init__(self) -> None:
        self.configured = False
        self.problems: tuple[WiringProblem, ...] = ()
        """What finalizing could not wire. System checks report it; using the component raises it."""
        self._started = False
        self._starting = False
        self._lock = threading.RLock()

    @property
    def started(self) -> bool:
        return self._started

    @property
    def clients(self) -> ClientsSettings:
        """The model clients (`ORCA_CONFIG`); NotConfigured says what is wrong with them."""
        return clients_settings()

    @property
    def engine(self) -> EngineSettings:
        """The engine's settings (`ORCHESTRAI`); NotConfigured says what is wrong with them."""
        return engine_settings()

    def start(self) -> None:
        """`discover()` and `finalize()`, once; after an error the next start tries again.

        Raises NotConfigured for settings that are missing or wrong; BrokenComponent, which is one, for a module.
        """
        with self._lock:
            if self._started or self._starting:  # starting: a module that is being discovered asked for the app
                return
            self._starting = True
            try:
                self._check_configuration()
                self.discover()
                self.finalize()
                self._started = True
            finally:
                self._starting = False

    def discover(self) -> list[str]:
        """Import the `orca` package of every installed app; returns the names of the imported modules."""
        return discover()

    def finalize(self) -> tuple[WiringProblem, ...]:
        """Freeze the registries and wire the services; returns (and keeps) the problems."""
        for registry in all_registries():
            registry.freeze()
        self.problems = tuple(wire_all(services.all().values()))
        for problem in self.problems:
            logger.error("component not wired identity=%s kind=%s", problem.component, problem.kind)
        return self.problems

    def _check_configuration(self) -> None:
        if not self.configured:
            raise NotConfigured("The OrchestrAI app has no settings: call configure_from_django_settings(app) first.")
        _ = self.clients, self.engine


def configure_from_django_settings(app: OrchestrAI) -> None:
    """Let the app read `ORCA_CONFIG` and `ORCHESTRAI`. They are validated when it starts, and by the system checks."""
    app.configured = True


def configured_app() -> OrchestrAI:
    """An app with the project's settings: the entrypoint of a project that names none."""
    app = OrchestrAI()
    configure_from_django_settings(app)
    return app


ENTRYPOINT = f"{__name__}:configured_app"
"""The default of `settings.ORCA_ENTRYPOINT`."""


class _Current:
    """The app that ORCA_ENTRYPOINT gave, once it was asked for."""

    def __init__(self) -> None:
        self.app: OrchestrAI | None = None
        self.lock = threading.RLock()


_current = _Current()


def get_current_app() -> OrchestrAI:
    """The app of this process, from `ORCA_ENTRYPOINT`, which may not have started; NotConfigured when there is none."""
    if _current.app is not None:
        return _current.app
    with _current.lock:
        if _current.app is None:
            _current.app = load_entrypoint(optional_setting("ORCA_ENTRYPOINT", ENTRYPOINT))
        return _current.app


def ensure_autostarted() -> OrchestrAI:
    """The app of this process, started unless ORCA_AUTOSTART is False. Idempotent and thread-safe.

    Raises what `start()` raises, every time until it succeeds.
    """
    app = get_current_app()
    if not app.started and optional_setting("ORCA_AUTOSTART", True):
        app.start()
    return app


def _start_for_lookup() -> None:
    """Not while Django itself starts: what later apps do in their `ready()` would be missing."""
    if apps.ready:
        ensure_autostarted()


def autostart() -> None:
    """Start while Django starts.

    Settings that are missing or wrong, and a module that cannot be imported, only log here: the system checks report
    them, and any use raises them.
    """
    try:
        ensure_autostarted()
    except BrokenComponent as error:
        logger.error("autostart failed code=%s error=%s", error.code, error)
    except NotConfigured as error:
        logger.error("autostart failed code=%s error=%s hint=manage.py_check", error.code, describe(error))


def load_entrypoint(entrypoint: object) -> OrchestrAI:
    """The app that `"module:attribute"` names: an OrchestrAI, or a function that returns one."""
    found = import_named(entrypoint, setting="settings.ORCA_ENTRYPOINT", example="config.orca:get_orca")
    app = found() if callable(found) else found
    if not isinstance(app, OrchestrAI):
        raise NotConfigured(f"settings.ORCA_ENTRYPOINT: {entrypoint} gave {type(app).__name__}, not an OrchestrAI app.")
    return app


def _forget(*, setting: str, **_: object) -> None:
    if setting == "ORCA_ENTRYPOINT":
        _current.app = None


start_before_lookups(_start_for_lookup)
setting_changed.connect(_forget, dispatch_uid="orchestration.components.lifecycle")
