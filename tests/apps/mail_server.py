"""A mail server that only says what it would do: it takes senders, or refuses them, and keeps nothing."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.mail import use_mail


class _Talk(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        for line in self.rfile:
            verb = line.split()[0].upper().decode() if line.split() else ""
            self.server.heard.append(verb)
            answer = b"550 Sender refused" if verb == "MAIL" and self.server.refuses else b"250 OK"
            self.wfile.write(answer + b"\r\n")
            if verb == "QUIT":
                return


class MailServer(socketserver.ThreadingTCPServer):
    """`heard`: the verbs that clients sent. `refuses`: whether every sender is refused."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, *, refuses: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.refuses = refuses
        self.heard: list[str] = []


@contextmanager
def mail_server(settings: Any, *, refuses: bool = False) -> Iterator[MailServer]:
    """A server that Django's settings name, stopped at the end."""
    server = MailServer(refuses=refuses)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    by_smtp(settings, server.server_address[1])
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def by_smtp(settings: Any, port: int) -> None:
    """Have mail sent to a port of this machine; port 1 answers nobody."""
    use_mail(settings, "django.core.mail.backends.smtp.EmailBackend", host="127.0.0.1", port=port, timeout=5)
