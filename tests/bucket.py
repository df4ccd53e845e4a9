"""A storage that several machines share, as small as it can be: a server of files, and Django's way to it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage

URL_VARIABLE = "ORCA_TEST_BUCKET_URL"


class BucketStorage(Storage):
    """Like a bucket: no paths, no folders, whole files over the network."""

    def _ask(self, method: str, name: str, content: bytes | None = None) -> bytes:
        url = f"{os.environ[URL_VARIABLE]}/{quote(name)}"
        with urlopen(Request(url, data=content, method=method)) as answer:
            body: bytes = answer.read()
        return body

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        try:
            return ContentFile(self._ask("GET", name), name=name)
        except HTTPError as error:
            raise FileNotFoundError(name) from error

    def _save(self, name: str, content: File[bytes]) -> str:
        self._ask("PUT", name, b"".join(content.chunks()))
        return name

    def delete(self, name: str) -> None:
        if self.exists(name):
            self._ask("DELETE", name)

    def exists(self, name: str) -> bool:
        try:
            self._ask("GET", name)
        except HTTPError:
            return False
        return True

    def size(self, name: str) -> int:
        return len(self._ask("GET", name))


@contextmanager
def bucket() -> Iterator[dict[str, bytes]]:
    """Serves what is in the dictionary; BucketStorage finds it, in processes that are started meanwhile, too."""
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, content: bytes | None) -> None:
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def do_GET(self) -> None:
            self._answer(files.get(self.path))

        def do_PUT(self) -> None:
            files[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(b"")

        def do_DELETE(self) -> None:
            self._answer(files.pop(self.path, None))

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    os.environ[URL_VARIABLE] = f"http://127.0.0.1:{server.server_port}"
    try:
        yield files
    finally:
        del os.environ[URL_VARIABLE]
        server.shutdown()
        thread.join()
        server.server_close()
