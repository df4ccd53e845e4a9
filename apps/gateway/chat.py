"""`POST /v1/chat/completions` and `/v1/embeddings`: the order of work."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import orjson

from apps.gateway.caching import Hit, Lookup, question_of, read_directives
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
    """Key, limits, compression, masking, cache, provider, record.

    The provider is asked for nothing, not even for the embedding that the cache needs, before the limits were asked and
    the row is committed.
    """
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
            exchange.ask_for_usage()
        hit = await _look_up_with_provider(exchange)
        if hit is not None:
            await _serve_hit(exchange, hit)
        elif exchange.row.streamed:
            await StreamRelay(exchange).run()
        else:
            await relay_whole(exchange)


async def _look_up(exchange: Exchange, caller: Caller) -> Hit | None:
    """In the cache, as far as that needs no provider."""
    if caller.cache == CacheMode.OFF:
        return None
    directives = read_directives(exchange.incoming.header(b"cache-control"))
    question = question_of(caller.user_id, exchange.asked)
    exchange.lookup = lookup = Lookup(exchange.runtime.cache, question, caller.cache, directives)
    exchange.cache_state = b"MISS" if directives.read else b"BYPASS"
    hit = await lookup.exact()
    return await lookup.similar() if hit is None and not lookup.asks_provider else hit


async def _look_up_with_provider(exchange: Exchange) -> Hit | None:
    """By an embedding of the provider's; not when the provider must not see the question."""
    lookup = exchange.lookup
    if lookup is None or not lookup.asks_provider:
        return None
    if exchange.row.masked:
        lookup.compare_exactly()
        return None
    await exchange.open()
    return await lookup.similar()


async def _serve_hit(exchange: Exchange, hit: Hit) -> None:
    """The row first, with the limits; then the answer, as a stream when that was asked for."""
    row, incoming = exchange.row, exchange.incoming
    answer = orjson.loads(hit.answer)
    exchange.note_usage(answer.get("usage"), None)
    row.cache_hit, row.cache_kind, row.answered_by = True, hit.kind, row.model
    await _record_hit(exchange, hit)
    exchange.cache_state = b"HIT" if hit.kind == CacheKind.EXACT else b"SEMANTIC"
    headers: Headers = [*exchange.headers(), (b"age", b"%d" % hit.age)]
    if hit.kind == CacheKind.SEMANTIC:
        headers.append((b"x-cache-similarity", b"%.4f" % hit.similarity))
    if not row.streamed:
        await incoming.answer(200, hit.answer, headers)
        return
    await incoming.begin(200, [*STREAM_TYPE, *headers])
    await incoming.write(b"".join(as_chunks(answer, with_usage=exchange.usage_wanted)), more=False)


async def _record_hit(exchange: Exchange, hit: Hit) -> None:
    """At once, unless the row is there already."""
    if exchange.opened:
        await exchange.close(Status.COMPLETED, 200, hit.answer)
        return
    row = exchange.row
    row.status, row.http_status, row.cost = Status.COMPLETED, 200, Decimal(0)
    row.latency_ms = round(exchange.incoming.milliseconds)
    await exchange.open(response=hit.answer)


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
