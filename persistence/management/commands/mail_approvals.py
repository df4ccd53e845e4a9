"""`manage.py mail_approvals`: write to everybody for whom held results wait, now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from orchestration.management.base import PlainCommand
from persistence.approval.mail import mail_digests
from persistence.conf import persistence_settings


class Command(PlainCommand):
    help = (
        "Write to everybody for whom held results wait: how many, and links. The hourly task writes of new ones only."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not persistence_settings().DOMAIN_PERSIST_APPROVAL_MAIL:
            raise CommandError(
                "Nothing was sent: set DOMAIN_PERSIST_APPROVAL_MAIL in ORCHESTRAI to the address of this site, with"
                " which the links begin."
            )
        self.stdout.write(f"{mail_digests(only_new=False)} mails sent.")
