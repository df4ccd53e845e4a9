"""The Django app of persistence."""

from django.apps import AppConfig


class PersistenceConfig(AppConfig):
    name = "persistence"
    verbose_name = "Persistence"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.contrib.contenttypes.models import ContentType
        from django.db.models.signals import pre_delete

        from persistence import checks, recorder, waking  # noqa: F401 - checks register themselves
        from persistence.models import remember_model

        pre_delete.connect(remember_model, sender=ContentType, dispatch_uid="persistence.remember_model")
        recorder.connect()
        waking.connect()
