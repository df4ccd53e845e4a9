"""The Django app `trainerlab`."""

from importlib import import_module

from django.apps import AppConfig


class TrainerlabConfig(AppConfig):
    name = "apps.trainerlab"
    label = "trainerlab"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # It registers itself; it needs loaded models, so it cannot be imported at the top.
        import_module("apps.trainerlab.services.history")
