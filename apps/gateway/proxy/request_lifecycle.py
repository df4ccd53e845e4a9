"""The lifecycle of a request for a model, from its key to its record. Whatever happens, its row says how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from apps.gateway.auth import Caller
from apps.gateway.cache import Hit, Lookup, NewAnswer, Search
from apps.gateway.conf import gateway_settings
from apps.gateway.errors import (
    GatewayError,
    client_left,
    from_connection,
    from_reply,
    from_report,
    internal_error,
    malformed_answer,
    stopping,
)
from apps.gateway.http.request import Headers, Incoming, read_object
from apps.gateway.http.runtime import Runtime
from apps.gateway.masking import Restorer
from apps.gateway.metering.quotas import Levels
from apps.gateway.metering.recorded_usage import record_usage
from apps.gateway.metering.reported_usage import find_usage, has_services, read_usage, tier_of
from apps.gateway.metering.token_estimate import CHEAPER_TIERS, PLAIN_TIERS, priced_apart, size_of
from apps.gateway.models import Endpoint, Estimated, Interaction, Status
from apps.gateway.proxy.answer_json import error_in, read_document, usage_within
from apps.gateway.proxy.request_checks import LONGEST_MODEL, check_body, others_named, read_model, unknown_model
from apps.gateway.recording.operations import Close, Content, Leave, Open
from orchestration.errors import PaidRequestsForbidden, ProviderError
from orchestration.providers.passthrough import Reply
from orchestration.types import Usage
from orchestration.values.json_bodies import write_json

PATHS = {
    Endpoint.CHAT: "/chat/completions",
    Endpoint.COMPLETIONS: "/completions",
    Endpoint.RESPONSES: "/responses",
    Endpoint.MESSAGES: "/messages",
    Endpoint.EMBEDDINGS: "/embeddings",
}
T = TypeVar("T")


class ModelRequest:
    """What is known about a request so far. `row` is its record."""

    def __init__(self, runtime: Runtime, incoming: Incoming, endpoint: Endpoint) -> None:
        self.runtime = runtime
        self.incoming = incoming
        incoming.on_error = self.fail
        self.settings = gateway_settings()
        self.row = Interaction.begun(incoming.request_id, endpoint, runtime.worker)
        self.caller: Caller | None = None
        self.raw: bytes | None = None
        self.asked: dict[str, Any] = {}
        """The body as the client sent it."""
        self.sent: dict[str, Any] = {}
        """The body as the provider gets it."""
        self.levels: Levels | None = None
        self.is_altered = False
        """What is sent differs from the client's body: it is compressed or masked."""
        self.restorer: Restorer | None = None
        self.lookup: Lookup | None = None
        """None when the cache is not used."""
        self.hit_answer: dict[str, Any] = {}
        """What came from the cache."""
        self.cache_state = b"BYPASS"
        self.cacheable = True
        """False when the answer was assembled from pieces that may mean something else together."""
        self.opened = False
        self.closed = False
        self.cost_unknown = False
        """The provider may bill more than came, so that an answer whose usage is not known costs what was reserved."""
        self.tier = ""
        """The service tier of the answer, where the model's price is not about it."""
        self.has_services = False
        """More than tokens was used, so that the cost is more than the model's price says."""
        self.lost = 0
        """Models whose answers were given up after they were asked."""
        self.reported: list[tuple[str, Usage]] = []
        """What models used whose answers were errors, before another one was asked."""
        self.provider_ms = 0.0
        self.deadline: asyncio.Timeout | None = None

    async def identify(self) -> Caller:
        """Find the key, then read the body, then check whether the key may use this model."""
        self.caller = caller = await self.runtime.callers.caller(self.incoming.secret)
        self.row.api_key_id, self.row.user_id = caller.key_id, caller.user_id
        self.provider = self.runtime.providers.of(self.row.endpoint)
        self.row.provider = self.provider.name
        self.raw = await self.incoming.body(self.settings.MAX_BODY_BYTES, self.settings.BODY_SECONDS)
        self.incoming.watch()
        self.asked = await self.compute(read_object, self.raw)
        self.row.model = read_model(self.asked)
        self.row.streamed = self.asked.get("stream") is True and self.row.endpoint != Endpoint.EMBEDDINGS
        check_body(self.asked, self.row.endpoint)
        for model in (self.row.model, *others_named(self.asked)):
            if not caller.may_use(model):
                raise unknown_model(model[:LONGEST_MODEL])
        self.sent = self.asked
        return caller

    async def compute(self, function: Callable[..., T], *args: object) -> T:
        """`function(*args)`, which takes as long as the body is."""
        return await self.runtime.compute(len(self.raw or b""), function, *args)

    @property
    def usage_wanted(self) -> bool:
        """Whether the client of a stream asked for its usage."""
        return (self.asked.get("stream_options") or {}).get("include_usage") is True

    def ask_for_usage(self) -> None:
        """Make a stream report its usage, whether its client asked for it or not; a stream of events always does."""
        if self.row.endpoint in {Endpoint.RESPONSES, Endpoint.MESSAGES}:
            return
        options = self.asked.get("stream_options") or {}
        self.sent = self.sent | {"stream_options": options | {"include_usage": True}}

    def alter(self, body: dict[str, Any]) -> None:
        """Send this body instead of the client's."""
        self.sent, self.is_altered = body, True

    async def open(self, search: Search | None = None) -> Hit | None:
        """Check the key's limits and commit the row; GatewayError 429 when one is reached.

        With an answer from the cache the row ends here.
        """
        op = await self.compute(self._opening, search)
        grant = await self.runtime.writer.open(op)
        self.levels = grant.levels
        self.opened = True
        self.closed = self.row.status != Status.IN_FLIGHT
        await self.runtime.writer.keep(op)
        if grant.refusal is not None:
            raise grant.refusal
        return op.hit

    def _opening(self, search: Search | None) -> Open:
        sent = write_json(self.sent) if self.is_altered else None
        return Open(
            self.row,
            None if self.raw is None else Content(self.raw, sent),
            search=search,
            on_hit=self._end_with,
            size=size_of(self.sent, self.row.endpoint, default_output=self.settings.RESERVED_OUTPUT_TOKENS),
            models=self.models,
            priced_apart=priced_apart(self.sent),
            embedding=len(self.lookup.question.text.encode()) if self.lookup and self.lookup.asks_provider else 0,
        )

    def note_hit(self, hit: Hit) -> None:
        """The answer is one of the cache."""
        found = read_document(hit.answer)
        self.hit_answer = found.value if found is not None else {}
        self.note_usage(self.hit_answer.get("usage"), None)
        self.row.cache_hit, self.row.cache_kind, self.row.answered_by = True, hit.kind, self.row.model

    def _end_with(self, hit: Hit) -> None:
        """The request ends when it begins: nothing is sent."""
        self.note_hit(hit)
        row = self.row
        row.status, row.http_status, row.cost = Status.COMPLETED, 200, Decimal(0)
        row.latency_ms = round(self.incoming.milliseconds)
        row.masked, row.compression, row.tokens_saved = False, "", 0

    @property
    def models(self) -> tuple[str, ...]:
        """The requested model and those to fall back to."""
        fallbacks = self.caller.fallback_models if self.caller is not None else ()
        return tuple(dict.fromkeys((self.row.model, *fallbacks)))

    @asynccontextmanager
    async def reply(self) -> AsyncIterator[Reply]:
        """The provider's answer, of the first model that gives one; GatewayError when none does.

        It ends with ANSWER_SECONDS, when the client left and the policy says so, or when the process stops.
        """
        self.incoming.on_left = self._left
        if self.runtime.is_over:
            raise stopping()
        self.runtime.asking.add(self._stopped)
        try:
            async with asyncio.timeout(self.settings.ANSWER_SECONDS) as self.deadline:
                if self.incoming.left:
                    self._left()
                async with self._asked() as reply:
                    yield reply
        except TimeoutError:
            raise self._ended_early() from None
        except ProviderError as error:
            raise self._unanswered(error) from None
        finally:
            self.incoming.on_left = None
            self.runtime.asking.discard(self._stopped)

    def _left(self) -> None:
        """The client left: read on for the record, or stop here. Its place at the key is free at once."""
        self.runtime.run(asyncio.create_task(self._free_slot()))
        self._end_within(self.settings.DRAIN_SECONDS if self.settings.WHEN_CLIENT_LEAVES == "drain" else 0.0)

    async def _free_slot(self) -> None:
        if not self.closed:
            with suppress(GatewayError):  # without a database the place is free when the request ends
                await self.runtime.writer.leave(Leave(self.row))

    def _stopped(self) -> None:
        self._end_within(0.0)

    def _end_within(self, seconds: float) -> None:
        when = self.deadline.when() if self.deadline is not None else None
        if self.deadline is not None and when is not None:
            self.deadline.reschedule(min(when, asyncio.get_running_loop().time() + seconds))

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[Reply]:
        failure = internal_error()
        for model in self.models:
            body = await self.compute(
                write_json, self.sent if model == self.row.model else self.sent | {"model": model}
            )
            asking = self.provider.request(
                "POST", PATHS[Endpoint(self.row.endpoint)], body, request_id=self.row.request_id
            )
            try:
                reply = await asking.__aenter__()
            except ProviderError as error:
                failure = self._unanswered(error)
            except PaidRequestsForbidden:
                raise GatewayError(
                    503, "paid_requests_forbidden", "This gateway may not ask a paid provider."
                ) from None
            else:
                try:
                    if reply.status == 200:
                        self.row.answered_by = model
                        within, answer = await self._error_within(reply, is_last=model == self.models[-1])
                        if within is None:
                            yield answer
                            return
                        failure, self.row.answered_by = within, ""
                    else:
                        failure = await from_reply(reply, default_wait=self.settings.RETRY_AFTER_SECONDS)
                finally:
                    await asking.__aexit__(None, None, None)
            if not failure.may_fall_back:
                break
            if model != self.models[-1]:
                self._note_lost()
        raise failure

    async def _error_within(self, reply: Reply, *, is_last: bool) -> tuple[GatewayError | None, Reply]:
        """The error in an answer of status 200, when another model may be asked because of it; and the answer, to be
        read again. A stream is not looked into: its client waits for the first byte."""
        if is_last or reply.content_type == "text/event-stream":
            return None, reply
        raw = await reply.read(self.settings.MAX_ANSWER_BYTES)
        found = read_document(raw)
        reported = error_in(found.value) if found is not None else None
        failure = from_report(reported, default_wait=self.settings.RETRY_AFTER_SECONDS) if reported else None
        again = replace(reply, chunks=_at_once(raw))
        if failure is None or found is None or not failure.may_fall_back:
            return None, again
        self._note_reported(find_usage(found.value))
        return failure, again

    def _note_reported(self, usage: Any) -> None:
        """The usage in an error for which another model is asked: it is charged, too."""
        given = read_usage(usage)
        prompt, response = given.prompt or 0, given.response or 0
        if prompt or response:
            cached = min(given.cached, prompt)
            counts = {"input_tokens": prompt, "cached_input_tokens": cached, "output_tokens": response}
            used = Usage(**counts, total_tokens=prompt + response)
            self.reported.append((self.row.answered_by, used))

    def _note_lost(self) -> None:
        """Another model is asked, although this one may still bill its answer."""
        if self.cost_unknown:
            self.lost, self.cost_unknown = self.lost + 1, False
            self.note_usage({"prompt_tokens": 0, "completion_tokens": 0}, None)

    def _ended_early(self) -> GatewayError:
        """The time is over, the process stops, or the client left and the policy is not to wait for the answer."""
        failure = self._unanswered(ProviderError("No answer in time.", code="timeout"))
        if self.row.streamed and (self.runtime.is_over or self._cancelled):
            self.cost_unknown = False  # the provider stops a stream that is closed: what came is what it bills
        if self.runtime.is_over:
            return stopping()
        return client_left() if self.incoming.left else failure

    @property
    def _cancelled(self) -> bool:
        return self.incoming.left and self.settings.WHEN_CLIENT_LEAVES == "cancel"

    def _unanswered(self, error: ProviderError) -> GatewayError:
        """A provider that is slow, or whose answer broke, may have processed the request, and bill it."""
        begun = bool(self.row.answered_by)
        if error.sent and (error.code in {"timeout", "malformed_response"} or (begun and not self.row.streamed)):
            self.cost_unknown = True
            self.note_usage(None, ())
        return from_connection(error)

    async def close(self, status: Status, http_status: int, response: bytes | None, error_code: str = "") -> None:
        """Commit how the request ended; the first end counts."""
        if self.closed:
            return
        self.closed = True
        self.row.status = Status.CLIENT_LEFT if self.incoming.left and status == Status.COMPLETED else status
        self.row.http_status, self.row.error_code = http_status, error_code
        self.row.latency_ms = round(self.incoming.milliseconds)
        if self.opened:
            kept = await self._to_keep(response)
            self._note_embedding()
            unknown = self.cost_unknown and self.row.tokens_estimated
            if self.tier or self.has_services:
                self.row.note_estimates(Estimated.COST)
                unknown = unknown or (bool(self.tier) and self.tier not in CHEAPER_TIERS)
            content = None if response is None else Content(response=response)
            op = Close(self.row, content, unknown, self.lost, tuple(self.reported))
            await self.runtime.writer.close(op)
            if kept is not None:
                self.runtime.saver.save(_with_token(kept, content))
        else:
            begun = Open(self.row, None if self.raw is None else Content(self.raw, response=response))
            await self.runtime.writer.open(begun)
            await self.runtime.writer.keep(begun)

    async def _to_keep(self, response: bytes | None) -> NewAnswer | None:
        """What goes into the cache: a complete answer of the requested model."""
        row = self.row
        good = row.status in {Status.COMPLETED, Status.CLIENT_LEFT} and not row.error_code and not row.cache_hit
        good = good and self.cacheable
        if not good or self.lookup is None or response is None or row.answered_by != row.model:
            return None
        return await self.lookup.to_keep(response)

    def _note_embedding(self) -> None:
        """Record the tokens of the embedding that the cache asked for."""
        embedding = self.lookup.embedding if self.lookup is not None else None
        if embedding is not None:
            self.row.embedding_tokens = embedding.tokens
            if embedding.estimated:
                self.row.note_estimates(Estimated.EMBEDDING)

    def note_usage(self, usage: Any, messages: Iterable[Any] | None) -> None:
        """Record the tokens that `usage` reports; what is missing is estimated from `messages`, None: nothing is."""
        record_usage(self.row, self.sent, usage, messages)

    def note_tier(self, answer: dict[str, Any]) -> None:
        """What an answer used that the price is not about: a project's default may be another service tier."""
        tier = tier_of(answer)
        self.tier = "" if tier in PLAIN_TIERS else tier
        self.has_services = has_services(answer.get("usage"))

    def note_unreadable(self, raw: bytes) -> GatewayError:
        """An answer that nobody can read: charged by the usage in it, else by what was reserved."""
        self.cost_unknown = True
        self.note_usage(usage_within(raw), [raw.decode(errors="replace")])
        return malformed_answer()

    async def fail(self, error: GatewayError) -> None:
        """End the request with an error: first its record, then its client's answer."""
        status = Status.FAILED if self.opened else Status.REFUSED
        if self.incoming.left:
            status = Status.CLIENT_LEFT
        try:
            await self.close(status, error.status, error.record(), error.recorded_as)
        except GatewayError as unrecorded:
            error = unrecorded
        await self.incoming.refuse(error, self.headers() if self.levels is not None else [])

    def headers(self) -> Headers:
        """The headers of every answer of a model."""
        found = self.levels.headers() if self.levels is not None else []
        overhead = max(0.0, self.incoming.milliseconds - self.provider_ms)
        found.append((b"x-cache", self.cache_state))
        found.append((b"x-gateway-overhead-ms", b"%.1f" % overhead))
        if self.row.answered_by and self.row.answered_by != self.row.model:
            found.append((b"x-gateway-model", self.row.answered_by.encode("ascii", "replace")))
        if self.row.cost is not None and self.closed:
            found.append((b"x-gateway-cost", f"{self.row.cost:f}".encode()))
        return found


def _with_token(kept: NewAnswer, content: Content | None) -> NewAnswer:
    """The same answer encrypted once; a large one is compressed in its record."""
    if content is None or content.is_large:
        return kept
    return replace(kept, token=content.response_enc, key_id=content.key_id)


async def _at_once(raw: bytes) -> AsyncIterator[bytes]:
    yield raw
