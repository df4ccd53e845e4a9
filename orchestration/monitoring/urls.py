"""`path("", include("orchestration.monitoring.urls"))`: /healthz, /readyz and /metrics."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path

from orchestration.monitoring.health import healthz, readyz
from orchestration.monitoring.prometheus import metrics

# Machines ask. A project's LoginRequiredMiddleware would send them to sign in; who may see /metrics it decides itself.
urlpatterns = [
    path("healthz", login_not_required(healthz), name="healthz"),
    path("readyz", login_not_required(readyz), name="readyz"),
    path("metrics", login_not_required(metrics), name="metrics"),
]
