"""Removing content that nothing refers to any longer: at once when its last use goes, and what else is found unused."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils.timezone import is_naive, make_aware

from orchestration.clock import database_now
from orchestration.content.storing import FOLDER, delete_file, storage
from orchestration.isolation import isolated
from orchestration.log import describe
from orchestration.models.content import ContentFile, ContentUse

logger = logging.getLogger(__name__)

BATCH = 200
KEPT_UNUSED = timedelta(days=1)
"""How long content may wait for the first call that refers to it."""


def forget_uses(column: str, keys: Collection[Any]) -> None:
    """The rows of these keys refer to no content any longer (`column`: `call`, `request` or `tool_run`). Content whose
    last use that was is removed when the transaction commits."""
    uses = ContentUse.objects.filter(**{f"{column}__in": keys})
    digests = set(uses.values_list("content_id", flat=True))
    if digests:
        uses.delete()
        transaction.on_commit(partial(remove_unused, digests), robust=True)


def remove_unused(digests: Iterable[str]) -> int:
    """Remove those of these contents that have no use; how many. Content that somebody is about to use stays: its row
    is locked (`storing.held`), and what is stored again meanwhile has another file."""
    removed = 0
    wanted = sorted(digests)
    for start in range(0, len(wanted), BATCH):
        some = wanted[start : start + BATCH]
        with transaction.atomic():
            skip = connection.features.has_select_for_update_skip_locked
            locked = ContentFile.objects.select_for_update(skip_locked=skip).filter(pk__in=some)
            taken = dict(locked.values_list("pk", "path"))
            used = set(ContentUse.objects.filter(content__in=taken).values_list("content_id", flat=True))
            unused = {digest: path for digest, path in taken.items() if digest not in used}
            ContentFile.objects.filter(pk__in=unused).delete()
        for path in unused.values():  # not before the rows are gone for good
            delete_file(path)
        removed += len(unused)
    return removed


def sweep() -> int:
    """Remove content that was stored a day ago and never used, or only uploaded, and files without a row; how many."""
    uploads = ContentUse.objects.filter(uploaded_by__isnull=False, added_at__lt=database_now() - KEPT_UNUSED)
    uploads.delete()
    old = ContentFile.objects.filter(stored_at__lt=database_now() - KEPT_UNUSED)
    unused = old.exclude(Exists(ContentUse.objects.filter(content=OuterRef("pk"))))
    removed = remove_unused(list(unused.values_list("pk", flat=True)))
    with isolated() as walking:  # a storage may raise anything, and not all of them can list
        removed += sum(_sweep_folder(folder) for folder in storage().listdir(FOLDER)[0])
    if walking.error is not None and not isinstance(walking.error, FileNotFoundError | NotImplementedError):
        logger.warning("content not swept error=%s", describe(walking.error))
    return removed


def _sweep_folder(folder: str) -> int:
    """Files without a row, which a transaction that was rolled back or a death left behind. One that is young may be of
    a transaction that is still open."""
    before = database_now() - KEPT_UNUSED
    paths = [f"{FOLDER}/{folder}/{name}" for name in storage().listdir(f"{FOLDER}/{folder}")[1]]
    known = set(ContentFile.objects.filter(digest__startswith=folder).values_list("path", flat=True))
    orphans = [path for path in paths if path not in known and _modified(path) < before]
    for path in orphans:
        delete_file(path)
    return len(orphans)


def _modified(path: str) -> datetime:
    moment = storage().get_modified_time(path)
    return make_aware(moment) if is_naive(moment) else moment
