"""`manage.py retry_calls`: which failed calls are queued again, and which are left."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from orchestration.models import ServiceCallRecord
from tests.orchestration.factories import failed, queued, running

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def say(*options: str) -> str:
    out = io.StringIO()
    call_command("retry_calls", *options, stdout=out)
    return out.getvalue()


def still_failed() -> set[str]:
    return set(ServiceCallRecord.objects.failed().values_list("error_code", flat=True))


def test_nothing_is_queued_without_apply():
    failed(), failed(error_code="invalid_output"), queued(), running()
    assert "dry run, would queue again: 2" in say()
    assert still_failed() == {"timeout", "invalid_output"}


def test_by_error_service_and_time():
    old = timezone.now() - timedelta(days=2)
    failed(finished_at=old), failed(error_code="invalid_output"), failed()
    failed(service_identity="services.engineapp.default.FreeText")
    since = (timezone.now() - timedelta(days=1)).isoformat()
    said = say("--error-code", "timeout", "--service", "services.engineapp.default.Triage", "--since", since, "--apply")
    assert said.splitlines() == ["1 x services.engineapp.default.Triage: timeout", "queued again: 1"]
    assert ServiceCallRecord.objects.failed().count() == 3
    assert say("--limit", "1", "--apply").splitlines()[-1] == "queued again: 1"
    assert ServiceCallRecord.objects.failed().count() == 2


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", "9999999-01-01"])
def test_a_time_that_cannot_be_read_is_refused(value):
    with pytest.raises(CommandError, match="--since takes a time"):
        say("--since", value)
