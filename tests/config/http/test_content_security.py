"""Headers, hosts, and who may see the pages about the installation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.accounts.models.roles import UserRole
from config.env import is_local
from config.http.content_security import HEADER
from tests.apps.people import person

ROOT = Path(__file__).parents[3]
INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)(?![^>]*application/json)|\son[a-z]+\s*=\s*[\"']|javascript:", re.IGNORECASE
)
pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "pw"))
    return client


PAGES = ["/", "/accounts/sign-in", "/training/", "/consensus/", "/api/v1/docs", "/admin/", "/nothing", "/healthz"]


@pytest.mark.parametrize("address", PAGES)
def test_every_page_runs_script_of_this_server_only(root: Client, address: str) -> None:
    told = dict(part.strip().split(" ", 1) for part in root.get(address).headers[HEADER].split(";"))
    console = address.startswith("/admin/")
    assert told["script-src"] == ("'self' 'unsafe-eval'" if console else "'self'")
    assert told["default-src"] == told["form-action"] == "'self'"
    assert told["frame-ancestors"] == told["object-src"] == told["base-uri"] == "'none'"


def test_no_template_holds_script() -> None:
    templates = [
        path
        for folder in ("templates", "orchestration", "persistence", "apps")
        for path in (ROOT / folder).rglob("*.html")
    ]
    assert templates
    assert not [str(path) for path in templates if INLINE.search(path.read_text())]


@pytest.mark.parametrize("host", ["10.1.2.3", "10.1.2.3:8000", "elsewhere.example", "[fe80::1]", "bad_host!", ""])
@pytest.mark.parametrize("allowed", [["example.org"], [".example.org"], ["*"], []])
def test_health_answers_to_any_host(settings: Any, host: str, allowed: list[str]) -> None:
    settings.ALLOWED_HOSTS = allowed
    for address in ("/healthz", "/readyz"):
        assert Client().get(address, headers={"host": host}).status_code == 200


def test_other_pages_answer_to_their_hosts_only(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["example.org"]
    assert Client().get("/accounts/sign-in", headers={"host": "elsewhere.example"}).status_code == 400


INSIDE = ["/metrics", "/api/v1/docs", "/api/v1/openapi.json", "/v1/docs", "/v1/openapi.json"]


@pytest.mark.parametrize("address", INSIDE)
def test_pages_about_the_installation_are_for_insiders(settings: Any, root: Client, address: str) -> None:
    settings.INSIDE_PAGES_OPEN = False
    trainee = Client()
    trainee.force_login(person(UserRole.INSTRUCTOR))
    for client in (Client(), trainee):
        refused = client.get(address, headers={"authorization": "Bearer "})
        assert (refused.status_code, b"ORCA_INSIDE_TOKEN" in refused.content) == (401, address == "/metrics")
    settings.INSIDE_TOKEN = "a long token"
    for wrong in ("Bearer", "Bearer x", "Basic a long token", "a long token", "Bearer \u00e9"):
        assert Client().get(address, headers={"authorization": wrong}).status_code == 401
    assert Client().get(address, headers={"authorization": "Bearer a long token"}).status_code == 200
    assert root.get(address).status_code == 200


LOCAL = ["localhost", "127.0.0.1", "127.1.2.3", "[::1]", "app.localhost", ".localhost", "LOCALHOST"]
PUBLIC = ["*", "example.org", "10.0.0.1", "0.0.0.0", "127.0.0.1.example.org", "notlocalhost", ".org"]  # noqa: S104


@pytest.mark.parametrize(("host", "local"), [*((host, True) for host in LOCAL), *((host, False) for host in PUBLIC)])
def test_names_of_this_machine_are_told_from_others(host: str, local: bool) -> None:
    assert is_local(host) is local
