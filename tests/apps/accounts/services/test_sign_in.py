"""Sessions over REST: signing in and out, CSRF, throttling."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import RequestFactory

from apps.accounts.client_ip import client_address
from apps.accounts.services import sign_in as signing_in
from tests.apps.people import PASSWORD, Caller, person, signed_in

pytestmark = pytest.mark.django_db


def credentials(email: str, password: str = PASSWORD) -> dict[str, str]:
    return {"email": email, "password": password}


def test_signing_in_opens_a_session_that_me_describes() -> None:
    user = person()
    caller = signed_in(user)

    answer = caller.get("/auth/me")

    assert answer.status_code == 200
    body = answer.json()
    assert body["user"]["email"] == user.email
    assert body["user"]["role"] == "trainee"
    assert body["scopes"] == ["calls:read", "runs:read", "runs:write", "simulations:read", "simulations:write"]
    assert body["csrf_token"]


def test_the_email_may_be_typed_in_any_case() -> None:
    user = person()
    assert Caller().post("/auth/login", credentials(user.email.upper())).status_code == 200


def test_a_wrong_password_and_an_unknown_email_look_alike() -> None:
    wrong = Caller().post("/auth/login", credentials(person().email, "wrong"))
    unknown = Caller().post("/auth/login", credentials(f"{uuid.uuid4()}@example.com"))

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json()["code"] == unknown.json()["code"] == "wrong_credentials"
    assert wrong.json()["message"] == unknown.json()["message"]


def test_an_inactive_user_cannot_sign_in() -> None:
    user = person(is_active=False)
    assert Caller().post("/auth/login", credentials(user.email)).status_code == 401


def test_without_a_session_nothing_is_shown() -> None:
    answer = Caller().get("/auth/me")
    assert answer.status_code == 401
    assert set(answer.json()) >= {"code", "message"}


def test_signing_out_ends_the_session() -> None:
    caller = signed_in(person())
    assert caller.post("/auth/logout").status_code == 204
    assert caller.get("/auth/me").status_code == 401


def test_a_change_without_the_csrf_token_is_refused() -> None:
    caller = signed_in(person())
    caller.headers = {}

    answer = caller.post("/auth/logout")

    assert answer.status_code == 403
    assert answer.json()["code"] == "csrf_failed"
    assert caller.get("/auth/me").status_code == 200


def test_signing_in_by_a_form_of_another_site_is_refused() -> None:
    user = person()
    caller = Caller()

    answer = caller.client.post(
        "/api/v1/auth/login", f'{{"email": "{user.email}", "password": "{PASSWORD}"}}', "text/plain"
    )

    assert answer.status_code == 415
    assert caller.get("/auth/me").status_code == 401


def test_guessing_is_stopped_and_says_for_how_long() -> None:
    email = f"{uuid.uuid4()}@example.com"
    answers = [Caller().post("/auth/login", credentials(email, "guess")) for _ in range(signing_in.GUESSES.limit + 1)]

    assert {answer.status_code for answer in answers[:-1]} == {401}
    assert answers[-1].status_code == 429
    assert 0 < answers[-1].json()["details"]["retry_after"] <= signing_in.GUESSES.seconds


def test_a_success_forgets_the_failures_before_it() -> None:
    user = person()
    for _ in range(3):
        for _ in range(signing_in.GUESSES.limit - 1):
            Caller().post("/auth/login", credentials(user.email, "guess"))
        assert Caller().post("/auth/login", credentials(user.email)).status_code == 200


@pytest.mark.parametrize(
    ("behind", "forwarded", "address"),
    [
        (False, "1.1.1.1", "127.0.0.1"),
        (True, "6.6.6.6, 2.2.2.2", "2.2.2.2"),
        (True, "2.2.2.2", "2.2.2.2"),
        (True, "", "127.0.0.1"),
        (True, "x" * 1000, "x" * 64),
    ],
)
def test_behind_a_proxy_its_own_word_counts_and_nobody_elses(
    rf: RequestFactory, settings: Any, behind: bool, forwarded: str, address: str
) -> None:
    settings.BEHIND_PROXY = behind
    assert client_address(rf.get("/", headers={"X-Forwarded-For": forwarded})) == address
