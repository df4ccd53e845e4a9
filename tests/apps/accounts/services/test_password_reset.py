"""A new password by letter: one link, once, and nobody learns who has an account. And counts that lose nothing."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import chain

import pytest
from django.core import mail
from django.utils import timezone

from apps.accounts.models.counters import ThrottleCount
from apps.accounts.throttle import RESETS, Window
from orchestration.signals import tick
from tests.apps.crowds import at_once
from tests.apps.letters import write_letters
from tests.apps.people import PASSWORD, Caller, person, signed_in

pytestmark = pytest.mark.django_db
NEW = "another-quiet-word-8"


def link_of_last_letter() -> dict[str, str]:
    write_letters()
    found = re.search(r"/([A-Za-z0-9_-]+)/([a-z0-9]+-[0-9a-f]{32})", mail.outbox[-1].body)
    assert found is not None, mail.outbox[-1].body
    return {"uid": found[1], "token": found[2]}


def test_a_password_reset_works_once_and_ends_every_session() -> None:
    user = person()
    before = signed_in(user)
    assert Caller().post("/auth/password-reset", {"email": user.email.upper()}).status_code == 202
    link = link_of_last_letter()

    weak = Caller().post("/auth/password-reset/confirm", {**link, "password": "12345"})
    assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
    assert Caller().post("/auth/password-reset/confirm", {**link, "password": NEW}).status_code == 204
    used = Caller().post("/auth/password-reset/confirm", {**link, "password": NEW})
    assert (used.status_code, used.json()["code"]) == (410, "reset_link_invalid")

    assert before.get("/auth/me").status_code == 401
    assert Caller().post("/auth/login", {"email": user.email, "password": PASSWORD}).status_code == 401
    assert Caller().post("/auth/login", {"email": user.email, "password": NEW}).status_code == 200


def test_strangers_and_inactive_people_get_the_same_answer() -> None:
    """Neither gets a letter."""
    for email in ("nobody@example.com", person(is_active=False).email):
        assert Caller().post("/auth/password-reset", {"email": email}).status_code == 202
    write_letters()
    assert mail.outbox == []


@pytest.mark.parametrize("uid", ["", "MQ", "%%%", "x" * 64, "4pyT"])
def test_a_made_up_link_is_refused(uid: str) -> None:
    body = {"uid": uid, "token": "c0ffee-" + "0" * 32, "password": NEW}
    assert Caller().post("/auth/password-reset/confirm", body).status_code in {410, 422}


def test_letters_to_one_address_are_limited() -> None:
    user = person()
    answers = [Caller().post("/auth/password-reset", {"email": user.email}) for _ in range(RESETS.limit + 1)]
    assert [answer.status_code for answer in answers] == [202] * RESETS.limit + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    write_letters()
    assert len(mail.outbox) == RESETS.limit


def test_old_counts_are_forgotten_as_time_passes() -> None:
    Window(name="old", limit=1, seconds=60).hit("a")
    ThrottleCount.objects.update(expires_at=timezone.now() - timedelta(hours=2))
    Window(name="new", limit=1, seconds=60).hit("a")
    tick.send(sender=None)
    assert [key.split(":")[0] for key in ThrottleCount.objects.values_list("key", flat=True)] == ["new"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_of_fifty_hits_at_once_exactly_the_limit_gets_through() -> None:
    window = Window(name="race", limit=7, seconds=100_000_000)
    waits = chain.from_iterable(at_once(10, lambda _: [window.hit("one") for _ in range(5)]))
    assert sorted(wait == 0 for wait in waits) == [False] * 43 + [True] * 7
    assert window.full("one")
    window.forget("one")
    assert window.full("one") == 0
