"""Files that handlers save: deleted again when the transaction of their rows does not commit.

Storages have no transactions. So each save within `deleting_rolled_back_files` is recorded together with an `on_commit`
hook: when a savepoint or the transaction is rolled back, its hooks are dropped, and their files are deleted. Not
covered are files that a handler deletes, what it writes without `Storage.save`, and what a process had saved when it
was killed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from types import TracebackType
from typing import Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from persistence import log
from persistence.foreign_code import attempt

RANDOM = re.compile(r"_[A-Za-z0-9]{7}(?=(?:\.[^./]*)*$)")
"""What a storage adds to a name that is taken."""
CHANGING = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}|\d+")
"""Random ids, keys and times in names."""

Digests = dict[str, str]
"""Names of saved files, and the digests of what they hold; an empty one where nobody could read it twice."""


@dataclass(slots=True, eq=False)
class SavedFile:
    """One save. `before` is what a storage that overwrites had under this name."""

    connection: BaseDatabaseWrapper
    storage: Storage
    name: str
    digest: str
    before: bytes | None
    is_committed: bool = False

    def wait_for_commit(self) -> None:
        """First in line, so that no other hook can keep this one from running."""
        if self.connection.in_atomic_block:
            hook: Any = (set(self.connection.savepoint_ids), self.note_commit, True)
            self.connection.run_on_commit.insert(0, hook)
        else:
            self.note_commit()

    def note_commit(self) -> None:
        self.is_committed = True

    @property
    def was_rolled_back(self) -> bool:
        waits = any(hook[1] == self.note_commit for hook in self.connection.run_on_commit)
        return not (self.is_committed or waits)

    def revert(self) -> None:
        """The rows were rolled back, so that a storage that fails here is only logged."""
        _, failure = attempt(self._restore)
        if failure:
            log.file_stayed(type(self.storage).__name__, failure)

    def _restore(self) -> None:
        self.storage.delete(self.name)
        if self.before is not None:
            self.storage.save(self.name, ContentFile(self.before))


_saved: ContextVar[tuple[BaseDatabaseWrapper, list[SavedFile]] | None] = ContextVar("persistence_saved", default=None)
"""What was saved, and the connection of the block's thread: an event loop that saves for it has another."""


class deleting_rolled_back_files:  # noqa: N801 - reads like a function: `with deleting_rolled_back_files() as saved:`
    """At the end of the block, delete what was saved in it and rolled back; put it around the transaction.

    Yields the list of what was saved and stays, as far as it can be known. Blocks may nest: what an outer transaction
    may still roll back is left to the block around it.
    """

    def __enter__(self) -> list[SavedFile]:
        self._outer, self._files = _saved.get(), list[SavedFile]()
        self._token = _saved.set((connections[DEFAULT_DB_ALIAS], self._files))
        return self._files

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _saved.reset(self._token)
        for file in [file for file in self._files if file.was_rolled_back]:
            self._files.remove(file)
            file.revert()
        if self._outer is not None:
            self._outer[1].extend(self._files)


def digests_of(saved: list[SavedFile]) -> Digests:
    return {file.name: file.digest for file in saved if not file.was_rolled_back}


def lasting_file(text: str, files: Digests, *, any_name: bool = False) -> str | None:
    """What text that names one of these files, or its address, comes down to, alike in every run: the content, and the
    name without what is random in it (`any_name`: without all of it); None for other text."""
    for name, digest in files.items():
        if digest and (text == name or text.endswith(f"/{name}")):
            kept = "" if any_name else CHANGING.sub("0", RANDOM.sub("", text))
            return f"file {kept} {digest}"
    return None


_connected = False


def connect() -> None:
    """Note the saves of all storages: Django has no signal for them, and whoever writes a storage writes `_save`."""
    global _connected
    if not _connected:
        Storage.save = _noting(Storage.save)  # type: ignore[method-assign]
        _connected = True


def _noting(save: Callable[..., str]) -> Callable[..., str]:
    @wraps(save)
    def noting(self: Storage, name: str | None, content: Any, max_length: int | None = None) -> str:
        watched = _saved.get()
        if watched is None:
            return save(self, name, content, max_length)
        connection, saved = watched
        wanted = name if name is not None else content.name
        before, digest = _overwritten(self, wanted, max_length), _digest(content)
        file = SavedFile(connection, self, save(self, name, content, max_length), digest, before)
        saved.append(file)
        file.wait_for_commit()
        return file.name

    return noting


def _overwritten(storage: Storage, name: str, max_length: int | None) -> bytes | None:
    """What is there under a name that the storage would not change."""
    if not storage.exists(name) or storage.get_available_name(name, max_length=max_length) != name:
        return None
    with storage.open(name) as there:
        return bytes(there.read())


def _digest(content: Any) -> str:
    """Of what can be read twice."""
    file = content if isinstance(content, File) else File(content)
    if not file.seekable():
        return ""
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk if isinstance(chunk, bytes) else str(chunk).encode())
    file.seek(0)
    return digest.hexdigest()[:16]
