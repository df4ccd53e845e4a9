"""Storing bytes by their digest, and reading them back."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Collection
from datetime import timedelta

from django.core.files.base import ContentFile as InMemory
from django.core.files.storage import Storage, storages
from django.db import connection, transaction

from orchestration.clock import database_now
from orchestration.conf import engine_settings
from orchestration.errors import ContentUnavailable
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.models.content import ContentFile
from orchestration.values.media_types import pixels_of

logger = logging.getLogger(__name__)

FOLDER = "content"
NOTED_EVERY = timedelta(hours=1)
LOST = "content_lost"


def storage() -> Storage:
    """Where the bytes are."""
    return storages[engine_settings().CONTENT_STORAGE]


def digest_of(data: bytes) -> str:
    """SHA-256 in hex digits."""
    return hashlib.sha256(data).hexdigest()


def store(data: bytes, media_type: str) -> str:
    """Store bytes, unless they are stored already, as part of the caller's transaction, until whose end they stay;
    returns their digest.

    A transaction that is rolled back leaves a file without a row, which `removal` finds. Raises what the storage
    raises.
    """
    digest = digest_of(data)
    with transaction.atomic():
        known = ContentFile.objects.filter(pk__in=held([digest])).first()
        if known is not None and storage().exists(known.path):
            _note_again(known)
            return digest
        path = _write(data, digest)
        pixels = pixels_of(data, media_type)
        row = ContentFile(digest=digest, size=len(data), media_type=media_type, pixels=pixels, path=path)
        if known is not None:  # the storage lost it
            ContentFile.objects.filter(pk=digest).update(path=path, stored_at=row.stored_at)
            return digest
        ContentFile.objects.bulk_create([row], ignore_conflicts=True)
        held([digest])
        stored = ContentFile.objects.filter(pk=digest).values_list("path", flat=True).first()
    if stored != path:  # somebody else was first
        delete_file(path)
    return digest


def _note_again(known: ContentFile) -> None:
    """It is wanted again. Not each time, because who writes the row waits for others that do."""
    now = database_now()
    if now - known.stored_at > NOTED_EVERY:
        ContentFile.objects.filter(pk=known.pk).update(stored_at=now)


def _write(data: bytes, digest: str) -> str:
    """The name begins with the digest, and cannot be guessed: some sites serve what is in their storage."""
    return storage().save(f"{FOLDER}/{digest[:2]}/{digest}.{secrets.token_hex(16)}", InMemory(data))


def delete_file(path: str) -> None:
    """Remove a file that no row has; what cannot be removed now is found later."""
    with isolated() as deleting:  # a storage may raise anything
        storage().delete(path)
    if deleting.error is not None:
        logger.warning("content not removed error=%s", describe(deleting.error))


def held(digests: Collection[str]) -> set[str]:
    """Which of these are stored. They stay so until the end of the caller's transaction, for whose uses to be added."""
    wanted = sorted(digests)
    if connection.vendor != "postgresql":  # one writer at a time
        return set(ContentFile.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute("SELECT digest FROM content_file WHERE digest = ANY(%s) ORDER BY digest FOR KEY SHARE", [wanted])
        return {digest for (digest,) in cursor.fetchall()}


def read(digests: Collection[str]) -> dict[str, bytes]:
    """The bytes of each. ContentUnavailable: retryable where a prompt that is rendered again stores it again, or the
    storage may recover; `content_lost` when the bytes are gone."""
    paths = dict(ContentFile.objects.filter(pk__in=digests).values_list("pk", "path"))
    gone = sorted(set(digests) - paths.keys())
    if gone:
        raise ContentUnavailable(f"The content {gone[0][:12]}… of a message is no longer stored, so nothing was sent.")
    return {digest: _bytes_at(path, digest) for digest, path in paths.items()}


def _bytes_at(path: str, digest: str) -> bytes:
    with isolated() as reading, storage().open(path, "rb") as stored:
        data = stored.read()
    if isinstance(reading.error, FileNotFoundError):
        raise _lost(f"The storage lost the content {digest[:12]}… of a message") from reading.error
    if reading.error is not None:
        message = f"The storage did not give the content {digest[:12]}… of a message ({describe(reading.error)})."
        raise ContentUnavailable(message) from reading.error
    if digest_of(data) != digest:
        raise _lost(f"The storage gave other bytes than were stored as the content {digest[:12]}… of a message")
    return bytes(data)


def _lost(what: str) -> ContentUnavailable:
    return ContentUnavailable(f"{what}, so nothing was sent.", code=LOST, retryable=False)
