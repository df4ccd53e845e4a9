"""The life cycle: one OrchestrAI app per process discovers the components, freezes the registries and wires them.

It starts in two ways, and both lead to `ensure_autostarted()`. Eagerly: `OrchestrationConfig.ready()` arranges that it
starts right after the last app's `ready()`, so that every app has connected its signals and added its finalizers, and
registries are complete in web, worker and command processes alike. Lazily: every door (submit, tasks, commands,
checks) calls `ensure_autostarted()`, which returns at once when the app has started and otherwise starts it or raises,
again and again, what stands in the way.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable, Iterable

from django.conf import settings
from django.core.signals import setting_changed

from orchestration.conf import ClientsSettings, EngineSettings, clients_settings, engine_settings
from orchestration.discovery import discover
from orchestration.errors import NotConfigured
from orchestration.log import describe
from orchestration.registry import all_registries, services
from orchestration.wiring import WiringProblem, wire_all

logger = logging.getLogger(__name__)

Finalizer = Callable[["OrchestrAI"], Iterable[WiringProblem] | None]
"""Runs when an app finalizes; returns what it could not wire, raises what must not start."""

_finalizers: list[Finalizer] = []


class OrchestrAI:
    """The components of a process and their life cycle: configured, discovered, finalized."""

    def __init__(self) -> None:
        self.configured = False
        self.problems: tuple[WiringProblem, ...] = ()
        """What finalizing could not wire. System checks report it; using the component raises it."""
        self._finalizers: list[Finalizer] = []
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

        Raises NotConfigured for settings that are missing or wrong, and whatever a component's module raises.
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
        """Freeze the registries, wire the services and run the finalizers; returns (and keeps) the problems."""
        for registry in all_registries():
            registry.freeze()
        problems = wire_all(services.all().values())
        for finalizer in (*_finalizers, *self._finalizers):
            problems += finalizer(self) or ()
        self._report(problems)
        return self.problems

    def add_finalizer(self, finalizer: Finalizer) -> None:
        """Run `finalizer(app)` when this app finalizes; at once when it has started already."""
        with self._lock:
            if finalizer in self._finalizers:
                return
            self._finalizers.append(finalizer)
            if self._started:
                self._report([*self.problems, *(finalizer(self) or ())])

    def _check_configuration(self) -> None:
        if not self.configured:
            raise NotConfigured("The OrchestrAI app has no settings: call configure_from_django_settings(app) first.")
        _ = self.clients, self.engine

    def _report(self, problems: Iterable[WiringProblem]) -> None:
        self.problems = tuple(problems)
        for problem in self.problems:
            logger.error("component not wired identity=%s kind=%s", problem.component, problem.kind)


def configure_from_django_settings(app: OrchestrAI) -> None:
    """Let the app read `ORCA_CONFIG` and `ORCHESTRAI`. They are validated when it starts, and by the system checks."""
    app.configured = True


def add_finalizer(finalizer: Finalizer) -> None:
    """Run `finalizer(app)` whenever an app of this process finalizes, and now for one that has.

    For an `AppConfig.ready()`: unlike `get_current_app().add_finalizer` it does not need a working ORCA_ENTRYPOINT.
    """
    if finalizer not in _finalizers:
        _finalizers.append(finalizer)
        if _current.app is not None and _current.app.started:
            _current.app.problems += tuple(finalizer(_current.app) or ())


class _Current:
    """The app that ORCA_ENTRYPOINT gave, once it was asked for."""

    def __init__(self) -> None:
        self.app: OrchestrAI | None = None
        self.lock = threading.RLock()


_current = _Current()


def get_current_app() -> OrchestrAI:
    """The app of this process, from `ORCA_ENTRYPOINT`; perhaps not started yet; NotConfigured when there is none."""
    if _current.app is not None:
        return _current.app
    with _current.lock:
        if _current.app is None:
            _current.app = load_entrypoint(getattr(settings, "ORCA_ENTRYPOINT", None))
        return _current.app


def ensure_autostarted() -> OrchestrAI:
    """The app of this process, started unless ORCA_AUTOSTART is False. Idempotent and thread-safe.

    Raises what `start()` raises, every time until it succeeds.
    """
    app = get_current_app()
    if not app.started and getattr(settings, "ORCA_AUTOSTART", True):
        app.start()
    return app


def autostart() -> None:
    """Start while Django starts.

    Settings that are missing or wrong only log here: the system checks report them all, and any use raises them.
    Anything else, such as an error in a component's module, stops the process with its traceback.
    """
    try:
        ensure_autostarted()
    except NotConfigured as error:
        logger.error("autostart failed code=%s error=%s hint=manage.py_check", error.code, describe(error))


def load_entrypoint(entrypoint: object) -> OrchestrAI:
    """The app that `"module:attribute"` names: an OrchestrAI, or a function that returns one."""
    if not isinstance(entrypoint, str) or entrypoint.count(":") != 1:
        raise NotConfigured(
            f'settings.ORCA_ENTRYPOINT must be "module:function", such as "config.orca:get_orca", not {entrypoint!r}.'
        )
    module_name, _, attribute = entrypoint.partition(":")
    try:
        found = vars(importlib.import_module(module_name))[attribute]
    except ImportError as error:
        raise NotConfigured(f"settings.ORCA_ENTRYPOINT: {module_name} cannot be imported: {error}") from error
    except KeyError:
        raise NotConfigured(f"settings.ORCA_ENTRYPOINT: {module_name} has no {attribute!r}.") from None
    app = found() if callable(found) else found
    if not isinstance(app, OrchestrAI):
        raise NotConfigured(f"settings.ORCA_ENTRYPOINT: {entrypoint} gave {type(app).__name__}, not an OrchestrAI app.")
    return app


def _forget(*, setting: str, **_: object) -> None:
    if setting == "ORCA_ENTRYPOINT":
        _current.app = None


setting_changed.connect(_forget, dispatch_uid="orchestration.app")
