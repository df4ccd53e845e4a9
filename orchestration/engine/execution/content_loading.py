"""The bytes of images, audio and files, read when a request is about to be sent: outside of every transaction, and
where they hold up no other call."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from functools import partial

from orchestration.conf import engine_settings
from orchestration.content.storing import read
from orchestration.engine.execution.context import CallContext
from orchestration.errors import ProviderError
from orchestration.providers.base import Provider, ProviderRequest
from orchestration.types import JsonObject, Message
from orchestration.values.content_parts import has_media, media_of, references_in


async def with_bytes(call: CallContext, provider: Provider, request: ProviderRequest) -> ProviderRequest:
    """The request with what its messages refer to, as base64. Without parts it is the request as it is.

    ProviderError, before anything is read, for content that the provider does not take, or that is too much together;
    ContentUnavailable when it cannot be read.
    """
    if not has_media(request.messages):
        return request
    provider.check(request)
    sizes = [part.get("size", 0) for message in request.messages for part in media_of(message["content"])]
    longest = engine_settings().MAX_REQUEST_CONTENT_BYTES
    if sum(sizes) > longest:
        raise ProviderError(
            f"The request has {sum(sizes):,} bytes of content; the limit (MAX_REQUEST_CONTENT_BYTES) is {longest:,}.",
            code="content_too_large",
            sent=False,
        )
    messages = await call.runtime.run_blocking(partial(_loaded, request.messages))
    return replace(request, messages=messages)


def _loaded(messages: list[Message]) -> list[Message]:
    """Each content is read once, however often they refer to it."""
    read_once = read({each.digest for each in references_in([message["content"] for message in messages])})
    written = {f"sha256:{digest}": b64encode(data).decode("ascii") for digest, data in read_once.items()}
    return [_with_data(message, written) for message in messages]


def _with_data(message: Message, written: dict[str, str]) -> Message:
    content = message["content"]
    if not isinstance(content, list):
        return message
    parts: list[JsonObject] = [
        part | {"data": written[part["content"]]} if "content" in part else part for part in content
    ]
    return {**message, "content": parts}
