"""The Django app of the engine."""

from importlib import import_module

from django.apps import AppConfig, apps

from orchestration.components.lifecycle import autostart
from orchestration.django_q.registration import Periodic, add_periodic, allow_tasks
from orchestration.doctor.examinations import add_examinations

CONNECTED = (
    "checks.components",
    "checks.cluster",
    "checks.database",
    "checks.project",
    "receivers",
    "values.uuid_keys",
)
"""Modules that register something when they are imported."""


class OrchestrationConfig(AppConfig):
    name = "orchestration"
    verbose_name = "Calls"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        for name in CONNECTED:
            import_module(f"{self.name}.{name}")
        allow_tasks("orchestration.tasks")
        add_periodic(Periodic(name="orchestration sweep", func="orchestration.tasks.sweep", minutes=1))
        add_examinations("orchestration.doctor.machine")
        add_examinations("orchestration.doctor.calls")
        if apps.is_installed("django_q"):  # orchestration.E121 says so
            self._wire_django_q()
        self._autostart_after_last_app()

    def _wire_django_q(self) -> None:
        installed = import_module("orchestration.django_q.installed")
        installed.install(apps.get_app_config("django_q"))
        add_examinations("orchestration.django_q.examinations")

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
