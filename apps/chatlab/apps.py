"""The Django app `chatlab`."""

from importlib import import_module

from django.apps import AppConfig


class ChatlabConfig(AppConfig):
    name = "apps.chatlab"
    label = "chatlab"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # These register themselves; they need loaded models, so they cannot be imported at the top.
        import_module("apps.chatlab.receivers")
        import_module("apps.chatlab.services.history")
        import_module("apps.chatlab.withdrawals")
        import_module("apps.chatlab.erasure").register()
