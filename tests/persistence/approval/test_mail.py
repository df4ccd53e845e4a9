"""Mails about what waits: to whom, with what in them, and that there are none unless somebody wants them."""

from __future__ import annotations

from datetime import timedelta
from smtplib import SMTPException
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.core.management import CommandError, call_command

from orchestration.clock import database_now
from persistence.conf import persistence_settings
from persistence.models.approval import Hold
from persistence.tasks import mail_approvals

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
SITE = "https://console.example.com"


@pytest.fixture
def wanted(settings: Any) -> None:
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_APPROVAL_MAIL": f"{SITE}/"}


def letters() -> dict[str, str]:
    return {letter.to[0]: letter.body for letter in mail.outbox}


def test_there_are_none_unless_somebody_wants_them(held, anna):
    held()
    assert mail_approvals() == 0
    assert mail.outbox == []
    with pytest.raises(CommandError, match="set DOMAIN_PERSIST_APPROVAL_MAIL"):
        call_command("mail_approvals")


def test_each_is_told_what_waits_for_them_and_nothing_of_it(held, anna, berta, person, wanted):
    mine, ours, _ = held(), held(data={"text": "a secret"}), held()
    group = Group.objects.create(name="night")
    berta.groups.add(group)
    Hold.objects.filter(pk=mine.pk).update(assignee=anna)
    Hold.objects.filter(pk=ours.pk).update(group=group)
    person("viewer", "persistence.view_hold")
    person("gone").__class__.objects.filter(email="gone@example.org").update(is_active=False)
    assert mail_approvals() == 2
    page = f"{SITE}/admin/persistence/hold/?assignee="
    assert letters() == {
        "anna@example.org": "Results that wait for somebody's approval:\n\n"
        f"1 waits for you: {page}me\n1 waits for anybody who may decide: {page}nobody\n",
        "berta@example.org": "Results that wait for somebody's approval:\n\n"
        f"1 waits for your groups: {page}groups\n1 waits for anybody who may decide: {page}nobody\n",
    }


def test_what_nobody_would_hear_of_is_told_to_all(held, anna, berta, person, wanted):
    left, empty, unable = held(), held(), held()
    berta.is_active = False
    berta.save()
    Hold.objects.filter(pk=left.pk).update(assignee=berta)
    Hold.objects.filter(pk=empty.pk).update(group=Group.objects.create(name="night"))
    Hold.objects.filter(pk=unable.pk).update(assignee=person("viewer", "persistence.view_hold"))
    assert mail_approvals() == 1
    told = "3 wait for somebody who cannot decide, or a group without anybody who can"
    assert letters()["anna@example.org"].splitlines()[2:] == [f"{told}: {SITE}/admin/persistence/hold/"]


def test_only_what_is_new_is_worth_a_mail_of_the_task(held, anna, berta, wanted, capsys):
    old, new = held(), held()
    Hold.objects.filter(pk=old.pk).update(opened_at=database_now() - timedelta(hours=2))
    Hold.objects.filter(pk=new.pk).update(assignee=anna)
    assert mail_approvals() == 1
    assert list(letters()) == ["anna@example.org"]
    Hold.objects.update(opened_at=database_now() - timedelta(hours=2))
    assert mail_approvals() == 0
    call_command("mail_approvals")
    assert "2 mails sent" in capsys.readouterr().out


def test_a_mail_server_that_is_away_ends_it(held, anna, berta, wanted, monkeypatch, caplog):
    def refuse(*args: Any, **options: Any) -> int:
        raise SMTPException("anna@example.org is unknown")

    monkeypatch.setattr(mail, "send_mail", refuse)
    held()
    assert mail_approvals() == 0
    assert "not sent error=SMTPException" in caplog.text
    assert "anna@" not in caplog.text


@pytest.mark.parametrize("value", ["console.example.com", "https://", "https://a b", "https://a/b?c", 7])
def test_the_address_of_the_site_is_checked(settings, value):
    settings.ORCHESTRAI = {**settings.ORCHESTRAI, "DOMAIN_PERSIST_APPROVAL_MAIL": value}
    with pytest.raises(Exception, match="DOMAIN_PERSIST_APPROVAL_MAIL"):
        persistence_settings()
