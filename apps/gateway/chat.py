"""`POST /v1/chat/completions` and `/v1/embeddings`: the order of work."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import orjson

from apps.gateway.caching import Hit, question_of, read_directives
from apps.gateway.callers import Caller
from apps.gateway.compression import Level, compress_request
from apps.gateway.errors import bad_request
from apps.gateway.events import as_chunks
from apps.gateway.exchange import Exchange, recorded
from apps.gateway.http import Headers
from apps.gateway.masking import MaskingFailed, mask_request
from apps.gateway.models import CacheKind, CacheMode, Endpoint, Status
from apps.gateway.relaying import STREAM_TYPE, StreamRelay, relay_whole

COMPRESSION = b"x-gateway-compression"
LONG_BODY = 20_000
"""Bytes."""


async def serve(exchange: Exchange) -> None:
    """Key, limits, compression, masking, cache, provider, record. A hit asks the limits and is recorded at once."""
    async with recorded(exchange):
        caller = await exchange.identify()
        if exchange.row.endpoint == Endpoint.CHAT:
            hit = await _look_up(exchange, caller)
            if hit is not None:
                await _serve_hit(exchange, hit)
                return
            await _compress(exchange, caller)
        if caller.mask_personal_data:
            await _mask(exchange)
        if exchange.row.streamed:
            await StreamRelay(exchange).run()
        else:
            await relay_whole(exchange)


async def _look_up(exchange: Exchange, caller: Caller) -> Hit | None:
    if caller.cache == CacheMode.OFF:
        return None
    exchange.question = question_of(caller.user_id, exchange.asked)
    exchange.directives = read_directives(exchange.incoming.header(b"cache-control"))
    exchange.cache_state = b"MISS" if exchange.directives.read else b"BYPASS"
    return await exchange.runtime.cache.look_up(exchange.question, caller.cache, exchange.directives)


async def _serve_hit(exchange: Exchange, hit: Hit) -> None:
    """The row first, with the limits; then the answer, as a stream when that was asked for."""
    row, incoming = exchange.row, exchange.incoming
    answer = orjson.loads(hit.answer)
    exchange.note_usage(answer.get("usage"), None)
    row.cache_hit, row.cache_kind, row.answered_by = True, hit.kind, row.model
    row.status, row.http_status, row.cost = Status.COMPLETED, 200, Decimal(0)
    row.latency_ms = round(incoming.milliseconds)
    await exchange.open(response=hit.answer)
    exchange.cache_state = b"HIT" if hit.kind == CacheKind.EXACT else b"SEMANTIC"
    headers: Headers = [*exchange.headers(), (b"age", b"%d" % hit.age)]
    if hit.kind == CacheKind.SEMANTIC:
        headers.append((b"x-cache-similarity", b"%.4f" % hit.similarity))
    if not row.streamed:
        await incoming.answer(200, hit.answer, headers)
        return
    await incoming.begin(200, [*STREAM_TYPE, *headers])
    await incoming.write(b"".join(as_chunks(answer, with_usage=exchange.usage_wanted)), more=False)


async def _compress(exchange: Exchange, caller: Caller) -> None:
    """The level of the request's header, else the key's. In a thread: counting tokens may read a file first."""
    given = exchange.incoming.header(COMPRESSION).lower() or caller.compression or Level.OFF
    if given not in set(Level):
        raise bad_request(f"{COMPRESSION.decode()} must be one of {', '.join(Level)}.", code="invalid_header")
    if given == Level.OFF:
        return
    messages = exchange.sent["messages"]
    done = await exchange.runtime.reading.run(compress_request, messages, Level(given), exchange.row.model)
    if done.messages is not messages:
        exchange.alter({**exchange.sent, "messages": done.messages})
        exchange.row.compression, exchange.row.tokens_saved = given, done.tokens_saved


async def _mask(exchange: Exchange) -> None:
    """What cannot be freed of personal data is not sent. A long body is searched in a thread, for others wait here."""
    try:
        if len(exchange.raw or b"") > LONG_BODY:
            masked = await asyncio.to_thread(mask_request, exchange.sent)
        else:
            masked = mask_request(exchange.sent)
    except MaskingFailed as error:
        raise bad_request(str(error), code="masking_failed") from None
    if masked.restorer:
        exchange.alter(masked.body)
        exchange.restorer = masked.restorer
        exchange.row.masked = True
