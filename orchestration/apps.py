"""The Django app of the engine."""

from importlib import import_module

from django.apps import AppConfig, apps
from django.utils.module_loading import module_has_submodule

from orchestration.app import autostart

CONNECTED = ("checks", "checks_cluster", "receivers")
"""Modules that register something when they are imported."""


class OrchestrationConfig(AppConfig):
    name = "orchestration"
    verbose_name = "Calls"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        for name in CONNECTED:
            if self.module is not None and module_has_submodule(self.module, name):
                import_module(f"{self.name}.{name}")
        self._autostart_after_last_app()

    def _autostart_after_last_app(self) -> None:
        """Components are discovered when every app is ready, a moment for which Django has no signal."""
        last = list(apps.get_app_configs())[-1]
        if last is self:
            autostart()
            return
        last_ready = last.ready

        def ready_then_autostart() -> None:
            last_ready()
            autostart()

        last.ready = ready_then_autostart  # type: ignore[method-assign]
