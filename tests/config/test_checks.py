"""What a deployment would lose without noticing is found by `check --deploy`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import checks

from config.checks import check_installation, check_mail, check_storage
from orchestration.clock import database_now
from orchestration.models import WorkerNode
from tests.mail import use_mail

SMTP = "django.core.mail.backends.smtp.EmailBackend"


def ids(found: list[checks.CheckMessage]) -> list[str | None]:
    return [message.id for message in found]


@pytest.mark.parametrize(
    ("backend", "sender", "expected"),
    [
        (SMTP, "orca@example.org", []),
        (SMTP, "webmaster@localhost", ["config.W202"]),
        (SMTP, "Orca <orca@localhost>", ["config.W202"]),
        ("django.core.mail.backends.console.EmailBackend", "orca@example.org", ["config.W201"]),
        ("django.core.mail.backends.dummy.EmailBackend", "webmaster@localhost", ["config.W201", "config.W202"]),
    ],
)
def test_mail_that_reaches_nobody_is_found(settings: Any, backend: str, sender: str, expected: list[str]) -> None:
    use_mail(settings, backend)
    settings.DEFAULT_FROM_EMAIL, settings.EMAIL_GIVEN = sender, True
    assert ids(check_mail()) == expected


def test_a_mail_server_that_nobody_named_is_found(settings: Any) -> None:
    use_mail(settings, SMTP)
    settings.DEFAULT_FROM_EMAIL, settings.EMAIL_GIVEN = "orca@example.org", False
    assert ids(check_mail()) == ["config.W205"]


@pytest.mark.django_db
@pytest.mark.postgres
def test_local_files_on_several_machines_are_found(settings: Any) -> None:
    WorkerNode.objects.create(name="a-1", host="a")
    WorkerNode.objects.create(name="a-2", host="a")
    WorkerNode.objects.create(name="gone", host="c", beat_at=database_now() - timedelta(days=9))
    assert ids(check_storage()) == []
    WorkerNode.objects.create(name="b-1", host="b")
    assert ids(check_storage()) == ["config.W203"]
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    assert ids(check_storage()) == []


def test_a_redis_without_a_name_for_the_installation_is_found(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://x"}}
    settings.INSTALLATION = ""
    assert ids(check_installation()) == ["config.W204"]
    settings.INSTALLATION = "live"
    assert ids(check_installation()) == []


def test_the_checks_are_those_of_a_deployment() -> None:
    registered = checks.registry.registry.deployment_checks
    assert {check_mail, check_storage, check_installation} <= set(registered)
