"""Where the processes that deploy/ declares run outside a container: an empty database, folders and ports of their own.

Needs no Django: `make newcomer` uses it as well.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import LiteralString
from urllib.parse import urlsplit, urlunsplit

import psycopg
from cryptography.fernet import Fernet
from psycopg import sql

from tests.deploy.declared import DEPLOY, HOME, ROOT, Process
from tests.waiting import until

KEY, SECRET = Fernet.generate_key().decode(), secrets.token_urlsafe(50)
STOP_SECONDS, HEALTHY_SECONDS = 120.0, 180.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def new_database(server: str, name: str) -> Iterator[str]:
    """The URL of an empty database on the server of a URL, dropped at the end."""
    _execute(server, "CREATE DATABASE {}", name)
    try:
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    finally:
        drop_database(server, name)


def drop_database(server: str, name: str) -> None:
    """With whoever is connected to it; nothing happens when there is none."""
    _execute(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def _execute(server: str, statement: LiteralString, name: str) -> None:
    with psycopg.connect(server.replace("postgres://", "postgresql://", 1), autocommit=True) as console:
        console.execute(sql.SQL(statement).format(sql.Identifier(name)))


@dataclass(slots=True)
class Machine:
    """Adapts declared processes to this machine, and starts them."""

    folder: Path
    """For the volume, the run folder, the static files and the logs."""
    database: str
    redis: str
    root: Path = ROOT
    """In place of the image's folder."""
    python: Path = field(default=Path(sys.executable))
    more: dict[str, str] = field(default_factory=dict)
    """Variables of all processes."""

    def __post_init__(self) -> None:
        for name in ("orchestrai", "static-files"):
            (self.folder / name).mkdir(exist_ok=True)

    def adapted(self, process: Process) -> Process:
        """The process with the paths, ports, servers and secrets of this machine."""
        folder = str(self.python.parent)
        words = [word.replace(f"{HOME}/.venv/bin", folder).replace(HOME, str(self.root)) for word in process.command]
        if "/" not in words[0]:
            words[0] = f"{folder}/{words[0]}"
        health = list(process.health)
        if "--port" in words:
            port = str(free_port())
            words[words.index("--port") + 1], words[words.index("--host") + 1] = port, "127.0.0.1"
            health = ["web", port]
        variables = {name: self._local(value) for name, value in process.environment.items()} | {
            "PATH": f"{folder}:/usr/bin:/bin",
            "DATABASE_URL": self.database,
            "REDIS_URL": self.redis,
            "DJANGO_SECRET_KEY": SECRET,
            "GATEWAY_ENCRYPTION_KEYS": KEY,
            "ORCA_PROVIDER": "simulator",
            "ORCA_PROVIDER_API_KEY": "",
            **self.more,
        }
        if "qcluster" in words:
            variables.setdefault("ORCA_NODE_NAME", process.name)
        if marked := os.environ.get("ORCA_TEST_RUN"):
            variables["ORCA_TEST_RUN"] = marked
        return replace(process, command=words, environment=variables, health=health)

    def _local(self, value: str) -> str:
        for declared in ("/var/lib/orchestrai", "/run/orchestrai", f"{HOME}/static-files"):
            value = value.replace(declared, str(self.folder / Path(declared).name))
        return value

    def run(self, process: Process, *command: str) -> str:
        """What a command prints in the environment of a process; AssertionError with all of it when it fails."""
        asked = list(command) or process.command
        done = subprocess.run(
            asked, cwd=self.root, env=process.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{' '.join(asked)[:200]}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, process: Process) -> Running:
        with (self.folder / f"{process.name}.log").open("ab") as log:
            started = subprocess.Popen(
                process.command,
                cwd=self.root,
                env=process.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a kill takes the whole process, as the end of a container does
            )
        return Running(process, started)


@dataclass(slots=True)
class Running:
    """A process that was started."""

    declared: Process
    process: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        """Of a web process."""
        return int(self.declared.health[1])

    def is_healthy(self) -> bool:
        """By its own health check."""
        command = [sys.executable, str(DEPLOY / "healthcheck.py"), *self.declared.health]
        return subprocess.run(command, env=self.declared.environment, check=False).returncode == 0

    def wait_until_healthy(self, seconds: float = HEALTHY_SECONDS) -> None:
        """AssertionError when it ended, or is not in time."""
        name = self.declared.name
        until(lambda: self._runs() and self.is_healthy(), f"{name} is healthy", seconds)

    def _runs(self) -> bool:
        assert self.process.poll() is None, f"{self.declared.name} ended with {self.process.returncode}; see its log"
        return True

    def stop(self) -> int:
        """Ask it to stop, as systemd and Docker do; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """With all its children, if it still runs."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
