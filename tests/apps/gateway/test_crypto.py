"""Keys: refused when they are none, made for development alone, rotated while the gateway serves."""

from __future__ import annotations

import base64
import json
import os
import random
import stat
import threading

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import override_settings

from apps.gateway import crypto as encryption
from apps.gateway.checks import check_settings
from apps.gateway.crypto import LONG, PIECE, NotReadable, decrypt, encrypt, keyring, make_keyring, read_keyring
from apps.gateway.maintenance.key_rotation import remaining
from apps.gateway.models import Interaction, InteractionPayload
from apps.gateway.models.cache import CacheEntry
from tests.apps.gateway.serving import ask, client, gateway, key

GOOD = Fernet.generate_key().decode()
ZERO = "A" * 43 + "="


@pytest.mark.parametrize(
    "bad",
    ["", "short", "0" * 32, "00112233445566778899aabbccddeeff", ZERO, GOOD[:-1], GOOD + "x", "ü"],
    ids=["empty", "short", "zeros", "hex", "zero key", "cut", "longer", "umlaut"],  # GOOD differs by process
)
def test_what_is_not_a_key_is_refused_and_not_quoted(bad):
    with pytest.raises(ImproperlyConfigured) as refused:
        make_keyring([GOOD, bad], "the settings")
    assert "Key 2 of the settings" in str(refused.value)
    assert not bad or bad not in str(refused.value)
    assert GOOD not in str(refused.value)
    assert GOOD not in repr(make_keyring([GOOD], "x"))


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({}, "no encryption key"),
        ({"ENCRYPTION_KEY_FILE": "/nonexistent/keys"}, "cannot be read"),
        ({"ENCRYPTION_KEYS": ("0" * 32,)}, "not a Fernet key"),
    ],
)
def test_nothing_starts_without_good_keys(wanted, told):
    with override_settings(GATEWAY=wanted):
        assert [(error.id, told in error.msg) for error in check_settings(None)] == [("gateway.E002", True)]
        with pytest.raises(ImproperlyConfigured, match=told):
            keyring()
    with override_settings(GATEWAY={"TYPO": 1}):
        assert [error.id for error in check_settings(None)] == ["gateway.E001"]


def test_development_makes_one_file_however_many_ask(tmp_path):
    path = tmp_path / "deep" / "gateway.key"
    with override_settings(GATEWAY={"ENCRYPTION_KEY_FILE": path, "MAKE_KEY_FILE": True}):
        found: list[str] = []
        threads = [threading.Thread(target=lambda: found.append(read_keyring().current)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(found)) == 1
        assert len(found) == 8
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert os.listdir(path.parent) == ["gateway.key"]
        assert decrypt(encrypt(b"x")) == b"x"


@pytest.mark.parametrize("length", [0, 1, LONG - 1, LONG, LONG + 1, 3 * PIECE + 5])
def test_a_content_of_any_length_comes_back(length):
    plain = random.Random(length).randbytes(length)
    with override_settings(GATEWAY={"ENCRYPTION_KEYS": (GOOD,)}):
        written, whole = encrypt(plain), keyring().encrypt(plain, compress=False)
        assert decrypt(written) == decrypt(whole) == Fernet(GOOD).decrypt(whole) == plain
        assert written.isascii()  # which versions that know base64 alone read, too
        raw = base64.urlsafe_b64decode(whole)
        assert decrypt(raw) == plain  # as the next release writes it
        for damaged in (raw[:-1], raw[:20] + bytes([raw[20] ^ 1]) + raw[21:], b"\x80" + raw, written[:-1], b""):
            with pytest.raises(NotReadable):
                decrypt(damaged)


@pytest.mark.django_db(transaction=True)
def test_keys_rotate_while_requests_come_in(tmp_path, provider, monkeypatch):
    """Everything, the cache included, is readable before, meanwhile and afterwards; then the old key is gone."""
    monkeypatch.setattr(encryption, "FILE_CHECK_SECONDS", 0.05)
    monkeypatch.setattr("apps.gateway.management.commands.rotate_encryption.FILE_CHECK_SECONDS", 0.05)
    path = tmp_path / "keys"
    path.write_text(f"{GOOD}\n")
    _, secret = key(policy={"cache": "exact"})
    stop = threading.Event()
    with gateway(provider.base_url, ENCRYPTION_KEY_FILE=path, ENCRYPTION_KEYS=()) as server:
        caller = client(server, secret)

        def go_on() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                caller.chat.completions.create(**ask(f"Question {number}"))

        for number in range(20):
            caller.chat.completions.create(**ask(f"Before {number}"))
        old = keyring().current
        serving = threading.Thread(target=go_on)
        serving.start()
        try:
            call_command("rotate_encryption", "--new-key", "--retire", verbosity=0)
        finally:
            stop.set()
            serving.join()
        again = caller.chat.completions.with_raw_response.create(**ask("Before 3"))

        assert keyring().current != old
        assert keyring().key_ids == (keyring().current,)
        assert GOOD not in path.read_text()
        assert remaining() == 0
        assert again.headers["x-cache"] == "HIT"
        payloads = list(InteractionPayload.objects.all())
        assert len(payloads) == Interaction.objects.count() > 20
        assert CacheEntry.objects.count() >= 20
        assert [each for each in payloads if not json.loads(decrypt(each.prompt_enc))["model"]] == []
        assert [each for each in payloads if not json.loads(decrypt(each.response_enc))["choices"]] == []
    with override_settings(GATEWAY={"ENCRYPTION_KEYS": (Fernet.generate_key().decode(),)}):
        with pytest.raises(CommandError, match="cannot be decrypted with any key"):
            call_command("rotate_encryption", verbosity=0)
        with pytest.raises(CommandError, match="GATEWAY_ENCRYPTION_KEYS"):
            call_command("rotate_encryption", "--new-key", verbosity=0)
