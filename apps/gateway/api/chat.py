"""The paths that ask a model, `POST /v1/chat/completions` and the others: the order of the steps."""

from __future__ import annotations

import asyncio

from apps.gateway.auth import Caller
from apps.gateway.cache import Hit, Lookup, Search, is_comparable, question_of, read_directives
from apps.gateway.compression import Level, compress_request
from apps.gateway.errors import bad_request
from apps.gateway.http.request import Headers
from apps.gateway.masking import Finder, MaskingFailed, find_recognizer, mask_request
from apps.gateway.models import CacheMode, Endpoint, Status
from apps.gateway.models.interactions import CacheKind
from apps.gateway.proxy.forwarding import STREAM_TYPE, StreamForwarder, forward_whole
from apps.gateway.proxy.messages import MessageForwarder
from apps.gateway.proxy.request_checks import kept_elsewhere
from apps.gateway.proxy.request_lifecycle import ModelRequest
from apps.gateway.proxy.responses import ResponseForwarder

COMPRESSION = b"x-gateway-compression"
UNMASKED = "masking_failed"
FORWARDERS: dict[str, type[StreamForwarder]] = {
    Endpoint.CHAT: StreamForwarder,
    Endpoint.COMPLETIONS: StreamForwarder,
    Endpoint.RESPONSES: ResponseForwarder,
    Endpoint.MESSAGES: MessageForwarder,
}
"""What forwards the streams of an endpoint."""


async def serve(request: ModelRequest) -> None:
    """Key, compression, masking, limits and cache, provider, record.

    The provider gets no request, not even for the embedding that the cache needs, before the limits are checked and
    the row is committed. Limits, row and cache are one transaction.
    """
    caller = await request.identify()
    search = await _prepare_lookup(request, caller)
    if request.row.endpoint == Endpoint.CHAT:
        await _compress(request, caller)
    if caller.mask_personal_data:
        await _mask(request, caller)
    if request.row.streamed:
        request.ask_for_usage()
    hit = await request.open(search) or await _look_up_with_provider(request)
    if hit is not None:
        await _serve_hit(request, hit)
    elif request.row.streamed:
        await FORWARDERS[request.row.endpoint](request).run()
    else:
        await forward_whole(request)


async def _prepare_lookup(request: ModelRequest, caller: Caller) -> Search | None:
    """What to look for in the cache without asking a provider: the same question, or the same wording."""
    if caller.cache == CacheMode.OFF or not is_comparable(request.asked, request.row.endpoint):
        return None
    directives = read_directives(request.incoming.header(b"cache-control"))
    if not (directives.read or directives.store):
        return None
    question = await request.compute(
        question_of, caller.user_id, request.compared, request.row.endpoint, caller.cache == CacheMode.SEMANTIC
    )
    request.lookup = lookup = Lookup(request.runtime.cache, question, caller.cache, directives)
    request.cache_state = b"MISS" if directives.read else b"BYPASS"
    return await lookup.search()


async def _look_up_with_provider(request: ModelRequest) -> Hit | None:
    """Look in the cache by an embedding of the provider."""
    lookup = request.lookup
    return await lookup.similar() if lookup is not None and lookup.asks_provider else None


async def _serve_hit(request: ModelRequest, hit: Hit) -> None:
    """Complete the record; then send the answer, as a stream when the client asked for one."""
    row, incoming = request.row, request.incoming
    if not request.closed:
        request.note_hit(hit)
        await request.close(Status.COMPLETED, 200, hit.answer)
    request.runtime.saver.used(hit)
    request.cache_state = b"HIT" if hit.kind == CacheKind.EXACT else b"SEMANTIC"
    headers: Headers = [*request.headers(), (b"age", b"%d" % hit.age)]
    if hit.kind == CacheKind.SEMANTIC:
        headers.append((b"x-cache-similarity", b"%.4f" % hit.similarity))
    if not row.streamed:
        await incoming.answer(200, hit.answer, headers)
        return
    await incoming.begin(200, [*STREAM_TYPE, *headers])
    events = FORWARDERS[row.endpoint].events_of(request.hit_answer, with_usage=request.usage_wanted)
    await incoming.write(events, more=False)


async def _compress(request: ModelRequest, caller: Caller) -> None:
    """The level of the request's header, else the key's. In a thread: counting tokens may read a file first."""
    given = request.incoming.header(COMPRESSION).lower() or caller.compression or Level.OFF
    if given not in set(Level):
        raise bad_request(f"{COMPRESSION.decode()} must be one of {', '.join(Level)}.", code="invalid_header")
    if given == Level.OFF:
        return
    messages = request.sent["messages"]
    done = await request.runtime.reading.run(compress_request, messages, Level(given), request.first.route.model)
    if done.messages is not messages:
        request.alter({**request.sent, "messages": done.messages})
        request.row.compression, request.row.tokens_saved = given, done.tokens_saved


async def _mask(request: ModelRequest, caller: Caller) -> None:
    """A body that cannot be masked is not sent, and none that continues what was masked in another request. A search
    that may take long is done in a thread, so that other requests are served meanwhile."""
    kept = kept_elsewhere(request.asked)
    if kept:
        raise bad_request(f"{kept!r} cannot be used with a key that masks: send all of it.", param=kept, code=UNMASKED)
    recognizer = find_recognizer(request.settings.RECOGNIZER)
    finder = Finder(caller.masked_terms, recognizer)
    try:
        if recognizer is not None:
            masked = await asyncio.to_thread(mask_request, request.sent, finder)
        else:
            masked = await request.compute(mask_request, request.sent, finder)
    except MaskingFailed as error:
        raise bad_request(str(error), code=UNMASKED) from None
    if masked.restorer:
        request.alter(masked.body)
        request.restorer = masked.restorer
        request.row.masked = True
        if request.lookup is not None:
            request.lookup.keep_private()
