"""`GET /v1/models`, `GET /v1/usage` and `DELETE /v1/cache`: what a key may use, and what its owner used."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson
from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDate

from apps.gateway.auth import Caller
from apps.gateway.cache import forget_owner
from apps.gateway.conf import gateway_settings
from apps.gateway.errors import GatewayError, bad_request, from_connection, from_reply, malformed_answer
from apps.gateway.http.request import Incoming
from apps.gateway.http.runtime import Runtime
from apps.gateway.models.interactions import ANSWERED_BY, IS_ESTIMATE, Interaction
from apps.gateway.proxy.answer_json import read_document
from apps.gateway.proxy.request_checks import unknown_model
from orchestration.clock import database_now
from orchestration.errors import ProviderError
from orchestration.providers.base import Api
from orchestration.providers.passthrough import Passthrough
from orchestration.values.json_bodies import write_json

MODELS_BYTES = 8_000_000
MOST_MODELS = 1000
"""That Anthropic's API gives at once."""
MOST_DAYS = 366


async def serve_models(runtime: Runtime, incoming: Incoming) -> None:
    """The aliases and the provider's models, those that the key may use.

    A provider that is down does not hide the aliases: they may be there for that.
    """
    caller = await _caller(runtime, incoming)
    models = [_alias(name) for name in runtime.providers.plans]
    for provider in runtime.providers.of_models:
        try:
            found = await _models(provider)
        except GatewayError:
            if not runtime.providers.plans:
                raise
        else:
            models += [model for model in found if model["id"] not in runtime.providers.plans]
    shown = [model for model in models if caller.may_use(model["id"])]
    await incoming.answer(200, write_json({"object": "list", "data": shown}), [])


async def serve_model(runtime: Runtime, incoming: Incoming) -> None:
    caller = await _caller(runtime, incoming)
    name = unquote(incoming.path.removeprefix("/v1/models/"))
    if not caller.may_use(name):
        raise unknown_model(name)
    if name in runtime.providers.plans:
        await incoming.answer(200, write_json(_alias(name)), [])
        return
    for provider in runtime.providers.of_models:
        found = next((model for model in await _models(provider) if model["id"] == name), None)
        if found is not None:
            await incoming.answer(200, write_json(found), [])
            return
    raise unknown_model(name)


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
    """One object per day and model that answered, or was asked for where none did, newest day first; a cost is a
    decimal text, null when no price is known.

    `estimated_cost` is the part of `cost` that is an estimate, because the provider did not report all tokens.
    """
    since = database_now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    rows = (
        Interaction.objects.of_user(user_id)
        .filter(timestamp__gte=since)
        .values(used=ANSWERED_BY, date=TruncDate("timestamp"))
        .annotate(
            requests=Count("id"),
            cache_hits=Count("id", filter=Q(cache_hit=True)),
            prompt_tokens=Sum("prompt_tokens"),
            response_tokens=Sum("response_tokens"),
            embedding_tokens=Sum("embedding_tokens"),
            total_cost=Sum("cost"),
            total_estimated=Sum("cost", filter=IS_ESTIMATE),
        )
        .order_by("-date", "used")
    )
    return [_usage_row({**row}) for row in rows]


def _usage_row(row: dict[str, Any]) -> dict[str, Any]:
    cost, estimated = row.pop("total_cost"), row.pop("total_estimated")
    return {"model": row.pop("used")} | row | {"cost": _decimal(cost), "estimated_cost": _decimal(estimated)}


def _decimal(cost: Decimal | None) -> str | None:
    return None if cost is None else f"{cost:.8f}"


async def _caller(runtime: Runtime, incoming: Incoming) -> Caller:
    return await runtime.callers.caller(incoming.secret)


def _alias(name: str) -> dict[str, Any]:
    """An alias as OpenAI's API has a model; where it leads is the operator's to know."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "gateway"}


async def _models(provider: Passthrough) -> list[dict[str, Any]]:
    path = "/models" if Api.OPENAI in provider.apis else f"/models?limit={MOST_MODELS}"  # Anthropic gives 20 at a time
    try:
        async with provider.request("GET", path) as reply:
            if reply.status != 200:
                raise await from_reply(reply, default_wait=gateway_settings().RETRY_AFTER_SECONDS)
            raw = await reply.read(MODELS_BYTES)
    except ProviderError as error:
        raise from_connection(error) from None
    document = read_document(raw)
    found = document.value.get("data") if document is not None else None
    if not isinstance(found, list):
        raise malformed_answer()
    return [model for model in found if isinstance(model, dict) and isinstance(model.get("id"), str)]
