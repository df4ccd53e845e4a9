"""`path("", include("orchestration.monitoring.urls"))`: /healthz, /readyz and /metrics."""

from django.urls import path

from orchestration.monitoring.health import healthz, readyz
from orchestration.monitoring.prometheus import metrics

urlpatterns = [
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
