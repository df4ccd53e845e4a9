"""The Django app `chatlab`."""

from django.apps import AppConfig


class ChatlabConfig(AppConfig):
    name = "apps.chatlab"
    label = "chatlab"
    default_auto_field = "django.db.models.BigAutoField"
