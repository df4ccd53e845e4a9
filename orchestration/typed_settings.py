"""Reads a Django setting as a pydantic model, with errors that name the key and no value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning  # noqa: A004 - Django's name for it
from django.core.signals import setting_changed
from pydantic import BaseModel, ValidationError

from orchestration.errors import NotConfigured

SettingsT = TypeVar("SettingsT", bound=BaseModel)


OTHER_SETTINGS = {
    "INSIDE_PAGES_OPEN": "True: `/metrics` is open to everybody. `DEBUG`, where it is not set.",
    "INSIDE_TOKEN": "What opens `/metrics` as a bearer token, besides a session of staff.",
    "INSTALLATION": "A word in the names of queues in a Redis that several installations share.",
    "ORCA_AUTOSTART": "False: components are found when `get_current_app().start()` is called, not with Django.",
    "ORCA_ENTRYPOINT": '`"module:function"` of the OrchestrAI app of the project, where that has one of its own.',
    "ORCA_TASKS": "Dotted paths of functions, or of modules, that workers may run besides those of the two apps.",
}
"""Plain settings of ours, with their meaning."""


def optional_setting(name: str, default: Any = None) -> Any:
    """The value of `settings.NAME`; the default when the project does not set it."""
    return getattr(settings, name, default)


class TypedSetting(Generic[SettingsT]):
    """`settings.NAME` as `model`. Calling it validates the setting once; a test that overrides it is followed.

    Several packages may share a dictionary: `keys` says which of its keys belong to this model. `former_names` maps
    keys that were renamed to what they are called now.
    """

    def __init__(
        self,
        name: str,
        model: type[SettingsT],
        *,
        keys: Callable[[str], bool] = lambda _: True,
        required: bool = False,
        former_names: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.model = model
        self._keys = keys
        self._required = required
        self._former_names = former_names or {}
        self._read: SettingsT | None = None
        setting_changed.connect(self._forget)

    def __call__(self) -> SettingsT:
        """The validated setting; NotConfigured says which keys are wrong and why."""
        if self._read is None:
            self._read = self._validated()
        return self._read

    def check(self, identifier: str, hint: str = "") -> list[CheckMessage]:
        """For a system check: an error with this id when the setting is wrong."""
        try:
            self()
        except NotConfigured as error:
            hint = hint or f"The keys are {', '.join(self.model.model_fields)}."
            return [Error(str(error), hint=hint, id=identifier)]
        return []

    def check_names(self, identifier: str) -> list[CheckMessage]:
        """For a system check: a warning with this id for each key that the project has under its former name."""
        return [
            Warning(
                f"settings.{self.name} has {former}, which is called {self._former_names[former]} now.",
                hint="Rename the key: the former name is read for one more release.",
                id=identifier,
            )
            for former in self._former_names
            if former in (optional_setting(self.name) or {})
        ]

    def _validated(self) -> SettingsT:
        raw = optional_setting(self.name)
        if raw is None and self._required:
            raise NotConfigured(f"settings.{self.name} is missing.")
        if isinstance(raw, dict):
            raw = self._renamed({key: value for key, value in raw.items() if self._keys(str(key))})
        try:
            return self.model.model_validate({} if raw is None else raw)
        except ValidationError as error:
            raise NotConfigured(f"settings.{self.name}: {explain(error)}") from error

    def _renamed(self, raw: dict[str, Any]) -> dict[str, Any]:
        """With today's keys; NotConfigured when one is there under both names."""
        for former, now in self._former_names.items():
            if former in raw and now in raw:
                raise NotConfigured(f"settings.{self.name} has {now} and {former}, its former name: remove {former}.")
        return {self._former_names.get(key, key): value for key, value in raw.items()}

    def _forget(self, *, setting: str, **_: object) -> None:
        if setting == self.name:
            self._read = None


def explain(error: ValidationError) -> str:
    """`path: what is wrong` for each error, without the offending values."""
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'all'}: {e['msg']}" for e in error.errors(include_url=False))
