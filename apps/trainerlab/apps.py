"""The Django app `trainerlab`."""

from importlib import import_module

from django.apps import AppConfig

from orchestration.django_q.registration import Periodic, add_periodic


class TrainerlabConfig(AppConfig):
    name = "apps.trainerlab"
    label = "trainerlab"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # It registers itself; it needs loaded models, so it cannot be imported at the top.
        import_module("apps.trainerlab.services.history")
        add_periodic(Periodic(name="training previews", func="apps.trainerlab.tasks.forget_previews", minutes=60))
        import_module("apps.trainerlab.erasure").register()
