"""Processes of a benchmark, and the CPU time that the operating system counted for them. Linux; imports no Django."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")
PATIENCE = 30.0


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise SystemExit(f"Nothing listens on port {port}.")


def tree_cpu(roots: list[int]) -> float:
    """CPU seconds of these processes and of all their descendants, with those of children that have ended."""
    known = {pid: (parent, seconds) for pid, parent, seconds in _all_processes()}
    found = set(roots)
    while more := {pid for pid, (parent, _) in known.items() if parent in found} - found:
        found |= more
    return sum(known[pid][1] for pid in found if pid in known)


def machine_cpu() -> float:
    """CPU seconds that all processes of this machine have used, and the kernel for them."""
    user, nice, system, _idle, _waiting, *interrupts = map(int, (PROC / "stat").read_text().split("\n")[0].split()[1:8])
    return (user + nice + system + sum(interrupts)) / TICKS


def database_cpu(database: str) -> float:
    """CPU seconds of the PostgreSQL backends that serve this database now; 0.0 when they are on another machine."""
    found = 0.0
    for folder in PROC.glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
            if title.startswith(b"postgres:") and f" {database} ".encode() in title:
                found += _read_stat(folder)[1]
        except OSError:  # it ended meanwhile
            continue
    return found


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """End these processes, each of which leads a process group: politely, then whatever is left of the group."""
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _all_processes() -> Iterator[tuple[int, int, float]]:
    for folder in PROC.glob("[0-9]*"):
        try:
            yield int(folder.name), *_read_stat(folder)
        except OSError:  # it ended meanwhile
            continue


def _read_stat(folder: Path) -> tuple[int, float]:
    """The parent, and the CPU seconds of a process and of its children that ended."""
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return int(fields[1]), sum(map(int, fields[11:15])) / TICKS
