"""`manage.py rotate_encryption`: re-encrypts the gateway's records with the newest key."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError

from apps.gateway.conf import gateway_settings
from apps.gateway.crypto import FILE_CHECK_SECONDS, forget, keyring, write_keys
from apps.gateway.maintenance.key_rotation import Rotated, discard_unreadable, remaining, rotate
from orchestration.management.base import PlainCommand


class Command(PlainCommand):
    help = (
        "Re-encrypt everything that older keys wrote with the first key, while the gateway serves. --new-key first adds"
        " a new key to the key file, --retire removes the old ones when nothing needs them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--new-key", action="store_true", help="Generate a key and put it first.")
        parser.add_argument("--retire", action="store_true", help="Afterwards remove the other keys from the file.")

        parser.add_argument(
            "--discard", action="store_true", help="First delete the content of records whose key is lost for good."
        )

    def handle(self, *, new_key: bool, retire: bool, discard: bool, **_: Any) -> None:
        try:
            if discard:
                self.stdout.write(f"Deleted the content of {discard_unreadable()} records whose key is gone.")
            if new_key:
                self._add_key()
            result = rotate(lambda done: self.stdout.write(f"{done} rows …"))
            if retire:
                result.done += self._retire().done
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Re-encrypted: {result.done} rows. Key: {keyring().current}.")
        if result.unreadable:
            raise CommandError(f"{result.unreadable} rows cannot be decrypted with any key; they are left unchanged.")

    def _add_key(self) -> None:
        keyring()  # the present keys must be valid before the file is rewritten
        self._write([Fernet.generate_key().decode(), *self._keys()])
        time.sleep(2 * FILE_CHECK_SECONDS)  # by now every process has read the file

    def _retire(self) -> Rotated:
        """A second pass finds rows that a process wrote before it saw the new key."""
        time.sleep(2 * FILE_CHECK_SECONDS)
        result = rotate()
        left = remaining()
        if left:
            raise CommandError(f"{left} rows still need an older key: none was removed.")
        self._write(self._keys()[:1])
        return result

    def _keys(self) -> list[str]:
        path = gateway_settings().ENCRYPTION_KEY_FILE
        if gateway_settings().ENCRYPTION_KEYS or path is None:
            raise CommandError(
                "The keys come from GATEWAY_ENCRYPTION_KEYS: put the new one first there, restart, and run this again"
                " without --new-key and --retire."
            )
        return path.read_text("ascii").split()

    def _write(self, keys: list[str]) -> None:
        path = gateway_settings().ENCRYPTION_KEY_FILE
        if path is not None:
            write_keys(path, keys, replace=True)
            forget()
