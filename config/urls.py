"""Every URL of the project."""

from django.contrib import admin
from django.urls import include, path

from apps.console.home import home
from apps.shell.views import design
from config.api import api
from config.api_v1 import v1
from config.http.error_envelope import API_ROOT

handler400 = "config.http.error_pages.bad_request"
handler403 = "config.http.error_pages.forbidden"
handler404 = "config.http.error_pages.not_found"
handler500 = "config.http.error_pages.server_error"

admin.autodiscover()
admin.site.index_title = "Overview"

urlpatterns = [
    path("", home, name="home"),
    path("admin/", admin.site.urls),
    path(f"{API_ROOT}v1/", api.urls),
    path("v1/", v1.urls),
    path("accounts/", include("apps.accounts.urls")),
    path("training/", include("apps.training.urls")),
    path("consensus/", include("apps.consensus.urls")),
    path("design/", design, name="design"),
    path("", include("orchestration.monitoring.urls")),
]
