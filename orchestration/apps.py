"""The Django app of the engine."""

from django.apps import AppConfig


class OrchestrationConfig(AppConfig):
    name = "orchestration"
    verbose_name = "Calls"
    default_auto_field = "django.db.models.BigAutoField"
