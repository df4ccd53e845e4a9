"""Every URL of the project."""

from django.contrib import admin
from django.urls import include, path

from config.api import api
from config.envelope import API_ROOT
from config.health import healthz, readyz
from config.home import home
from config.metrics import metrics
from config.overview import live
from config.v1 import v1

admin.autodiscover()
admin.site.index_title = "Overview"

urlpatterns = [
    path("", home, name="home"),
    path("admin/overview/", admin.site.admin_view(live), name="overview-live"),
    path("admin/", admin.site.urls),
    path(f"{API_ROOT}v1/", api.urls),
    path("v1/", v1.urls),
    path("accounts/", include("apps.accounts.urls")),
    path("training/", include("apps.training.urls")),
    path("consensus/", include("apps.consensus.urls")),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("metrics", metrics, name="metrics"),
]
