"""Encryption of what was said: Fernet, with several keys so that they can be rotated while the gateway serves."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from apps.gateway.conf import gateway_settings

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How long a process goes on with the keys it read before it looks at the file again."""
LEAST_DIFFERENT_BYTES = 12
"""Of the 32 of a key: zeros, a repeated word or a short text padded are no keys."""
HOW_TO = (
    "Make one with `python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'`"
    " and set GATEWAY_ENCRYPTION_KEYS, or put it into the file that GATEWAY_ENCRYPTION_KEY_FILE names."
)


class NotReadable(Exception):
    """This was encrypted with a key that is not among the gateway's keys, or it is damaged."""


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys in order; the first one encrypts, all of them decrypt."""

    key_ids: tuple[str, ...]
    fernet: MultiFernet = field(repr=False)

    @property
    def current(self) -> str:
        return self.key_ids[0]


@dataclass(slots=True)
class _Known:
    """What was read last, and from which state of the file."""

    ring: Keyring | None = None
    state: tuple[int, int] | None = None
    looked_at: float = 0.0


_known = _Known()


def encrypt(plain: bytes) -> bytes:
    """A Fernet token; `keyring().current` is the key that made it."""
    return keyring().fernet.encrypt(plain)


def decrypt(token: bytes | memoryview) -> bytes:
    """The plain bytes; NotReadable when no key fits."""
    try:
        return keyring().fernet.decrypt(bytes(token))
    except InvalidToken:
        raise NotReadable(NotReadable.__doc__) from None


def keyring() -> Keyring:
    """The keys in force; ImproperlyConfigured says what is wrong with them, and never quotes one."""
    now = time.monotonic()
    if _known.ring is not None and now - _known.looked_at < LOOK_SECONDS:
        return _known.ring
    state = _file_state()
    if _known.ring is None or state != _known.state:
        _known.ring, _known.state = read_keyring(), state
    _known.looked_at = now
    return _known.ring


def read_keyring() -> Keyring:
    """The keys as settings and file have them now; makes the file where the settings allow that."""
    wanted = gateway_settings()
    if wanted.ENCRYPTION_KEYS:
        return make_keyring(wanted.ENCRYPTION_KEYS, "GATEWAY_ENCRYPTION_KEYS")
    path = wanted.ENCRYPTION_KEY_FILE
    if path is None:
        raise ImproperlyConfigured(f"The gateway has no encryption key. {HOW_TO}")
    if wanted.MAKE_KEY_FILE and not path.exists():
        _make_file(path)
    try:
        lines = path.read_text("ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(
            f"The gateway's encryption keys in {path} cannot be read: {type(error).__name__}. {HOW_TO}"
        ) from None
    return make_keyring(lines, str(path))


def make_keyring(keys: Sequence[str], source: str) -> Keyring:
    """A keyring of Fernet keys; ImproperlyConfigured names `source` and which key is wrong."""
    if not keys:
        raise ImproperlyConfigured(f"{source} holds no encryption key. {HOW_TO}")
    for number, key in enumerate(keys, start=1):
        if not _is_key(key):
            raise ImproperlyConfigured(
                f"Encryption key {number} of {source} is no Fernet key (32 random bytes as URL-safe base64). {HOW_TO}"
            )
    return Keyring(tuple(key_id(key) for key in keys), MultiFernet([Fernet(key) for key in keys]))


def key_id(key: str) -> str:
    """What rows remember of a key: 16 hex digits of its hash."""
    return hashlib.sha256(b"gateway key id:" + key.encode()).hexdigest()[:16]


def _is_key(key: str) -> bool:
    try:
        raw = base64.b64decode(key.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return False
    return len(raw) == 32 and len(set(raw)) >= LEAST_DIFFERENT_BYTES


def _file_state() -> tuple[int, int] | None:
    path = gateway_settings().ENCRYPTION_KEY_FILE
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size) if found else None


def _make_file(path: Path) -> None:
    """A key of its own for a development machine. Whoever comes second takes the first one's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_keys(path, [Fernet.generate_key().decode()], replace=False)
    except FileExistsError:
        return
    logger.warning("gateway made an encryption key file=%s hint=keep_it_or_records_are_unreadable", path)


def write_keys(path: Path, keys: Sequence[str], *, replace: bool) -> None:
    """Put the whole file in place at once, readable by this user alone; FileExistsError unless `replace`."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write("".join(f"{key}\n" for key in keys))
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(name, path)
        else:
            os.link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def forget(*, setting: str = "GATEWAY", **_: object) -> None:
    """Read the keys anew at the next use."""
    if setting == "GATEWAY":
        _known.ring = None


setting_changed.connect(forget, dispatch_uid="gateway.encryption")
