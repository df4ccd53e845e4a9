"""Requests that fail are answered by pages of the product: what happened, and where to go."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path

from apps.accounts import throttle
from apps.accounts.error_pages import came_from, error_page
from apps.accounts.models.roles import UserRole
from config.urls import handler400, handler403, handler404, handler500
from config.urls import urlpatterns as ours
from tests.apps.people import PASSWORD, person
from tests.apps.training.visits import HTMX

pytestmark = pytest.mark.django_db


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("secret detail")


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


urlpatterns = [path("broken", broken), path("forbidden", forbidden), *ours]
HANDLERS = (handler400, handler403, handler404, handler500)
"""Django looks for them beside `urlpatterns`."""


@pytest.fixture
def visitor(settings: Any) -> Client:
    settings.ROOT_URLCONF = __name__
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.force_login(person(UserRole.INSTRUCTOR))
    return client


def said(answer: Any, status: int) -> str:
    html: str = answer.content.decode()
    assert answer.status_code == status
    assert "OrchestrAI" in html
    assert "Traceback" not in html
    assert "Django" not in html
    return html


@pytest.mark.parametrize("debug", [True, False])
def test_a_missing_page_is_ours_in_development_as_well(visitor: Client, settings: Any, debug: bool) -> None:
    settings.DEBUG = debug
    assert "Check the address" in said(visitor.get("/nothing/here"), 404)
    missing = visitor.get("/training/simulations/00000000-0000-4000-8000-000000000000")
    said(missing, 404)
    note = visitor.get("/training/simulations/00000000-0000-4000-8000-000000000000/notes/1").content.decode()
    assert "matches the given query" not in note
    api = visitor.get("/api/v1/nothing")
    assert (api.status_code, api.json()["code"]) == (404, "not_found")


def test_what_a_view_says_is_shown(visitor: Client) -> None:
    html = said(visitor.get("/training/simulations/00000000-0000-4000-8000-000000000000"), 404)
    assert "There is no such simulation." in html


def test_forbidden_and_broken_pages_say_no_more_than_they_should(visitor: Client) -> None:
    assert "You may not open this page" in said(visitor.get("/forbidden"), 403)
    answer = visitor.get("/broken")
    html = said(answer, 500)
    assert "secret detail" not in html
    assert answer["X-Request-ID"] in html


def test_a_broken_page_needs_no_database(visitor: Client) -> None:
    request = RequestFactory().get("/")
    with connection.execute_wrapper(_refuse):
        assert error_page(request, 500, "It is broken.").status_code == 500


def _refuse(*_: Any) -> Any:
    raise AssertionError("a query")


def test_a_form_without_its_token_is_out_of_date(visitor: Client) -> None:
    answer = visitor.post("/training/assignments", {"message": "x"}, headers={"Referer": "http://testserver/training/"})
    html = said(answer, 403)
    assert "This page is out of date" in html
    by_htmx = visitor.post("/training/assignments", {"message": "x"}, headers=HTMX)
    assert (by_htmx.status_code, by_htmx["Content-Type"]) == (403, "text/plain; charset=utf-8")
    assert "reload the page" in by_htmx.content.decode()
    sign_in = Client(enforce_csrf_checks=True).post("/accounts/sign-in", {"username": "a", "password": PASSWORD})
    assert "Nothing was saved" in said(sign_in, 403)


def test_the_way_back_leads_to_pages_of_this_site_only() -> None:
    def back(referer: str) -> str:
        return came_from(RequestFactory().get("/here", headers={"Referer": referer, "Host": "testserver"}))

    assert back("http://testserver/training/board") == "/training/board"
    for foreign in ("http://evil.example/x", "//evil.example/x", "javascript:alert(1)", "http://testserver//evil.example",
                    "http://testserver/here", "http://testserver/\\evil.example", ""):  # fmt: skip
        assert back(foreign) == "", foreign


def test_too_many_changes_are_answered_by_a_page(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(throttle.WINDOWS, "writes", (throttle.Window(name="w", limit=0, seconds=60), "changes"))
    answer = Client(raise_request_exception=False)
    answer.force_login(person(UserRole.INSTRUCTOR))
    page = answer.post("/training/assignments", {})
    assert "Too many requests" in said(page, 429)
    assert int(page["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("address", "status", "says"), [("/broken", 500, "This is our fault"), ("/no", 404, "Check the")]
)
def test_static_files_that_were_not_collected_leave_a_text(
    visitor: Client, settings: Any, caplog: pytest.LogCaptureFixture, address: str, status: int, says: str
) -> None:
    """The page of an error that failed itself was an error again, in each layer of middleware."""
    backend = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": backend}}
    settings.DEBUG = False
    answer = visitor.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert says in answer.content.decode()
    assert [each.getMessage() for each in caplog.records if "error page not rendered" in each.getMessage()]
