"""Encryption of prompts and answers: Fernet, with several keys so that they can be rotated while serving.

Long contents are compressed before, and encrypted in pieces, so that no call holds the interpreter for long.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import zstandard
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from apps.gateway.conf import gateway_settings

logger = logging.getLogger(__name__)

LONG = 64 * 1024
"""Bytes from which a content is compressed and encrypted in pieces."""
PIECE = 3 * 2**16
"""Bytes handled at once: whole blocks of AES, whole groups of base64."""
BLOCK = 16
BYTES = b"\x80"
"""How a token begins that is not in base64, which makes it a third longer; no base64 does. Such tokens are read, and
written by the next release: this one runs beside versions that cannot read them."""
COMPRESSED = zstandard.FRAME_HEADER
"""How a compressed content begins; no JSON and no text does."""
FILE_CHECK_SECONDS = 1.0
"""How long a process uses the keys it read before it checks the file again."""
LEAST_DIFFERENT_BYTES = 12
"""Of the 32 of a key: zeros, a repeated word or a padded short text are not keys."""
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
    signer: bytes = field(repr=False)
    """The half of the first key that signs."""
    cipher: algorithms.AES = field(repr=False)
    """The half that encrypts."""

    @property
    def current(self) -> str:
        return self.key_ids[0]

    def encrypt(self, plain: bytes, *, compress: bool = True) -> bytes:
        """A Fernet token; long contents are compressed, unless a version that cannot read that may serve them."""
        is_long = len(plain) >= LONG
        if compress and (is_long or plain.startswith(COMPRESSED)):
            plain = zstandard.ZstdCompressor(level=1).compress(plain)
        return b"".join(map(base64.urlsafe_b64encode, _pieces(self.token(plain))))

    def token(self, plain: bytes) -> bytes:
        """A Fernet token (https://github.com/fernet/spec) before it is written in base64. `Fernet.encrypt` takes twice
        as long for a short text, and holds the interpreter for a tenth of a second with megabytes: here other threads
        run between the pieces."""
        padding = BLOCK - len(plain) % BLOCK
        start = os.urandom(BLOCK)
        encryptor = Cipher(self.cipher, modes.CBC(start)).encryptor()
        parts = [BYTES + int(time.time()).to_bytes(8, "big") + start]
        parts += map(encryptor.update, _pieces(plain))
        parts.append(encryptor.update(bytes([padding]) * padding))
        signed = b"".join(parts)
        return signed + hmac.digest(self.signer, signed, "sha256")


@dataclass(slots=True)
class _Known:
    """What was read last, and from which state of the file."""

    ring: Keyring | None = None
    state: tuple[int, int] | None = None
    checked_at: float = 0.0


_known = _Known()


def encrypt(plain: bytes) -> bytes:
    """A Fernet token; `keyring().current` is the key that made it."""
    return keyring().encrypt(plain)


def decrypt(token: bytes | memoryview) -> bytes:
    """The plain bytes; NotReadable when no key fits."""
    try:
        given = bytes(token)
        plain = keyring().fernet.decrypt(base64.urlsafe_b64encode(given) if given.startswith(BYTES) else given)
        return zstandard.ZstdDecompressor().decompress(plain) if plain.startswith(COMPRESSED) else plain
    except (InvalidToken, zstandard.ZstdError):
        raise NotReadable(NotReadable.__doc__) from None


def _pieces(data: bytes) -> list[memoryview]:
    return [memoryview(data)[start : start + PIECE] for start in range(0, len(data), PIECE)]


def keyring() -> Keyring:
    """The keys in force; ImproperlyConfigured says what is wrong with them, and never quotes one."""
    now = time.monotonic()
    if _known.ring is not None and now - _known.checked_at < FILE_CHECK_SECONDS:
        return _known.ring
    state = _file_state()
    if _known.ring is None or state != _known.state:
        _known.ring, _known.state = read_keyring(), state
    _known.checked_at = now
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
                f"Key {number} of {source} is not a Fernet key (32 random bytes as URL-safe base64). {HOW_TO}"
            )
    first = base64.urlsafe_b64decode(keys[0])
    return Keyring(
        tuple(key_id(key) for key in keys),
        MultiFernet([Fernet(key) for key in keys]),
        first[:BLOCK],
        algorithms.AES(first[BLOCK:]),
    )


def key_id(key: str) -> str:
    """How rows name a key: 16 hex digits of its hash."""
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
    """A key for a development machine. Whoever comes second uses the first one's file."""
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
    """Read the keys again at the next use."""
    if setting == "GATEWAY":
        _known.ring = None


setting_changed.connect(forget, dispatch_uid="gateway.encryption")
