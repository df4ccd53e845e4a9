"""Clients that ask through a proxy while servers behind it are replaced: no request is tried a second time."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from tests.deploy.proxy import Proxy
from tests.waiting import until

CLIENTS, MORE = 4, 30
AnyServer = TypeVar("AnyServer", bound="Server")


class Server(Protocol):
    """A web process behind the proxy."""

    @property
    def port(self) -> int: ...

    def stop(self) -> int: ...


def ask(
    port: int, method: str, path: str, headers: Mapping[str, str] | None = None, body: object = None
) -> tuple[int, bytes]:
    """Status and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        sent = {"Connection": "close", "Content-Type": "application/json", **(headers or {})}
        connection.request(method, path, json.dumps(body) if body is not None else None, sent)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@dataclass(slots=True)
class Load:
    """Clients that create something at a path, again and again, and look at it."""

    port: int
    path: str
    body: object
    headers: dict[str, str]
    outcomes: Counter[str] = field(default_factory=Counter)
    """Answers by status, and errors by type."""
    accepted: list[str] = field(default_factory=list)
    """The ids of what was created."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def _ask_on(self) -> None:
        while not self._stop.is_set():
            made = self._one("POST", self.path, self.body)
            if made is not None:
                self.accepted.append(str(made["id"]))
                self._one("GET", f"{self.path}/{made['id']}")
            self._stop.wait(0.3)

    def _one(self, method: str, path: str, body: object = None) -> dict[str, object] | None:
        try:
            status, text = ask(self.port, method, path, self.headers, body)
            answer = json.loads(text or b"{}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.outcomes[type(error).__name__] += 1
            return None
        self.outcomes[str(status)] += 1
        return answer if status < 300 else None

    def goes_on(self) -> None:
        """Until some more were accepted."""
        before = len(self.accepted)
        until(lambda: len(self.accepted) > before + MORE, f"answers to the clients: {self.outcomes}", 180)

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._ask_on, daemon=True) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(90)

    def assert_none_failed(self) -> None:
        assert all(outcome.startswith("2") for outcome in self.outcomes), self.outcomes


def replaced(proxy: Proxy, old: AnyServer, start: Callable[[], AnyServer]) -> AnyServer:
    """As docs/production.md says: a new one first; then the old one out of the list, until it is done, and stopped."""
    new = start()
    proxy.put_in(new.port)
    proxy.take_out(old.port)
    until(lambda: not proxy.passing.get(old.port), "the old one has answered everything", 90)
    assert old.stop() == 0
    return new
