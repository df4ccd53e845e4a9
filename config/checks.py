"""`check --deploy`: what a deployment would lose without noticing: mail, files, wake-ups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import DatabaseError

from apps.accounts.emails import backend, delivers
from orchestration.clock import database_now
from orchestration.models import WorkerNode

SEEN = timedelta(days=1)


def check_mail(**_: object) -> list[CheckMessage]:
    """W201, W205, W202: mail that is not sent, goes to a server that nobody named, or has no valid sender."""
    return list(_mail())


def _mail() -> Iterator[CheckMessage]:
    if not delivers() or backend() == "locmem":
        yield checks.Warning(
            "EMAIL_URL sends no mail: links for new passwords and invitations would be written to the log or lost.",
            hint="Set EMAIL_URL=smtp+tls://user:password@host:587.",
            id="config.W201",
        )
    elif not settings.EMAIL_GIVEN:
        yield checks.Warning(
            "EMAIL_URL is not set: mail goes to port 25 of this machine, where often no mail server answers.",
            hint="Set EMAIL_URL=smtp+tls://user:password@host:587, or smtp://localhost:25 if there is one.",
            id="config.W205",
        )
    if settings.DEFAULT_FROM_EMAIL.strip().lower().endswith(("@localhost", "@localhost>")):
        yield checks.Warning(
            f"Mail would come from {settings.DEFAULT_FROM_EMAIL}, which mail servers refuse.",
            hint="Set DEFAULT_FROM_EMAIL to an address of your domain.",
            id="config.W202",
        )


def check_storage(*, databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """W203: several machines share the database, but not the files."""
    try:
        hosts = sorted(
            WorkerNode.objects.filter(beat_at__gt=database_now() - SEEN).exclude(host="").values_list("host", flat=True)
        )
    except DatabaseError:  # other checks report what is wrong with it
        return []
    if len(set(hosts)) < 2 or not isinstance(default_storage, FileSystemStorage):
        return []
    return [
        checks.Warning(
            f"Workers of several machines ({', '.join(sorted(set(hosts))[:5])}) share this database, and files are kept"
            f" in the folder {settings.MEDIA_ROOT}: a picture or an export of one is missing on the others.",
            hint="Set ORCA_STORAGE_URL=s3://bucket/prefix, or mount one folder at ORCA_DATA_DIR/media on all of them"
            " and silence this check.",
            id="config.W203",
        )
    ]


def check_installation(**_: object) -> list[CheckMessage]:
    """W204: a Redis that a copy of this installation could share, without a name that distinguishes them."""
    if settings.INSTALLATION or not settings.CACHES["default"]["BACKEND"].endswith("RedisCache"):
        return []
    return [
        checks.Warning(
            "REDIS_URL is set without ORCA_INSTALLATION: a copy that is restored beside this one with the same Redis"
            " would take its wake-ups and read its cache.",
            hint="Set ORCA_INSTALLATION to a name of its own for each installation, the same for all its processes.",
            id="config.W204",
        )
    ]


def install() -> None:
    """Register the checks. Once, when the app is ready."""
    for check in (check_mail, check_storage, check_installation):
        checks.register(check, "deployment", deploy=True)
