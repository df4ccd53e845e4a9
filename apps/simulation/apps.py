"""The Django app `simulation`."""

from importlib import import_module

from django.apps import AppConfig


class SimulationConfig(AppConfig):
    name = "apps.simulation"
    label = "simulation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # It registers itself; it needs loaded models, so it cannot be imported at the top.
        import_module("apps.simulation.receivers")
        import_module("apps.simulation.erasure").register()
