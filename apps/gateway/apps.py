"""The Django app `gateway`."""

from importlib import import_module

from django.apps import AppConfig

from orchestration.django_q.registration import Periodic, add_periodic
from orchestration.doctor.examinations import add_examinations
from orchestration.stats.added_metrics import add_metrics


class GatewayConfig(AppConfig):
    name = "apps.gateway"
    label = "gateway"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("apps.gateway.checks")  # registers itself
        import_module("apps.gateway.maintenance.retention").register()
        add_periodic(Periodic(name="gateway sweep", func="apps.gateway.tasks.sweep", minutes=1))
        add_examinations("apps.gateway.examinations")
        add_metrics(import_module("apps.gateway.metering.metrics").gateway_metrics)
