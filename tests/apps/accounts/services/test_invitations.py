"""Invitations end to end: create, mail, claim, expire, revoke, send again, and the record of all of it."""

from __future__ import annotations

import re
from datetime import timedelta
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.urls import reverse
from django.utils import timezone

from apps.accounts.errors import InvitationClaimed
from apps.accounts.models import User
from apps.accounts.models.invitations import Invitation, InvitationEvent
from apps.accounts.models.roles import UserRole
from apps.accounts.services.invitations import claim, invite
from tests.apps.crowds import at_once
from tests.apps.people import Caller, person, signed_in
from tests.mail import use_mail

pytestmark = pytest.mark.django_db
PASSWORD = "a-long-and-quiet-word-7"
PAGE = reverse("accounts:claim", kwargs={"token": "TOKEN"}).replace("TOKEN", r"([\w-]{43})")


def invited(caller: Caller, email: str = "New.Person@example.com", **fields: Any) -> tuple[dict[str, Any], str]:
    """An invitation and the token of its letter."""
    answer = caller.post("/invitations", {"email": email, **fields})
    assert answer.status_code == 201, answer.content
    return answer.json(), token_of_last_letter()


def token_of_last_letter() -> str:
    found = re.search(PAGE, mail.outbox[-1].body)
    assert found is not None, mail.outbox[-1].body
    return found[1]


def claimed(token: str, **fields: Any) -> Any:
    return Caller().post("/auth/claim", {"token": token, "password": PASSWORD, **fields})


def trail(invitation: dict[str, Any]) -> list[str]:
    return list(InvitationEvent.objects.filter(invitation=invitation["id"]).values_list("action", flat=True))


def test_an_invitation_is_mailed_claimed_and_recorded() -> None:
    instructor = person(UserRole.INSTRUCTOR)
    caller = signed_in(instructor)
    invitation, token = invited(caller)

    assert invitation["state"] == "open"
    assert invitation["sent_at"]
    assert mail.outbox[-1].to == ["new.person@example.com"]
    assert instructor.email in mail.outbox[-1].body
    assert "\n" not in mail.outbox[-1].subject
    assert not Invitation.objects.filter(token_hash=token).exists(), "only the hash is stored"

    newcomer = Caller()
    answer = newcomer.post("/auth/claim", {"token": token, "password": PASSWORD, "first_name": "Nia"})
    assert answer.status_code == 201, answer.content
    assert newcomer.get("/auth/me").json()["user"]["email"] == "new.person@example.com"
    user = User.objects.get(email="new.person@example.com")
    assert (user.role, user.first_name, user.is_staff) == (UserRole.TRAINEE, "Nia", False)
    assert user.check_password(PASSWORD)

    events = caller.get(f"/invitations/{invitation['id']}/events").json()
    assert [(event["action"], event["actor"]) for event in events] == [
        ("created", instructor.email),
        ("sent", instructor.email),
        ("claimed", user.email),
    ]
    assert caller.get("/invitations").json()["items"][0]["state"] == "claimed"


def test_a_claimed_expired_revoked_or_unknown_one_says_which() -> None:
    caller = signed_in(person(UserRole.INSTRUCTOR))
    first, token = invited(caller, "one@example.com")
    assert claimed(token).status_code == 201
    again = claimed(token)
    assert (again.status_code, again.json()["code"]) == (410, "invitation_claimed")
    assert trail(first)[-1] == "refused"

    second, token = invited(caller, "two@example.com")
    Invitation.objects.filter(pk=second["id"]).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert claimed(token).json()["code"] == "invitation_expired"

    third, token = invited(caller, "three@example.com")
    for _ in range(2):
        assert caller.post(f"/invitations/{third['id']}/revoke").json()["state"] == "revoked"
    assert claimed(token).json()["code"] == "invitation_revoked"
    assert trail(third).count("revoked") == 1
    assert caller.post(f"/invitations/{first['id']}/revoke").status_code == 410

    assert claimed("x" * 43).status_code == 404
    assert User.objects.filter(email__in=["two@example.com", "three@example.com"]).count() == 0


def test_an_invitation_sent_again_has_a_new_link_and_term() -> None:
    caller = signed_in(person(UserRole.INSTRUCTOR))
    invitation, old = invited(caller)
    Invitation.objects.filter(pk=invitation["id"]).update(expires_at=timezone.now() - timedelta(days=1))
    assert caller.post(f"/invitations/{invitation['id']}/resend").json()["state"] == "open"
    assert claimed(old).status_code == 404
    assert claimed(token_of_last_letter()).status_code == 201
    assert trail(invitation) == ["created", "sent", "resent", "sent", "claimed"]


def test_who_has_an_account_or_open_invitation_is_not_invited() -> None:
    """An expired invitation does not stand in the way of a new one."""
    caller = signed_in(person(UserRole.INSTRUCTOR))
    assert caller.post("/invitations", {"email": person().email.upper()}).json()["code"] == "account_exists"
    invitation, _ = invited(caller)
    assert caller.post("/invitations", {"email": "NEW.person@example.com"}).json()["code"] == "invitation_open"
    Invitation.objects.filter(pk=invitation["id"]).update(expires_at=timezone.now())
    invited(caller)
    assert trail(invitation)[-1] == "revoked"


@pytest.mark.parametrize(
    ("role", "wanted", "status"),
    [
        (UserRole.TRAINEE, UserRole.TRAINEE, 403),
        (UserRole.INSTRUCTOR, UserRole.TRAINEE, 201),
        (UserRole.INSTRUCTOR, UserRole.INSTRUCTOR, 403),
        (UserRole.STAFF, UserRole.INSTRUCTOR, 201),
        (UserRole.STAFF, UserRole.ADMIN, 403),
        (UserRole.ADMIN, UserRole.ADMIN, 201),
    ],
)
def test_nobody_gives_more_rights_than_they_have(role: UserRole, wanted: UserRole, status: int) -> None:
    answer = signed_in(person(role)).post("/invitations", {"email": "x@example.com", "role": wanted})
    assert answer.status_code == status, answer.content


def test_others_invitations_are_not_there_and_staff_see_all() -> None:
    invitation, _ = invited(signed_in(person(UserRole.INSTRUCTOR)))
    other, staff = signed_in(person(UserRole.INSTRUCTOR)), signed_in(person(UserRole.STAFF))
    for method, path in (("post", "resend"), ("post", "revoke"), ("get", "events")):
        assert getattr(other, method)(f"/invitations/{invitation['id']}/{path}").status_code == 404
    assert other.get("/invitations").json()["items"] == []
    assert [item["id"] for item in staff.get("/invitations").json()["items"]] == [invitation["id"]]


def test_a_weak_password_is_refused_with_reasons() -> None:
    """The invitation stays open."""
    _, token = invited(signed_in(person(UserRole.INSTRUCTOR)))
    answer = claimed(token, password="password")
    assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")
    assert answer.json()["details"]["reasons"]
    assert claimed(token).status_code == 201


@pytest.mark.parametrize("email", ["", "nobody", "a@b\r\nBcc: c@example.com", "a" * 250 + "@example.com"])
def test_what_is_not_an_address_gets_no_letter(email: str) -> None:
    assert signed_in(person(UserRole.INSTRUCTOR)).post("/invitations", {"email": email}).status_code == 422
    assert mail.outbox == []


class BrokenBackend(EmailBackend):
    """A mail server that hangs up."""

    def send_messages(self, messages: Any) -> int:
        raise SMTPServerDisconnected("Connection unexpectedly closed")


def test_a_letter_that_cannot_be_sent_is_reported_and_sent_again(settings: Any) -> None:
    caller = signed_in(person(UserRole.INSTRUCTOR))
    use_mail(settings, f"{__name__}.BrokenBackend")
    answer = caller.post("/invitations", {"email": "late@example.com"})
    assert (answer.status_code, answer.json()["sent_at"]) == (201, None)
    use_mail(settings, "django.core.mail.backends.locmem.EmailBackend")
    assert caller.post(f"/invitations/{answer.json()['id']}/resend").json()["sent_at"]
    assert trail(answer.json()) == ["created", "not_sent", "resent", "sent"]


def test_the_list_comes_in_pages() -> None:
    caller = signed_in(person(UserRole.INSTRUCTOR))
    made = [invited(caller, f"p{number}@example.com")[0]["id"] for number in range(5)]
    seen, query = [], {"limit": 2}
    while query:
        page = caller.get("/invitations", **query).json()
        seen += [item["id"] for item in page["items"]]
        query = {"limit": 2, "after": page["next"]} if page["next"] else {}
    assert seen == made[::-1]


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_of_ten_claims_at_once_one_makes_the_account() -> None:
    tokens: list[str] = []
    invite("race@example.com", UserRole.TRAINEE, person(UserRole.ADMIN), lambda token: tokens.append(token) or "link")

    def claims(_: int) -> bool:
        try:
            claim(tokens[0], PASSWORD)
        except InvitationClaimed:
            return False
        return True

    assert sorted(at_once(10, claims)) == [False] * 9 + [True]
    assert User.objects.filter(email="race@example.com").count() == 1


@pytest.mark.parametrize(
    "change", [{"role": UserRole.TRAINEE}, {"is_active": False}, None], ids=["demoted", "inactive", "deleted"]
)
def test_who_may_no_longer_invite_has_invited_nobody(change: dict[str, Any] | None) -> None:
    inviter, staff = person(UserRole.INSTRUCTOR), person(UserRole.STAFF)
    invitation, token = invited(signed_in(inviter))
    if change is None:
        inviter.delete()
    else:
        User.objects.filter(pk=inviter.pk).update(**change)
    refused = claimed(token)
    assert (refused.status_code, refused.json()["code"]) == (410, "inviter_may_not")
    assert trail(invitation)[-1] == "refused"
    assert not User.objects.filter(email=invitation["email"]).exists()

    assert signed_in(staff).post(f"/invitations/{invitation['id']}/resend").status_code == 200
    assert Invitation.objects.get().invited_by == staff, "who sends it again vouches for it"
    assert claimed(token_of_last_letter()).status_code == 201


def test_an_invitation_without_an_inviter_blocks_nobody() -> None:
    inviter = person(UserRole.INSTRUCTOR)
    first, _ = invited(signed_in(inviter))
    User.objects.filter(pk=inviter.pk).update(role=UserRole.TRAINEE)
    _, token = invited(signed_in(person(UserRole.INSTRUCTOR)))
    assert trail(first)[-1] == "revoked"
    assert claimed(token).status_code == 201
