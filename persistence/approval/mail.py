"""A mail to those who may decide: how many held results wait for whom, with links, and nothing of their content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from smtplib import SMTPException
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import get_user_model
from django.core import mail
from django.urls import reverse

from orchestration.clock import database_now
from persistence import log
from persistence.approval.assignees import deciders
from persistence.conf import persistence_settings
from persistence.models.approval import Hold, HoldQuerySet

EVERY = timedelta(hours=1)
MOST = 1000
"""That a mail counts."""
MOST_PEOPLE = 500


def mail_digests(*, only_new: bool = True) -> int:
    """Write to everybody for whom something waits; returns how many got a mail. With `only_new` to those alone for
    whom something came within EVERY. 0 without DOMAIN_PERSIST_APPROVAL_MAIL; what the mail server refuses is logged,
    and ends it."""
    site = persistence_settings().DOMAIN_PERSIST_APPROVAL_MAIL
    since = database_now() - EVERY if only_new else None
    if not site or not _came_since(Hold.objects.open(), since):
        return 0
    sent, people = 0, [each for each in deciders().prefetch_related("groups")[:MOST_PEOPLE] if _address(each)]
    unheard = _unheard(people)
    for person in people:
        address, waiting = _address(person), list(_waiting_for(person, unheard, site, since))
        if waiting:
            try:
                sent += mail.send_mail("Results wait for approval", _text(waiting), None, [address])
            except (SMTPException, OSError) as error:
                log.not_mailed(error)
                break
    return sent


def _address(person: Any) -> str:
    return str(vars(person).get(get_user_model().get_email_field_name()) or "")


def _unheard(people: Sequence[Any]) -> HoldQuerySet:
    """What waits for a person who is not among these, or a group that has none of them: nobody hears of it, unless
    everybody does."""
    asked = Hold.objects.open().exclude(assignee=None, group=None)
    groups = {group.pk for person in people for group in person.groups.all()}
    return asked.exclude(assignee__in=[person.pk for person in people]).exclude(group__in=groups)


def _waiting_for(person: Any, unheard: HoldQuerySet, site: str, since: Any) -> Iterator[str]:
    """A line for each queue of this person's; nothing when nothing came to any of them."""
    holds = Hold.objects.open()
    queues = {
        "me": ("for you", holds.filter(assignee=person)),
        "groups": ("for your groups", holds.filter(group__in=[group.pk for group in person.groups.all()])),
        "nobody": ("for anybody who may decide", holds.filter(assignee=None, group=None)),
        "": ("for somebody who cannot decide, or a group without anybody who can", unheard),
    }
    if not any(_came_since(rows, since) for _, rows in queues.values()):
        return
    for name, (whom, rows) in queues.items():
        count = rows.values("pk")[: MOST + 1].count()
        if count:
            shown = f"more than {MOST:,} wait" if count > MOST else f"{count} wait{'s' if count == 1 else ''}"
            wanted = f"?{urlencode({'assignee': name})}" if name else ""
            yield f"{shown} {whom}: {site.rstrip('/')}{reverse('admin:persistence_hold_changelist')}{wanted}"


def _came_since(rows: HoldQuerySet, since: Any) -> bool:
    return (rows if since is None else rows.filter(opened_at__gte=since)).exists()


def _text(lines: list[str]) -> str:
    return "Results that wait for somebody's approval:\n\n{}\n".format("\n".join(lines))
