"""One request for a model, from its key to its record. Whatever happens on the way, one row tells how it ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson

from apps.gateway.caching import Lookup, NewAnswer
from apps.gateway.callers import Caller
from apps.gateway.conf import gateway_settings
from apps.gateway.errors import (
    GatewayError,
    bad_request,
    client_left,
    from_connection,
    from_reply,
    internal_error,
    malformed_answer,
    stopping,
)
from apps.gateway.http import Headers, Incoming, read_object
from apps.gateway.ledger import Close, Open
from apps.gateway.limits import Levels
from apps.gateway.masking import Restorer
from apps.gateway.models import Endpoint, Interaction, Status
from apps.gateway.runtime import Runtime
from apps.gateway.sizes import LARGEST, size_of
from apps.gateway.tokens import estimate
from orchestration.errors import PaidRequestsForbidden, ProviderError
from orchestration.log import describe
from orchestration.providers.relay import Reply

logger = logging.getLogger(__name__)

PATHS = {Endpoint.CHAT: "/chat/completions", Endpoint.EMBEDDINGS: "/embeddings"}
LONGEST_MODEL = 128


class Exchange:
    """What is known about a request so far. `row` is its record."""

    def __init__(self, runtime: Runtime, incoming: Incoming, endpoint: Endpoint) -> None:
        self.runtime = runtime
        self.incoming = incoming
        self.settings = gateway_settings()
        self.row = Interaction(request_id=incoming.request_id, endpoint=endpoint, worker=runtime.worker)
        self.caller: Caller | None = None
        self.raw: bytes | None = None
        self.asked: dict[str, Any] = {}
        """The body as the client sent it."""
        self.sent: dict[str, Any] = {}
        """The body as the provider gets it."""
        self.levels: Levels | None = None
        self.is_altered = False
        """What is sent differs from what was asked: it is compressed or masked."""
        self.restorer: Restorer | None = None
        self.lookup: Lookup | None = None
        """None when the cache is not asked."""
        self.cache_state = b"BYPASS"
        self.opened = False
        self.closed = False
        self.provider_ms = 0.0
        self.deadline: asyncio.Timeout | None = None

    async def identify(self) -> Caller:
        """Find the key, then read the body, then see whether the key may have this model."""
        self.caller = caller = await self.runtime.callers.caller(self.incoming.header(b"authorization"))
        self.row.api_key_id, self.row.user_id = caller.key_id, caller.user_id
        self.row.provider = self.runtime.relay.name
        self.raw = await self.incoming.body(self.settings.MAX_BODY_BYTES, self.settings.BODY_SECONDS)
        self.incoming.watch()
        self.asked = read_object(self.raw)
        self.row.model = read_model(self.asked)
        self.row.streamed = self.asked.get("stream") is True and self.row.endpoint == Endpoint.CHAT
        if self.row.endpoint == Endpoint.CHAT:
            check_chat(self.asked)
        elif "input" not in self.asked:
            raise bad_request("Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
        if not caller.may_use(self.row.model):
            raise unknown_model(self.row.model)
        self.sent = self.asked
        return caller

    @property
    def usage_wanted(self) -> bool:
        """Whether the client of a stream asked for its usage."""
        return (self.asked.get("stream_options") or {}).get("include_usage") is True

    def ask_for_usage(self) -> None:
        """Have a stream tell its usage, whether its client wants it or not."""
        options = self.asked.get("stream_options") or {}
        self.sent = self.sent | {"stream_options": options | {"include_usage": True}}

    def alter(self, body: dict[str, Any]) -> None:
        """Send this instead of what was asked."""
        self.sent, self.is_altered = body, True

    async def open(self, response: bytes | None = None) -> None:
        """Ask the key's limits and commit the row; GatewayError 429 when the key may not go on.

        With a final status the row ends here, with `response`. A row that is there already is left alone.
        """
        if self.opened:
            return
        op = Open(
            self.row,
            prompt=self.raw,
            sent=orjson.dumps(self.sent) if self.is_altered else None,
            response=response,
            size=size_of(self.sent, default_output=self.settings.RESERVED_OUTPUT_TOKENS),
            models=self.models,
            embedding=len(self.lookup.question.text.encode()) if self.lookup and self.lookup.asks_provider else 0,
        )
        grant = await self.runtime.journal.open(op)
        self.levels = grant.levels
        self.opened = True
        self.closed = self.row.status != Status.IN_FLIGHT
        if grant.refusal is not None:
            raise grant.refusal

    @property
    def models(self) -> tuple[str, ...]:
        """The model that was asked for and those to fall back to."""
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
            failure = self._unanswered(ProviderError("No answer in time.", code="timeout"))
            if self.incoming.left:
                failure = client_left()
            raise (stopping() if self.runtime.is_over else failure) from None
        except ProviderError as error:
            raise self._unanswered(error) from None
        finally:
            self.runtime.asking.discard(self._stopped)

    def _left(self) -> None:
        """The client left: read on for the record, or stop here."""
        self._end_within(self.settings.DRAIN_SECONDS if self.settings.WHEN_CLIENT_LEAVES == "drain" else 0.0)

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
            body = orjson.dumps(self.sent if model == self.row.model else self.sent | {"model": model})
            asking = self.runtime.relay.request(
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
                        yield reply
                        return
                    failure = await from_reply(reply, default_wait=self.settings.RETRY_AFTER_SECONDS)
                finally:
                    await asking.__aexit__(None, None, None)
            if not failure.may_fall_back:
                break
        raise failure

    def _unanswered(self, error: ProviderError) -> GatewayError:
        """A provider that is only slow may have worked on what was asked all the time, and is paid for it."""
        if error.code == "timeout" and error.sent:
            self.note_usage(None, "")
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
            await self.runtime.journal.close(Close(self.row, response, kept))
        else:
            await self.runtime.journal.open(Open(self.row, prompt=self.raw, response=response))

    async def _to_keep(self, response: bytes | None) -> NewAnswer | None:
        """What goes into the cache: a whole answer of the model that was asked for."""
        row = self.row
        good = row.status in {Status.COMPLETED, Status.CLIENT_LEFT} and not row.error_code and not row.cache_hit
        if not good or self.lookup is None or response is None or row.answered_by != row.model:
            return None
        return await self.lookup.to_keep(response)

    def _note_embedding(self) -> None:
        """What the cache had the provider do."""
        embedding = self.lookup.embedding if self.lookup is not None else None
        if embedding is not None:
            self.row.embedding_tokens = embedding.tokens
            self.row.tokens_estimated = self.row.tokens_estimated or embedding.estimated

    def note_usage(self, usage: Any, said: str | None) -> None:
        """Token counts as the provider told them; else estimated from what was asked and said."""
        told = usage if isinstance(usage, dict) else {}
        details = told.get("prompt_tokens_details")
        row = self.row
        row.prompt_tokens = _count(told.get("prompt_tokens"))
        row.response_tokens = _count(told.get("completion_tokens"))
        row.cached_tokens = _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
        if not row.prompt_tokens and said is not None:
            row.tokens_estimated = True
            row.prompt_tokens = size_of(self.sent, default_output=1).likely_prompt
            row.response_tokens = estimate(said)

    def headers(self) -> Headers:
        """What every answer of a model carries."""
        found = self.levels.headers() if self.levels is not None else []
        overhead = max(0.0, self.incoming.milliseconds - self.provider_ms)
        found.append((b"x-cache", self.cache_state))
        found.append((b"x-gateway-overhead-ms", b"%.1f" % overhead))
        if self.row.answered_by and self.row.answered_by != self.row.model:
            found.append((b"x-gateway-model", self.row.answered_by.encode("ascii", "replace")))
        if self.row.cost is not None and self.closed:
            found.append((b"x-gateway-cost", f"{self.row.cost:f}".encode()))
        return found


@asynccontextmanager
async def recorded(exchange: Exchange) -> AsyncIterator[None]:
    """Whatever is raised within becomes the client's error and the end of the row."""
    try:
        yield
    except GatewayError as error:
        await _failed(exchange, error)
    except asyncio.CancelledError:
        raise  # the server does not wait any longer: the row stays in flight, and a sweep finds it
    except Exception as error:  # noqa: BLE001 - a bug ends as an error of this request and as its record
        logger.error("gateway request failed request_id=%s error=%s", exchange.row.request_id, describe(error))
        await _failed(exchange, internal_error())
    finally:
        exchange.incoming.unwatch()


async def _failed(exchange: Exchange, error: GatewayError) -> None:
    """Record first, then tell."""
    refused = not exchange.opened
    status = Status.REFUSED if refused else Status.FAILED
    if exchange.incoming.left:
        status = Status.CLIENT_LEFT
    try:
        await exchange.close(status, error.status, None, error.recorded_as)
    except GatewayError as unrecorded:
        error = unrecorded
    if not exchange.incoming.begun:
        headers = exchange.headers() if exchange.levels is not None else []
        await exchange.incoming.refuse(error, headers)


def read_model(body: dict[str, Any]) -> str:
    """The model of a body; GatewayError 400 when it names none that could be."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise bad_request("You must provide a model parameter.", param="model", code="missing_required_parameter")
    if len(model) > LONGEST_MODEL or not model.isprintable():
        raise bad_request(f"A model's name has at most {LONGEST_MODEL} printable characters.", param="model")
    return model


def check_chat(body: dict[str, Any]) -> None:
    """GatewayError 400 for what no provider could answer; everything else is the provider's to judge."""
    messages = body.get("messages")
    if messages is None:
        raise bad_request(
            "Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter"
        )
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise bad_request("'messages' must be a list of at least one message.", param="messages", code="invalid_type")
    for field, kind in (("stream", bool), ("stream_options", dict)):
        if body.get(field) is not None and not isinstance(body[field], kind):
            raise bad_request(f"'{field}' has the wrong type.", param=field, code="invalid_type")


def unknown_model(model: str) -> GatewayError:
    return GatewayError(
        404,
        "model_not_found",
        f"The model {model!r} does not exist, or this key has no access to it.",
        param="model",
    )


def read_answer(raw: bytes, needed: str) -> dict[str, Any]:
    """An answer's JSON with a list under `needed`; GatewayError 502 otherwise."""
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise malformed_answer() from None
    if not isinstance(answer, dict) or answer.get("error") or not isinstance(answer.get(needed), list):
        raise malformed_answer()
    return answer


def _count(value: Any) -> int:
    return min(max(value, 0), LARGEST) if isinstance(value, int) else 0
