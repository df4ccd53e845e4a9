"""What the doctor finds about the gateway, and how lost records are given up."""

import io
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.utils import timezone

from apps.gateway.crypto import encrypt, keyring
from apps.gateway.models import Interaction, InteractionPayload
from tests.orchestration.doctor.findings import findings

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]


def record(name: str) -> InteractionPayload:
    interaction = Interaction.objects.create(request_id=name, status="completed")
    return InteractionPayload.objects.create(
        interaction=interaction, prompt_enc=encrypt(b"{}"), key_id=keyring().current
    )


def use_another_key(settings):
    settings.GATEWAY = {**settings.GATEWAY, "ENCRYPTION_KEYS": (Fernet.generate_key().decode(),)}


def test_records_of_a_lost_key_are_found_and_can_be_given_up(settings):
    lost = record("before")
    use_another_key(settings)
    kept = record("after")
    found = findings()["gateway.E012"]
    assert lost.key_id in found.message
    assert "rotate_encryption --discard" in found.mend
    out = io.StringIO()
    call_command("rotate_encryption", "--discard", stdout=out)
    assert "1 records" in out.getvalue()
    assert list(InteractionPayload.objects.all()) == [kept]
    assert Interaction.objects.count() == 2
    assert "gateway.E012" not in findings()


def test_a_missing_key_is_found_without_showing_one(settings):
    settings.GATEWAY = {**settings.GATEWAY, "ENCRYPTION_KEYS": ("not-a-key",)}
    found = findings()["gateway.E011"]
    assert ("generate_key" in found.mend, "not-a-key" in str(found)) == (True, False)


def test_a_request_that_no_sweep_settled_is_found():
    Interaction.objects.create(request_id="old", status="in_flight", timestamp=timezone.now() - timedelta(hours=2))
    assert "gateway sweep" in findings()["gateway.E013"].mend
