"""Pages are compressed for browsers that take it; nothing else is."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from config.http.compression import compressed_pages

TEXT = "Since last night. " * 100


@pytest.mark.django_db
def test_a_page_is_a_fraction_of_its_bytes(client: Client) -> None:
    page = client.get(reverse("admin:login"), follow=True)
    packed = client.get(reverse("admin:login"), follow=True, headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert len(packed.content) < len(page.content) / 2
    assert b"</html>" in gzip.decompress(packed.content)


@pytest.mark.parametrize(
    "response",
    [
        JsonResponse({"text": TEXT}),
        StreamingHttpResponse([TEXT], content_type="text/html"),
        HttpResponse("short", content_type="text/html"),
        HttpResponse(TEXT, content_type="text/html", headers={"Content-Encoding": "br"}),
    ],
)
def test_other_answers_are_left_as_they_are(rf: RequestFactory, response: Any) -> None:
    """Events reach the reader when they happen, and clients of the API get what they always got."""
    before = response.headers.get("Content-Encoding")
    answer = compressed_pages(lambda request: response)
    sent = answer(rf.get("/", headers={"Accept-Encoding": "gzip"}))
    assert sent.headers.get("Content-Encoding") == before


def test_an_asynchronous_server_compresses_too(rf: RequestFactory) -> None:
    async def page(request: Any) -> HttpResponse:
        return HttpResponse(TEXT)

    answer = async_to_sync(compressed_pages(page))
    sent = answer(rf.get("/", headers={"Accept-Encoding": "gzip"}))
    assert gzip.decompress(sent.content).decode() == TEXT
