from django.apps import AppConfig


class ChaosConfig(AppConfig):
    """What the calls of a chaos run do, and the command that runs one. Installed by chaos.settings only."""

    name = "chaos.app"
    label = "chaos"
    default_auto_field = "django.db.models.BigAutoField"
