"""What every answer passes through."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.http import FileResponse, StreamingHttpResponse
from django.test import AsyncRequestFactory

from config.http.middleware import PIECE, request_identity


def answered(response: StreamingHttpResponse) -> StreamingHttpResponse:
    """The response as it leaves under ASGI."""

    async def view(_: object) -> StreamingHttpResponse:
        return response

    return asyncio.run(request_identity(view)(AsyncRequestFactory().get("/")))


async def first(response: StreamingHttpResponse) -> bytes:
    return await anext(aiter(response))


async def sizes(response: StreamingHttpResponse) -> list[int]:
    return [len(part) async for part in response]


def test_under_asgi_a_stream_is_read_only_as_far_as_it_is_wanted() -> None:
    taken: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield b"x"

    assert asyncio.run(first(answered(StreamingHttpResponse(endless())))) == b"x"
    assert len(taken) == 1


@pytest.mark.django_db  # the end of a request closes connections
def test_under_asgi_a_file_is_sent_whole_in_large_pieces(tmp_path: Path) -> None:
    """The file is closed afterwards."""
    (tmp_path / "file").write_bytes(b"y" * (2 * PIECE + 1))
    file = (tmp_path / "file").open("rb")
    response = answered(FileResponse(file))
    assert asyncio.run(sizes(response)) == [PIECE, PIECE, 1]
    response.close()
    assert file.closed
