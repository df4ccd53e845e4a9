"""Crash markers: which result each process is persisting, in a file that outlives it.

Each drain locks a file in RUN_DIR, which the kernel unlocks when the process ends, and writes into its memory map which
result its handler has: that costs no system call and no commit. A file that is no longer locked and still names a
result is an orphaned marker: a handler killed its process. The next drain on that machine charges the result.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
import uuid_utils.compat

from orchestration.clock import database_now
from orchestration.conf import engine_settings
from orchestration.engine.node import node_name
from persistence import log
from persistence.models.outbox import CrashMarker

FOLDER = "persisting"
"""In RUN_DIR."""
SIZE = 2048
"""Bytes of a file; a marker has at most some 1,200."""
NOTHING = 0
"""The first byte of a file that names no result."""


_page: ContextVar[tuple[mmap.mmap, dict[str, Any]] | None] = ContextVar("persistence_crash_marker", default=None)


@contextmanager
def watching(bulk_run: int = 0) -> Iterator[None]:
    """Within the block, `handling` leaves markers. Without a writable disk there are none, and the work continues."""
    created = _create()
    if created is None:
        yield
        return
    path, handle = created
    whose = {"node": node_name(), "pid": os.getpid(), "bulk_run": bulk_run}
    try:
        with mmap.mmap(handle, SIZE) as page:
            token = _page.set((page, whose))
            try:
                yield
            finally:
                _page.reset(token)
                if page[0] == NOTHING:
                    path.unlink(missing_ok=True)
    finally:
        os.close(handle)


class handling:  # noqa: N801 - reads like a function: `with handling(call_id, part):`
    """The block runs a handler. What is not an Exception (the broker's timeout) ends the process: the marker stays."""

    def __init__(self, call_id: str, part: str) -> None:
        self._call_id, self._part, self._watched = call_id, part, _page.get()

    def __enter__(self) -> None:
        if self._watched is not None:
            page, whose = self._watched
            mark = {"call_id": self._call_id, "part": self._part, "began_at": database_now().isoformat(), **whose}
            text = orjson.dumps(mark) + b"\0"
            page[: len(text)] = text

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watched is not None and (error is None or isinstance(error, Exception)):
            self._watched[0][0] = NOTHING


def orphaned_markers(*, in_bulk: bool = False) -> Iterator[tuple[Path, CrashMarker]]:
    """The markers that dead processes of this machine left, in drains or in bulk runs; each is locked against
    other readers while it is looked at.

    Whoever has dealt with one removes its file. Files that name nothing are removed here.
    """
    for path in sorted(engine_settings().RUN_DIR.glob(f"{FOLDER}/*.mark")):
        try:
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:  # it ended well meanwhile
            continue
        try:
            if _is_held(handle) or not os.fstat(handle).st_nlink:
                continue
            marker = _parsed(os.pread(handle, SIZE, 0))
            if marker is None:
                path.unlink(missing_ok=True)
            elif bool(marker.bulk_run) == in_bulk:
                yield path, marker
        finally:
            os.close(handle)


def _is_held(handle: int) -> bool:
    """Whether a living process, or another reader, holds the file; otherwise it is held by this handle now."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _parsed(page: bytes) -> CrashMarker | None:
    text = page.partition(b"\0")[0]
    try:
        return CrashMarker(**json.loads(text)) if text else None
    except (ValueError, TypeError):
        return None


def _create() -> tuple[Path, int] | None:
    """A new file, held by this process; None where none can be made."""
    try:
        while True:
            path = _folder() / f"{uuid_utils.compat.uuid7()}.mark"
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_nlink:
                os.ftruncate(handle, SIZE)
                return path, handle
            os.close(handle)  # somebody took it for a dead process's before it was held
    except OSError as error:
        log.cannot_mark(error)
        return None


def _folder() -> Path:
    folder = engine_settings().RUN_DIR / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return folder
