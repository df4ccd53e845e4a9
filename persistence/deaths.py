"""Which result each process is persisting, in a file that outlives it: so a handler that kills its process is found.

Each drain holds a file in RUN_DIR by a lock of the kernel's, which ends with the process, and writes into its memory
map which result its handler has: that costs no system call and no commit. A file that nobody holds any more and that
still names a result is the evidence of a death. It stays on its machine; the next drain there charges the result.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uuid_utils.compat
from django.utils import timezone

from orchestration.conf import engine_settings
from orchestration.engine.slots import node_name
from persistence import log

FOLDER = "persisting"
"""In RUN_DIR."""
SIZE = 2048
"""Bytes of a file; a mark has at most some 1,200."""
NOTHING = 0
"""The first byte of a file that names no result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A process that is, or was, in the handler of a result, or of one part of it; what `handling` writes as JSON."""

    call_id: str
    part: str
    node: str
    pid: int
    began_at: str
    """ISO time."""
    bulk_run: int = 0
    """The bulk run that it worked for, 0 in a drain."""


_page: ContextVar[tuple[mmap.mmap, dict[str, Any]] | None] = ContextVar("persistence_deaths_page", default=None)


@contextmanager
def watching(bulk_run: int = 0) -> Iterator[None]:
    """Within the block, `handling` leaves marks. A disk that takes no file costs the marks, not the work."""
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


@contextmanager
def handling(call_id: str, part: str) -> Iterator[None]:
    """The block runs a handler. What is no Exception (the broker's timeout, say) ends the process: the mark stays."""
    watched = _page.get()
    if watched is None:
        yield
        return
    page, whose = watched
    text = json.dumps({"call_id": call_id, "part": part, "began_at": timezone.now().isoformat(), **whose}).encode()
    page[: len(text) + 1] = text + b"\0"
    try:
        yield
    except Exception:
        page[0] = NOTHING
        raise
    page[0] = NOTHING


def marks_of_the_dead(*, in_bulk: bool = False) -> Iterator[tuple[Path, Mark]]:
    """The marks that dead processes of this machine left, those of drains or those of bulk runs; each is held against
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
            mark = _parsed(os.pread(handle, SIZE, 0))
            if mark is None:
                path.unlink(missing_ok=True)
            elif bool(mark.bulk_run) == in_bulk:
                yield path, mark
        finally:
            os.close(handle)


def _is_held(handle: int) -> bool:
    """Whether a living process, or another reader, holds the file; otherwise it is held by this handle now."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _parsed(page: bytes) -> Mark | None:
    text = page.partition(b"\0")[0]
    try:
        return Mark(**json.loads(text)) if text else None
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
