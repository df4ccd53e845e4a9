"""The site: built without network, and searched over HTTP as well as from files."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    variables = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [str(Path(sys.executable).with_name("mkdocs")), "build", "--quiet", "--clean", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def over_http(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/index.html"
        server.shutdown()


def search(page: Page, address: str) -> None:
    """Look for a word that only a page of the reference has, and go there."""
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if not request.url.startswith(here) else None)
    here = address.partition("index.html")[0]
    page.goto(address)
    page.get_by_role("textbox", name="Search").fill("RETRY_MULTIPLIER")
    found = page.locator(".md-search-result__link").first
    expect(found).to_be_visible(timeout=60_000)
    found.click()
    expect(page.locator("article")).to_contain_text("By which the longest wait grows with each failure.")
    assert [url for url in elsewhere if url.startswith("http")] == []


def test_the_search_works_over_http(page: Page, over_http: str) -> None:
    search(page, over_http)


def test_the_search_works_in_files(page: Page, site: Path) -> None:
    search(page, (site / "index.html").as_uri())
