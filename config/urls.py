"""Every URL of the project."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config.api import api
from config.envelope import API_ROOT
from config.health import healthz, readyz
from config.v1 import v1

admin.site.index_title = "Overview"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path(f"{API_ROOT}v1/", api.urls),
    path("v1/", v1.urls),
    path("consensus/", include("apps.consensus.urls")),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
]
