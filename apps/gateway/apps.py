"""The Django app `gateway`."""

from importlib import import_module

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "apps.gateway"
    label = "gateway"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("apps.gateway.checks")  # registers itself
        import_module("apps.gateway.retention").register()
