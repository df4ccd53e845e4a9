"""The real web server on the test database, as a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from tests.clusters import environment, until

HOST = "127.0.0.1"
STOP_SECONDS = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class WebServer:
    """Granian over ASGI, as `make run` starts it; it can be stopped and started again at its address."""

    target = ("--interface", "asginl", "config.asgi:application")
    health = "/healthz"

    def __init__(self, variables: dict[str, str], log: Path) -> None:
        self._variables = variables
        self._log = log
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    def start(self) -> None:
        options = ["--host", HOST, "--port", str(self._port), "--workers", "1"]
        options += ["--workers-kill-timeout", "1"]  # open event streams would hold it up
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "granian", *options, "--log-level", "warning", *self.target],
                env=self._variables,
                stdout=output,
                stderr=output,
            )
        until(self._answers, "the web server answers", 60.0)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the web server ended: {self._log.read_text()[-2000:]}"
        try:
            with build_opener(ProxyHandler({})).open(f"{self.url}{self.health}", timeout=2):
                return True
        except (HTTPError, URLError, OSError):
            return False

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        self._process.wait(STOP_SECONDS)
        self._process = None


@contextmanager
def web_server(folder: Path) -> Iterator[WebServer]:
    """A server that answers, stopped at the end."""
    with serving(WebServer(environment(folder / "run"), folder / "web.log")) as server:
        yield server


@contextmanager
def serving(server: WebServer) -> Iterator[WebServer]:
    """The same of any server."""
    server.start()
    try:
        yield server
    finally:
        server.stop()
