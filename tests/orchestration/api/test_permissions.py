"""The routers in an API with Django's own authentication and without a handler of ours: no 500, and no way around."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import path
from ninja import NinjaAPI
from ninja.security import django_auth

from apps.accounts.models import User
from orchestration.models import ServiceCallRecord
from persistence.api import all_routers
from tests.orchestration.factories import queued

api = NinjaAPI(auth=django_auth, urls_namespace="any-authentication")
for _router in all_routers():
    api.add_router("", _router)
urlpatterns = [path("api/", api.urls)]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
CALLS = "/api/service-calls"


@pytest.fixture
def user():
    return User.objects.create_user("anyone@example.org", "pw")


@pytest.fixture
def client(user):
    client = Client()
    client.force_login(user)
    return client


def test_a_stranger_is_refused():
    assert Client().get(CALLS).status_code == 401


def test_a_user_sees_their_own_calls_alone(client, user):
    mine, other = queued(requested_by=user), queued()
    assert [call["id"] for call in client.get(CALLS).json()["items"]] == [mine.pk]
    assert client.get(f"{CALLS}/{mine.pk}").json()["status"] == "queued"
    missing = client.get(f"{CALLS}/{other.pk}")
    assert (missing.status_code, missing.json()) == (404, {"detail": "There is no such service call."})


def test_what_an_operation_needs_is_checked(client, user):
    body = {"service": "services.x.y.Z", "context": {}}
    for address, content in ((CALLS, body), (f"{CALLS}/batch", {"items": [body]})):
        refused = client.post(address, content, content_type="application/json")
        assert (refused.status_code, "add_servicecallrecord" in refused.json()["detail"]) == (403, True)
    user.user_permissions.add(Permission.objects.get(codename="add_servicecallrecord"))
    accepted = client.post(CALLS, body, content_type="application/json")
    assert (accepted.status_code, ServiceCallRecord.objects.count()) == (422, 0), "the service does not exist"
