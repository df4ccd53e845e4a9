"""Asking providers for a request: one target after the other, until one answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from apps.gateway.errors import GatewayError, all_paused, from_connection, from_reply, from_report, not_asked
from apps.gateway.metering.reported_usage import read_usage
from apps.gateway.models import Endpoint
from apps.gateway.proxy.answer_json import error_in, read_document
from apps.gateway.proxy.sse_parser import read_chunk
from apps.gateway.recording.operations import Extend
from apps.gateway.routing.targets import Passed, Target
from orchestration.errors import NotConfigured, PaidRequestsForbidden, ProviderError
from orchestration.models.prices import MAX_COST
from orchestration.providers.openai.chat_assembly import find_usage
from orchestration.providers.passthrough import Reply
from orchestration.providers.streams.event_reader import EventReader, event_data
from orchestration.types import Usage
from orchestration.values.json_bodies import write_json

if TYPE_CHECKING:
    from apps.gateway.proxy.request_lifecycle import ModelRequest

PATHS = {
    Endpoint.CHAT: "/chat/completions",
    Endpoint.COMPLETIONS: "/completions",
    Endpoint.RESPONSES: "/responses",
    Endpoint.MESSAGES: "/messages",
    Endpoint.EMBEDDINGS: "/embeddings",
}
EVENTS = "text/event-stream"


class Asking:
    """The attempts of one request."""

    def __init__(self, request: ModelRequest) -> None:
        self.request = request
        self.passed: list[Passed] = []
        """Routes that were not taken, or failed before another one was asked."""
        self.lost: list[Target] = []
        """Those of them whose answers were given up, and may be billed."""
        self.reported: list[tuple[Target, Usage]] = []
        """What those used whose answers were errors."""
        self._left = list(request.targets)
        """Those behind the one that is asked."""
        self._waits_for: Target | None = None
        """The one of which it is not known yet how it ends."""

    @asynccontextmanager
    async def reply(self) -> AsyncIterator[Reply]:
        """The answer of the first target that gives one; GatewayError when none does."""
        request, target = self.request, await self._first()
        while True:
            self._waits_for = target
            request.begin_asking(target)
            try:
                provider = request.runtime.providers.client(target.route.client)
                body = await request.compute(write_json, request.body_for(target))
                path = PATHS[Endpoint(request.row.endpoint)]
                asking = provider.request("POST", path, body, request_id=request.row.request_id)
                reply = await asking.__aenter__()
            except (ProviderError, NotConfigured) as error:
                failure = request.unanswered(error) if isinstance(error, ProviderError) else not_asked(error.code)
            except PaidRequestsForbidden:
                failure = not_asked("paid_requests_forbidden")
            else:
                try:
                    found, answer = await self._judged(reply, target)
                    if found is None:
                        await self._note(target, "")
                        yield answer
                        return
                    failure = found
                finally:
                    await asking.__aexit__(None, None, None)
            target = await self._after(target, failure)

    async def ended(self, code: str) -> None:
        """How the request ended: the last attempt, too, if it had begun to answer, or took too long."""
        if self._waits_for is not None and code:
            await self._note(self._waits_for, code)

    # --- which one ----------------------------------------------------------------------------

    async def _first(self) -> Target:
        found = await self._next(list(self._left))
        if found is None:
            raise all_paused()
        return found

    async def _after(self, target: Target, failure: GatewayError) -> Target:
        """The next target after one that failed; the failure is raised when there is none."""
        request = self.request
        request.row.answered_by, self._waits_for = "", None
        await self._note(target, failure.recorded_as, failure.retry_after)
        may_follow = [each for each in self._left if target.goes_on_to(each, failure)]
        if request.incoming.left or not may_follow:
            raise failure
        before = len(self.passed)
        self.passed.append(Passed(target.route, failure.recorded_as))
        found = await self._next(may_follow)
        if found is None:
            del self.passed[before:]
            raise failure
        if request.forget_unknown_cost():
            self.lost.append(target)
            await self._reserve_more(found)
        return found

    async def _reserve_more(self, following: Target) -> None:
        """What was given up may be billed, and the next one is, too; GatewayError 429 where the budget ends."""
        request = self.request
        row, worst = request.row, request.worst
        if not row.reserved_cost or not worst:
            return
        lost = sum((worst[target.priced] for target in self.lost), Decimal(0))
        dearest = max(worst[target.priced] for target in (following, *self._left))
        needed = request.reserved_at_first - max(worst.values()) + lost + dearest
        more = min(needed, MAX_COST) - row.reserved_cost
        if more > 0:
            grant = await request.runtime.writer.extend(Extend(row, more))
            if grant.refusal is not None:
                raise grant.refusal

    async def _next(self, targets: list[Target]) -> Target | None:
        for target in targets:
            del self._left[: self._left.index(target) + 1]
            code = target.held
            if not code and target.is_alias and not target.is_last_resort:
                may = await self.request.runtime.health.may_probe(target.route, self.request.row.request_id)
                code = "" if may or "circuit_open" not in target.on else "circuit_open"
            if not code:
                return target
            self.passed.append(Passed(target.route, code))
        return None

    async def _note(self, target: Target, code: str, retry_after: float | None = None) -> None:
        if target.is_alias:
            await self.request.runtime.health.note(target.route, code, retry_after)

    # --- what came ----------------------------------------------------------------------------

    async def _judged(self, reply: Reply, target: Target) -> tuple[GatewayError | None, Reply]:
        """The failure in a reply, after which another target may be asked; and the reply, to be read again."""
        request = self.request
        if reply.status != 200:
            return await from_reply(reply, default_wait=request.settings.RETRY_AFTER_SECONDS), reply
        request.row.answered_by = target.route.model
        if not self._left:
            return None, reply
        try:
            is_stream = reply.content_type == EVENTS
            return await (self._begun(reply, target) if is_stream else self._error_within(reply, target))
        except ProviderError as error:
            return request.unanswered(error), reply

    async def _error_within(self, reply: Reply, target: Target) -> tuple[GatewayError | None, Reply]:
        """An error in an answer of status 200."""
        raw = await reply.read(self.request.settings.MAX_ANSWER_BYTES)
        found = read_document(raw)
        return self._reported(found.value if found else {}, target), replace(reply, chunks=_again([raw], None))

    async def _begun(self, reply: Reply, target: Target) -> tuple[GatewayError | None, Reply]:
        """An error in place of a stream's first event, or a stream that ends before it: nothing has left to the client
        yet. Of a stream that begins no more is read."""
        reader, parts, events = EventReader(), list[bytes](), list[bytes]()
        async for part in reply.chunks:
            parts.append(part)
            events = reader.feed(part)
            if events:
                break
        else:
            events = reader.end()
        again = replace(reply, chunks=_again(parts, reply.chunks))
        if not events:
            self.request.unanswered(ProviderError("There is no event.", code="malformed_response"))
            return from_connection(ProviderError("The stream ended early.", code="connection_error")), again
        data = event_data(events[0])
        if data is None or data == b"[DONE]":
            return None, again
        return self._reported(read_chunk(data).value, target), again

    def _reported(self, value: dict[str, Any], target: Target) -> GatewayError | None:
        """The error in an answer or an event, if another target may be asked because of it; what it used is charged."""
        error = error_in(value)
        if not error:
            return None
        failure = from_report(error, default_wait=self.request.settings.RETRY_AFTER_SECONDS)
        if not any(target.goes_on_to(each, failure) for each in self._left):
            return None
        given = read_usage(find_usage(value))
        prompt, response = given.prompt or 0, given.response or 0
        if prompt or response:
            counts = {"input_tokens": prompt, "cached_input_tokens": min(given.cached, prompt)}
            used = Usage(**counts, output_tokens=response, total_tokens=prompt + response)
            self.reported.append((target, used))
        return failure


async def _again(parts: list[bytes], rest: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if rest is not None:
        async for part in rest:
            yield part
