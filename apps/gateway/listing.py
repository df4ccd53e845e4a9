"""What a key can ask about: the models it may use, and what its owner used."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson
from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from apps.gateway.caching import forget_owner
from apps.gateway.callers import Caller
from apps.gateway.conf import gateway_settings
from apps.gateway.errors import bad_request, from_connection, from_reply, malformed_answer
from apps.gateway.exchange import unknown_model
from apps.gateway.http import Incoming
from apps.gateway.models import Interaction
from apps.gateway.runtime import Runtime
from orchestration.errors import ProviderError

MODELS_BYTES = 8_000_000
MOST_DAYS = 366


async def serve_models(runtime: Runtime, incoming: Incoming) -> None:
    """The provider's models, those that the key may use."""
    caller = await _caller(runtime, incoming)
    models = await _models(runtime)
    shown = [model for model in models if caller.may_use(model["id"])]
    await incoming.answer(200, orjson.dumps({"object": "list", "data": shown}), [])


async def serve_model(runtime: Runtime, incoming: Incoming) -> None:
    caller = await _caller(runtime, incoming)
    name = unquote(incoming.path.removeprefix("/v1/models/"))
    if not caller.may_use(name):
        raise unknown_model(name)
    found = next((model for model in await _models(runtime) if model["id"] == name), None)
    if found is None:
        raise unknown_model(name)
    await incoming.answer(200, orjson.dumps(found), [])


async def serve_usage(runtime: Runtime, incoming: Incoming) -> None:
    """Tokens and cost of all keys of the owner, by day and model: `?days=30`, today included."""
    caller = await _caller(runtime, incoming)
    given = parse_qs(incoming.query.decode("latin-1")).get("days", ["30"])[-1]
    if not re.fullmatch("[0-9]{1,3}", given) or not 1 <= int(given) <= MOST_DAYS:
        raise bad_request(f"'days' must be a whole number from 1 to {MOST_DAYS}.", param="days")
    rows = await runtime.reading.run(usage_of, caller.user_id, int(given))
    await incoming.answer(200, orjson.dumps({"object": "list", "data": rows}), [])


async def serve_forget_cache(runtime: Runtime, incoming: Incoming) -> None:
    """Delete the owner's cached answers, whichever of its keys asked for them."""
    caller = await _caller(runtime, incoming)
    deleted = await runtime.reading.run(forget_owner, caller.user_id)
    await incoming.answer(200, orjson.dumps({"object": "cache", "deleted": deleted}), [])


def usage_of(user_id: str, days: int) -> list[dict[str, Any]]:
    """One object per day and model, newest day first; a cost is a decimal text, null when no price is known."""
    since = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    rows = (
        Interaction.objects.of_user(user_id)
        .filter(timestamp__gte=since)
        .values("model", date=TruncDate("timestamp"))
        .annotate(
            requests=Count("id"),
            cache_hits=Count("id", filter=Q(cache_hit=True)),
            prompt_tokens=Sum("prompt_tokens"),
            response_tokens=Sum("response_tokens"),
            embedding_tokens=Sum("embedding_tokens"),
            total_cost=Sum("cost"),
        )
        .order_by("-date", "model")
    )
    return [_usage_row({**row}) for row in rows]


def _usage_row(row: dict[str, Any]) -> dict[str, Any]:
    cost = row.pop("total_cost")
    return row | {"cost": None if cost is None else f"{cost:.8f}"}


async def _caller(runtime: Runtime, incoming: Incoming) -> Caller:
    return await runtime.callers.caller(incoming.header(b"authorization"))


async def _models(runtime: Runtime) -> list[dict[str, Any]]:
    try:
        async with runtime.relay.request("GET", "/models") as reply:
            if reply.status != 200:
                raise await from_reply(reply, default_wait=gateway_settings().RETRY_AFTER_SECONDS)
            raw = await reply.read(MODELS_BYTES)
    except ProviderError as error:
        raise from_connection(error) from None
    try:
        found = orjson.loads(raw)["data"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise malformed_answer() from None
    return [model for model in found if isinstance(model, dict) and isinstance(model.get("id"), str)]
