"""Whether email can be sent is known before anybody is promised one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ

from apps.accounts.emails import NO_SERVER, NOT_NOW, delivers, obstacle
from apps.accounts.models import User
from apps.accounts.models.invitations import Invitation
from apps.accounts.models.roles import UserRole
from tests.apps.mail_server import by_smtp, mail_server
from tests.apps.people import PASSWORD, Caller, person, signed_in
from tests.apps.training.visits import Visitor
from tests.mail import use_mail

BACKENDS = "django.core.mail.backends"
NOWHERE = 1
"""A port where no server answers."""


def test_a_server_that_takes_our_sender_is_accepted(settings: Any) -> None:
    with mail_server(settings) as server:
        assert obstacle() == ""
    assert "MAIL" in server.heard
    assert "RCPT" not in server.heard
    assert "DATA" not in server.heard


def test_a_server_that_is_away_or_refuses_our_sender_is_one(settings: Any) -> None:
    with mail_server(settings, refuses=True):
        assert obstacle() == NOT_NOW
    by_smtp(settings, NOWHERE)
    assert obstacle() == NOT_NOW


@pytest.mark.parametrize(
    ("name", "debug", "expected"),
    [("console", True, ""), ("filebased", True, ""), ("console", False, NO_SERVER), ("dummy", True, NO_SERVER)],
)
def test_a_terminal_will_do_in_development_only(settings: Any, name: str, debug: bool, expected: str) -> None:
    use_mail(settings, f"{BACKENDS}.{name}.EmailBackend")
    settings.DEBUG = debug
    assert obstacle() == expected
    assert not delivers()


@pytest.mark.django_db
def test_a_reset_that_cannot_be_sent_says_so_to_everybody_alike(settings: Any) -> None:
    by_smtp(settings, NOWHERE)
    pages = []
    for email in (person().email, "nobody@example.com"):
        page = Client().post(reverse("accounts:forgotten"), {"email": email})
        pages.append((page.status_code, NOT_NOW in page.content.decode()))
        asked = Caller().post("/auth/password-reset", {"email": email})
        assert (asked.status_code, asked.json()["code"], asked.json()["message"]) == (503, "mail_unavailable", NOT_NOW)
    assert pages == [(503, True), (503, True)]
    assert not OrmQ.objects.exists(), "nothing waits for a worker"


@pytest.mark.django_db
def test_development_says_where_the_email_is(settings: Any) -> None:
    use_mail(settings, f"{BACKENDS}.console.EmailBackend")
    settings.DEBUG = True
    page = Client().post(reverse("accounts:forgotten"), {"email": "a@example.com"}, follow=True)
    assert "terminal" in page.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("by_console", [False, True], ids=["no server", "a terminal"])
def test_an_invitation_that_was_not_sent_shows_its_link_once(settings: Any, by_console: bool) -> None:
    instructor = Visitor(person(UserRole.INSTRUCTOR))
    if by_console:
        use_mail(settings, f"{BACKENDS}.console.EmailBackend")
    else:
        by_smtp(settings, NOWHERE)
    html = instructor.post("/invitations", email="new@example.com", role="trainee").content.decode()
    assert "The email to new@example.com could not be sent" in html
    link = re.search(r'value="http://testserver(/accounts/claim/[\w-]{43})"', html)[1]
    assert "Not sent" in html
    assert link not in instructor.get("/invitations").content.decode(), "a link is shown once"
    names = {"first_name": "Nia", "last_name": "New"}
    visitor = Client()
    visitor.get(link, follow=True)
    visitor.post("/accounts/claim", {**names, "new_password1": PASSWORD, "new_password2": PASSWORD})
    assert User.objects.get(email="new@example.com").get_full_name() == "Nia New"


@pytest.mark.django_db
def test_over_rest_the_link_comes_with_the_answer(settings: Any) -> None:
    caller = signed_in(person(UserRole.INSTRUCTOR))
    assert caller.post("/invitations", {"email": "one@example.com"}).json()["claim_link"] is None
    by_smtp(settings, NOWHERE)
    made = caller.post("/invitations", {"email": "two@example.com"}).json()
    assert made["sent_at"] is None
    again = caller.post(f"/invitations/{made['id']}/resend").json()
    assert again["claim_link"] != made["claim_link"]
    claimed = Caller().post("/auth/claim", {"token": again["claim_link"].rpartition("/")[2], "password": PASSWORD})
    assert claimed.status_code == 201, claimed.content


@pytest.mark.django_db
def test_the_console_leads_to_the_link(settings: Any) -> None:
    root = Visitor(person(UserRole.ADMIN, is_staff=True, is_superuser=True))
    by_smtp(settings, NOWHERE)
    add = reverse("admin:accounts_invitation_add")
    page = root.client.post(add, {"email": "new@example.com", "role": "trainee"}, follow=True)
    assert reverse("training:invitations") in page.content.decode()
    assert "/accounts/claim/" in root.get("/invitations").content.decode()
    assert Invitation.objects.get().sent_at is None
