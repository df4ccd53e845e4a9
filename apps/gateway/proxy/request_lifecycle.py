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
from apps.gateway.conf import LONGEST_MODEL, gateway_settings
from apps.gateway.errors import GatewayError, client_left, from_connection, malformed_answer, stopping
from apps.gateway.http.request import Headers, Incoming, read_object
from apps.gateway.http.runtime import Runtime
from apps.gateway.masking import Restorer
from apps.gateway.metering.quotas import Levels
from apps.gateway.metering.recorded_usage import record_usage
from apps.gateway.metering.reported_usage import has_services, tier_of
from apps.gateway.metering.token_estimate import CHEAPER_TIERS, PLAIN_TIERS, priced_apart, size_of
from apps.gateway.models import Endpoint, Estimated, Interaction, Status
from apps.gateway.proxy.answer_json import read_document, usage_within
from apps.gateway.proxy.asking import Asking
from apps.gateway.proxy.request_checks import check_body, others_named, read_model, unknown_model
from apps.gateway.recording.operations import Close, Content, Leave, Open
from apps.gateway.routing.targets import Target, with_holds, without_repetition
from orchestration.errors import ProviderError
from orchestration.providers.passthrough import Reply
from orchestration.values.json_bodies import write_json

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
        self.targets: tuple[Target, ...] = ()
        """What may be asked, in this order."""
        self.worst: dict[tuple[str, str], Decimal] = {}
        """The most that an answer of each can cost."""
        self.reserved_at_first = Decimal(0)
        self.provider_ms = 0.0
        self.deadline: asyncio.Timeout | None = None

    async def identify(self) -> Caller:
        """Find the key, then read the body, then check whether the key may use this model."""
        self.caller = caller = await self.runtime.callers.caller(self.incoming.secret)
        self.row.api_key_id, self.row.user_id = caller.key_id, caller.user_id
        self.row.provider = self.runtime.providers.name_of(self.row.endpoint)
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
        await self._find_targets(caller.fallback_models)
        return caller

    async def _find_targets(self, fallback_models: tuple[str, ...]) -> None:
        """The routes of the model, then those of the models that the key falls back to."""
        runtime, found = self.runtime, list[Target]()
        for named in dict.fromkeys((self.row.model, *fallback_models)):
            found += await with_holds(runtime.providers.targets(named, self.row.endpoint), runtime.health)
        self.targets = without_repetition(found)
        self.first = self.target = next((target for target in self.targets if not target.held), self.targets[0])
        self.row.provider, self.row.client = self.target.provider, self.target.route.client
        self.asking = Asking(self)

    @property
    def compared(self) -> dict[str, Any]:
        """The body that the cache compares: an alias stands for what it goes to now."""
        client, model = self.first.route
        if not self.first.is_alias and model == self.row.model:
            return self.asked
        is_usual = client == self.runtime.providers.client_of(self.row.endpoint)
        return self.asked | {"model": model if is_usual else [client, model]}  # no body has a list there

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
        self.levels, self.worst, self.reserved_at_first = grant.levels, op.worst, self.row.reserved_cost
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
            targets=tuple(target.priced for target in self.targets),
            embeds_at=self.runtime.providers.main.name,
            priced_apart=priced_apart(self.sent),
            embedding=len(self.lookup.question.text.encode()) if self.lookup and self.lookup.asks_provider else 0,
        )

    def note_hit(self, hit: Hit) -> None:
        """The answer is one of the cache."""
        found = read_document(hit.answer)
        self.hit_answer = found.value if found is not None else {}
        self.note_usage(self.hit_answer.get("usage"), None)
        self.row.cache_hit, self.row.cache_kind, self.row.answered_by = True, hit.kind, self.target.route.model

    def _end_with(self, hit: Hit) -> None:
        """The request ends when it begins: nothing is sent."""
        self.note_hit(hit)
        row = self.row
        row.status, row.http_status, row.cost = Status.COMPLETED, 200, Decimal(0)
        row.latency_ms = round(self.incoming.milliseconds)
        row.masked, row.compression, row.tokens_saved = False, "", 0

    @asynccontextmanager
    async def reply(self) -> AsyncIterator[Reply]:
        """The provider's answer, of the first target that gives one; GatewayError when none does.

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
                async with self.asking.reply() as reply:
                    yield reply
        except TimeoutError:
            raise self._ended_early() from None
        except ProviderError as error:
            raise self.unanswered(error) from None
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

    def begin_asking(self, target: Target) -> None:
        """This target is asked next."""
        self.target = target
        self.row.provider, self.row.client = target.provider, target.route.client
        self.row.route_reason = ", ".join(map(str, self.asking.passed))

    def body_for(self, target: Target) -> dict[str, Any]:
        """What is sent to it: the body under its model's own name."""
        model = target.route.model
        return self.sent if model == self.row.model else self.sent | {"model": model}

    def forget_unknown_cost(self) -> bool:
        """Whether the answer that is given up for another one may be billed."""
        is_lost, self.cost_unknown = self.cost_unknown, False
        if is_lost:
            self.note_usage({"prompt_tokens": 0, "completion_tokens": 0}, None)
        return is_lost

    def _ended_early(self) -> GatewayError:
        """The time is over, the process stops, or the client left and the policy is not to wait for the answer."""
        failure = self.unanswered(ProviderError("No answer in time.", code="timeout"))
        if self.row.streamed and (self.runtime.is_over or self._cancelled):
            self.cost_unknown = False  # the provider stops a stream that is closed: what came is what it bills
        if self.runtime.is_over:
            return stopping()
        return client_left() if self.incoming.left else failure

    @property
    def _cancelled(self) -> bool:
        return self.incoming.left and self.settings.WHEN_CLIENT_LEAVES == "cancel"

    def unanswered(self, error: ProviderError) -> GatewayError:
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
            await self.runtime.writer.close(self._closing(content, unknown=unknown))
            await self.asking.ended(error_code)
            if kept is not None:
                self.runtime.saver.save(_with_token(kept, content))
        else:
            begun = Open(self.row, None if self.raw is None else Content(self.raw, response=response))
            await self.runtime.writer.open(begun)
            await self.runtime.writer.keep(begun)

    def _closing(self, content: Content | None, *, unknown: bool) -> Close:
        lost, reported = self.asking.lost, self.asking.reported
        none = Decimal(0)
        return Close(
            self.row,
            content,
            asked=self.target.priced,
            embeds_at=self.runtime.providers.main.name,
            at_least=self.worst.get(self.target.priced, none) if unknown else None,
            lost=tuple(self.worst.get(target.priced, none) for target in lost),
            reported=tuple((target.priced, usage) for target, usage in reported),
        )

    async def _to_keep(self, response: bytes | None) -> NewAnswer | None:
        """What goes into the cache: a complete answer of the target that it was looked up for."""
        row = self.row
        good = row.status in {Status.COMPLETED, Status.CLIENT_LEFT} and not row.error_code and not row.cache_hit
        good = good and self.cacheable
        if not good or self.lookup is None or response is None or self.target is not self.first:
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
        if self.row.answered_by and self.target.is_alias:
            found.append((b"x-gateway-route", str(self.target.route).encode("ascii", "replace")))
            passed = ", ".join(each.told for each in self.asking.passed)
            found += [(b"x-gateway-route-reason", passed.encode("ascii", "replace"))] if passed else []
        if self.row.cost is not None and self.closed:
            found.append((b"x-gateway-cost", f"{self.row.cost:f}".encode()))
        return found


def _with_token(kept: NewAnswer, content: Content | None) -> NewAnswer:
    """The same answer encrypted once; a large one is compressed in its record."""
    if content is None or content.is_large:
        return kept
    return replace(kept, token=content.response_enc, key_id=content.key_id)
