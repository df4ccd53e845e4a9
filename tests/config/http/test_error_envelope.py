"""One error envelope on every status, request ids in and out."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import RequestDataTooBig
from django.test import AsyncClient, Client, RequestFactory, override_settings
from ninja.errors import HttpError, Throttled

from apps.accounts.models import User
from config.api import StrictParser, api
from config.http.error_envelope import envelope
from orchestration.api.errors import ApiError

KEYS = {"code", "message", "details", "request_id"}


@pytest.fixture
def signed_in(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root@example.com", "pw"))
    return client


def told(response: Any, status: int, code: str) -> dict[str, Any]:
    content: dict[str, Any] = response.json()
    assert (response.status_code, content["code"]) == (status, code)
    assert set(content) == KEYS
    assert response["X-Request-ID"] == content["request_id"]
    return content


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/nothing", "/api/v1/nothing", "/api/v1/", "/api/v1/service-calls/a/b/c"])
def test_an_unknown_url_below_the_api_is_404_in_the_envelope(client: Client, path: str) -> None:
    told(client.get(path), 404, "not_found")


@pytest.mark.django_db
def test_an_unknown_url_elsewhere_stays_a_page(client: Client) -> None:
    response = client.get("/nothing")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")
    assert response["X-Request-ID"]


@pytest.mark.django_db
def test_a_wrong_method_is_405_and_says_which_are_allowed(client: Client) -> None:
    response = client.delete("/api/v1/service-calls")
    told(response, 405, "method_not_allowed")
    assert set(response["Allow"].split(", ")) == {"GET", "POST"}


@pytest.mark.django_db
def test_nobody_is_401_with_a_challenge(client: Client) -> None:
    response = client.get("/api/v1/service-calls")
    told(response, 401, "unauthenticated")
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.django_db
def test_a_wrong_key_is_401(client: Client) -> None:
    told(client.get("/api/v1/service-calls", headers={"authorization": "Bearer x"}), 401, "invalid_api_key")


@pytest.mark.django_db
def test_a_session_without_csrf_token_is_403() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root@example.com", "pw"))
    told(client.post("/api/v1/service-calls", {}, content_type="application/json"), 403, "csrf_failed")


@pytest.mark.django_db
def test_a_validation_error_names_places_and_repeats_no_value(signed_in: Client) -> None:
    body = {"service": 7, "context": "secret", "priority": "secret"}
    response = signed_in.post("/api/v1/service-calls", body, content_type="application/json")
    content = told(response, 422, "invalid_request")
    assert {item["path"] for item in content["details"]} == {
        "body.body.service",
        "body.body.context",
        "body.body.priority",
    }
    assert [item for item in content["details"] if not item["message"]] == []
    assert b"secret" not in response.content


@pytest.mark.django_db
@pytest.mark.parametrize("body", [b"{", b'{"service": NaN}', b'{"service": "\\ud800"}', b"\xff"])
def test_a_body_that_is_not_json_is_400(signed_in: Client, body: bytes) -> None:
    told(signed_in.post("/api/v1/service-calls", body, content_type="application/json"), 400, "malformed_json")


@pytest.mark.django_db
@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=1000)
def test_a_body_over_the_limit_is_413_and_names_the_limit(signed_in: Client) -> None:
    response = signed_in.post("/api/v1/service-calls", b"x" * 1001, content_type="application/json")
    content = told(response, 413, "payload_too_large")
    assert content["details"] == {"limit_bytes": 1000}
    assert "1,000" in content["message"]


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10)
def test_a_body_without_a_length_is_measured_all_the_same() -> None:
    request = RequestFactory().post("/", b"x" * 9, content_type="application/json")
    request._body = b"x" * 11  # what a chunked body looks like after it was read
    with pytest.raises(RequestDataTooBig):
        StrictParser().parse_body(request)


def test_throttling_is_429_with_retry_after() -> None:
    request = RequestFactory().get("/api/v1/x")
    for error in (Throttled(wait=7), ApiError(429, "rate_limited", "Slow down.", {"retry_after": 7})):
        response = api.on_exception(request, error)
        assert (response.status_code, response["Retry-After"]) == (429, "7")
    assert api.on_exception(request, Throttled(wait=None)).status_code == 429


def test_other_http_errors_keep_their_status_and_message() -> None:
    response = api.on_exception(RequestFactory().get("/api/v1/x"), HttpError(409, "Not now."))
    assert (response.status_code, b"Not now." in response.content) == (409, True)


def test_a_bug_is_a_500_that_does_not_repeat_the_exception(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the answer nor the log does."""
    request = RequestFactory().get("/api/v1/x")
    with caplog.at_level(logging.ERROR):
        try:
            raise RuntimeError("the patient is called Secret")
        except RuntimeError as error:
            response = api.on_exception(request, error)
    assert response.status_code == 500
    assert b"Secret" not in response.content
    assert "Secret" not in caplog.text
    assert "RuntimeError:test_error_envelope.py" in caplog.text


@pytest.mark.django_db
def test_a_well_formed_request_id_is_kept_and_another_replaced(client: Client) -> None:
    kept = client.get("/api/v1/nothing", headers={"x-request-id": "trace-1.a_B"})
    assert told(kept, 404, "not_found")["request_id"] == "trace-1.a_B"
    for bad in ("x" * 129, "a b", "a\nb", "<script>"):
        content = told(client.get("/api/v1/nothing", headers={"x-request-id": bad}), 404, "not_found")
        assert content["request_id"] != bad
        assert len(content["request_id"]) == 36


@pytest.mark.django_db(transaction=True)
def test_the_middleware_works_under_asgi() -> None:
    response = async_to_sync(AsyncClient().get)("/api/nothing", headers={"x-request-id": "abc"})
    assert told(response, 404, "not_found")["request_id"] == "abc"


def test_every_status_has_a_code_and_a_message() -> None:
    request = RequestFactory().get("/")
    assert b'"bad_request"' in envelope(request, 418).content
    assert b'"internal_error"' in envelope(request, 507).content
