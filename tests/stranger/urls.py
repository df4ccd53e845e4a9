"""Everything elsewhere than in docs/adopt.md."""

from django.contrib import admin
from django.urls import include, path
from ninja import NinjaAPI
from ninja.security import django_auth

from persistence.api import all_routers

api = NinjaAPI(auth=django_auth, urls_namespace="machines")
for router in all_routers():
    api.add_router("/calls/", router)

urlpatterns = [
    path("back/office/", admin.site.urls),
    path("machines/", api.urls),
    path("inside/", include(("orchestration.monitoring.urls", "inside"))),
]
