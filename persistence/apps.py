"""The Django app of persistence."""

from django.apps import AppConfig


class PersistenceConfig(AppConfig):
    name = "persistence"
    verbose_name = "Persistence"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from persistence import checks, recorder, waking  # noqa: F401 - checks register themselves

        recorder.connect()
        waking.connect()
