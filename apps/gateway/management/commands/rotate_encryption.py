"""`manage.py rotate_encryption`: what the gateway recorded, under the newest key."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from apps.gateway.conf import gateway_settings
from apps.gateway.encryption import LOOK_SECONDS, forget, keyring, write_keys
from apps.gateway.rotation import Rotated, remaining, rotate


class Command(BaseCommand):
    help = (
        "Encrypt everything that older keys wrote with the first key. Serving goes on meanwhile. --new-key first puts a"
        " new key into the key file, --retire takes the old ones out when nothing needs them any more."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--new-key", action="store_true", help="Make a key and put it first.")
        parser.add_argument("--retire", action="store_true", help="Afterwards remove the other keys from the file.")

    def handle(self, *, new_key: bool, retire: bool, **_: Any) -> None:
        try:
            if new_key:
                self._add_key()
            result = rotate(lambda done: self.stdout.write(f"{done} rows …"))
            if retire:
                result.done += self._retire().done
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Encrypted anew: {result.done} rows. Key: {keyring().current}.")
        if result.unreadable:
            raise CommandError(f"{result.unreadable} rows cannot be read with any key; they stay as they are.")

    def _add_key(self) -> None:
        keyring()  # what is there must be readable before it is written anew
        self._write([Fernet.generate_key().decode(), *self._keys()])
        time.sleep(2 * LOOK_SECONDS)  # by now every process has looked at the file

    def _retire(self) -> Rotated:
        """Rows that a process wrote before it saw the new key are found by a second look."""
        time.sleep(2 * LOOK_SECONDS)
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
