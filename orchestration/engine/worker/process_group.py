"""A cluster as one unit that can be killed: a child in a process group of its own that leaves nothing behind.

On Linux every process of the group dies when its parent does (PR_SET_PDEATHSIG, set again after each fork), and the
supervisor adopts what loses its parent (PR_SET_CHILD_SUBREAPER). Elsewhere only the group is killed.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
ON_LINUX = sys.platform == "linux"
GONE_AFTER_SECONDS = 10.0
"""How long a killed process may take to disappear before it is reported."""

_libc = ctypes.CDLL(None, use_errno=True) if ON_LINUX else None


def _prctl(option: int, value: int) -> None:
    if _libc is not None and _libc.prctl(option, value, 0, 0, 0) != 0:
        logger.warning("prctl refused option=%s errno=%s", option, ctypes.get_errno())


def adopt_orphans() -> None:
    """Descendants of this process whose parent dies become its children, so that it can end them."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(supervisor: int) -> None:
    """End this process with its parent (process id `supervisor`), and every process forked from it with its own.

    The kernel ties this to the thread that forks, so the supervisor spawns from its main thread.
    """
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    os.register_at_fork(after_in_child=lambda: _prctl(PR_SET_PDEATHSIG, signal.SIGKILL))
    if os.getppid() != supervisor:  # it died before the line above
        os.kill(os.getpid(), signal.SIGKILL)


_mains: set[int] = set()
"""Main processes of the groups that this process runs: its children, but no orphans."""


class ProcessGroup:
    """A command in a session, hence a process group, of its own."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it; OSError when that cannot be done."""
        self._process = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603 - ours
        self.pid = self._process.pid
        _mains.add(self.pid)

    def exited(self) -> bool:
        """Whether the main process has ended. It is not reaped yet, so its group's number stays taken."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def terminate(self) -> None:
        """Ask the main process, and only it, to stop."""
        os.kill(self.pid, signal.SIGTERM)

    def wait(self, seconds: float) -> bool:
        """Wait for the main process to end; False when it is still there."""
        return _until(self.exited, seconds)

    def kill(self) -> int:
        """SIGKILL every process of the group and every orphan it left; returns the main process's exit status."""
        with suppress(PermissionError):  # macOS, when only the ended main process is left in the group
            os.killpg(self.pid, signal.SIGKILL)
        status = self._process.wait()
        _mains.discard(self.pid)
        if not _until(self._is_gone, GONE_AFTER_SECONDS):
            logger.error("processes cannot be killed group=%s", self.pid)
        return status

    def _is_gone(self) -> bool:
        reap_orphans()
        orphans = set(children_of(os.getpid())) - _mains
        for orphan in orphans:
            os.kill(orphan, signal.SIGKILL)
        return not orphans and not _group_exists(self.pid)


def reap_orphans() -> None:
    """Collect adopted processes that have ended, so that they do not stay as zombies."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in _mains:
            return
        os.waitpid(ended.si_pid, 0)


def children_of(parent: int) -> Iterator[int]:
    """Process ids whose parent is `parent`, from /proc; none where there is no /proc."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text()
        except OSError:  # it ended meanwhile
            continue
        if int(status.rpartition(")")[2].split()[1]) == parent:
            yield int(entry.name)


def is_alive(pid: int) -> bool:
    """Whether a process with this id exists (a zombie does)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
