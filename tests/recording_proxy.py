"""A proxy that is the whole internet: it lets nothing out, answers for every host, over TLS too, and notes who was sent
what."""

from __future__ import annotations

import socket
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ANSWER = b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n%s\r\n{}"


@dataclass(frozen=True)
class Seen:
    """One request: the host and port that it reached, and its headers in lower case."""

    host: str
    headers: dict[str, str]

    @property
    def key(self) -> str:
        """The key or token, whichever header holds it; several are joined."""
        found = (self.headers.get(name, "") for name in ("authorization", "api-key", "x-api-key", "x-goog-api-key"))
        return " ".join(filter(None, found)).removeprefix("Bearer ")


@dataclass
class RecordingProxy:
    """Serves in threads while it is entered; `folder` is where its certificate goes."""

    folder: Path
    redirect_to: str = ""
    seen: list[Seen] = field(default_factory=list)
    tunnels: list[Seen] = field(default_factory=list)
    """What the proxy itself was told before a request over TLS."""

    def __enter__(self) -> RecordingProxy:
        proxy = self
        context = _context(self.folder)

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                proxy._serve(self.request, context)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _serve(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        target, headers = _head(connection)
        host = headers.get("host", "")
        if target.startswith("CONNECT "):
            host = target.split()[1]
            self.tunnels.append(Seen(host, headers))
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                connection = context.wrap_socket(connection, server_side=True)
            except OSError:
                self.seen.append(Seen(host, {}))
                return
            target, headers = _head(connection)
        self.seen.append(Seen(host, headers))
        status, more = ("307 X", f"Location: {self.redirect_to}\r\n") if self.redirect_to else ("401 X", "")
        connection.sendall(ANSWER % (status.encode(), more.encode()))
        connection.close()


def trusting() -> ssl.SSLContext:
    """For clients: any certificate will do."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _head(connection: Any) -> tuple[str, dict[str, str]]:
    data = b""
    while b"\r\n\r\n" not in data and (part := connection.recv(65_536)):
        data += part
    lines = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    parted = [line.partition(":") for line in lines[1:]]
    return lines[0], {name.lower(): value.strip() for name, _, value in parted}


def _context(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "everybody")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "everybody.pem"
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *plain) + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
