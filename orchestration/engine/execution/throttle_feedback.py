"""Feedback of answers to limits and circuits: tokens used, how long the provider asks to wait, whether it works.

Runs after the answers are committed, a transaction for each row: it never holds one row and waits for another, so it
cannot deadlock with claims, which lock several. An update that is lost here costs precision, never a call.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import Error
from django.db.models import F, FloatField, Value
from django.db.models.functions import Greatest, Least

from orchestration.clock import database_now
from orchestration.conf import engine_settings
from orchestration.engine.execution.commands import OpenRequest, StoreAnswer
from orchestration.engine.throttling.snapshot import Limits, matching
from orchestration.log import describe
from orchestration.models import AIRequestAudit, ProviderCircuit, RateLimit, ServiceCallRecord
from orchestration.providers.retry_after import granted, seconds_of
from orchestration.routes import Route
from orchestration.values.content_tokens import content_tokens
from orchestration.values.moments import later

logger = logging.getLogger(__name__)

BROKEN = {"timeout", "connection_error", "provider_unavailable"}
"""Error codes that count as failures of the provider; any other answer shows that it works."""
SILENT = {"internal_error", "provider_key_missing", "provider_key_invalid", "paid_requests_forbidden", "not_configured"}
"""Error codes that say nothing about the provider: it was not asked."""
RATE_LIMITED = "rate_limited"
MEMORY = 0.1
"""The weight of a new answer in the moving average of tokens per request."""
COUNT = re.compile(r"\d{1,15}", re.ASCII)


@dataclass(slots=True)
class Observation:
    """What the answers of one route say together."""

    answers: int = 0
    repairs: int = 0
    """Requests that no claim had reserved."""
    tokens: int = 0
    """Used by all of them."""
    used_by: int = 0
    """Answers that used tokens."""
    content: int = 0
    """Tokens that were reserved for the content of their calls, beside those of a usual call."""
    wait: float = 0.0
    """Seconds for which the provider wants no more requests, as it says."""
    requests_left: int | None = None
    tokens_left: int | None = None
    """As the provider counts; None when it does not say."""


@dataclass(slots=True)
class Health:
    """What the answers of one client say about its provider."""

    failures: int = 0
    """The last ones in a row."""
    worked: bool = False
    """Something was answered before those."""
    error_code: str = ""


@dataclass(slots=True)
class Observations:
    by_route: dict[Route, Observation] = field(default_factory=lambda: defaultdict(Observation))
    by_client: dict[str, Health] = field(default_factory=lambda: defaultdict(Health))


def apply_observations(answers: Sequence[StoreAnswer], limits: Limits) -> None:
    """Settle reservations, hold back what the provider refuses, count failures. Trouble with the database is logged."""
    if not answers:
        return
    try:
        observations = read_answers(answers, with_content=_counts_tokens(limits))
        apply_health(observations.by_client, limits)
        for route, observation in observations.by_route.items():
            _apply_rates(route, observation, limits)
    except Error as error:
        logger.warning("limits not updated answers=%s error=%s", len(answers), describe(error))


def read_answers(answers: Iterable[StoreAnswer], *, with_content: bool = False) -> Observations:
    """Sum up answers in the order in which they came. `with_content`: some limit is one of tokens."""
    observations = Observations()
    for command in answers:
        request = command.answer.ai_request
        route = Route(request.client_name, request.model)
        _note_health(observations.by_client[route.client], command)
        observation = observations.by_route[route]
        if with_content and not request.repair:
            observation.content += sum(_content(command.record, request))
        observation.answers += 1
        observation.repairs += bool(request.repair)
        observation.tokens += command.answer.total_tokens
        observation.used_by += bool(command.answer.total_tokens)
        observation.wait = max(observation.wait, _wait(command))
        observation.requests_left = _fewer(
            observation.requests_left, command.headers.get("x-ratelimit-remaining-requests")
        )
        observation.tokens_left = _fewer(observation.tokens_left, command.headers.get("x-ratelimit-remaining-tokens"))
    return observations


def reserve_shown(requests: Sequence[OpenRequest], limits: Limits) -> None:
    """Count the images, audio and files that only a prompt adds to its call: no claim knows of them. It is done once
    the request is written, and not after its answer, so that the next claims see it. Trouble is logged."""
    try:
        if not requests or not _counts_tokens(limits):
            return
        for command in requests:
            request = command.request
            _, added = (0, 0) if request.repair else _content(command.record, request)
            if not added:
                continue
            for limit in matching(limits.snapshot().metered, Route(request.client_name, request.model)):
                left = Greatest(F("tokens_available") - _number(added), _number(-(limit.tokens_per_minute or 0)))
                RateLimit.objects.filter(pk=limit.pk).update(tokens_available=left)
    except Error as error:
        logger.warning("content not reserved requests=%s error=%s", len(requests), describe(error))


def _counts_tokens(limits: Limits) -> bool:
    return any(limit.tokens_per_minute for limit in limits.snapshot().metered)


def _content(call: ServiceCallRecord, request: AIRequestAudit) -> tuple[int, int]:
    """Tokens of what a call shows, which its claim reserved, and of what its prompt adds to that."""
    known = content_tokens(call.input, call.context, call.service_kwargs)
    return known, max(0, content_tokens(request.messages) - known)


# --- health ---------------------------------------------------------------------------------


def _note_health(health: Health, command: StoreAnswer) -> None:
    code = command.answer.error_code
    if code in BROKEN:
        health.failures += 1
        health.error_code = code
    elif code not in SILENT:
        health.failures, health.worked = 0, True


def apply_health(by_client: Mapping[str, Health], limits: Limits) -> None:
    """Close and open circuits by what the clients' providers said; DatabaseError when that cannot be written."""
    conf = engine_settings()
    if not conf.CIRCUIT_FAILURES:
        return
    for client, health in sorted(by_client.items()):
        if health.worked and not limits.snapshot().is_clean(client):
            limits.forget()
            if ProviderCircuit.objects.close(client):
                logger.warning("circuit closed client=%s", client)
        if health.failures:
            limits.forget()
            window, pause = timedelta(seconds=conf.CIRCUIT_WINDOW_SECONDS), timedelta(seconds=conf.CIRCUIT_OPEN_SECONDS)
            ProviderCircuit.objects.count_failures(client, health.failures, health.error_code, window)
            if ProviderCircuit.objects.trip(client, conf.CIRCUIT_FAILURES, pause):
                logger.error("circuit opened client=%s code=%s", client, health.error_code)


# --- rates ----------------------------------------------------------------------------------


def _apply_rates(route: Route, observation: Observation, limits: Limits) -> None:
    if observation.wait > 0:
        block_route(route, observation.wait, limits)
    for limit in matching(limits.snapshot().metered, route):
        _settle(limit, observation)


def block_route(route: Route, wait: float, limits: Limits) -> None:
    """Let nothing start on a route for as many seconds as its provider wants; DatabaseError."""
    seconds = granted(wait) or 0.0
    RateLimit.block(route, later(database_now(), seconds), asked_seconds=wait)
    limits.forget()
    logger.warning("route blocked route=%s seconds=%.1f asked=%.1f", route, seconds, wait)


def _settle(limit: RateLimit, observation: Observation) -> None:
    """Replace what was reserved by what was used, and by the provider's own count where that leaves less.

    The debt is never more than a window's allowance: a count that is wrong holds the route no longer than that.
    """
    row = RateLimit.objects.filter(pk=limit.pk)
    reserved = F("tokens_per_request") * _number(observation.answers - observation.repairs)
    requests = F("requests_available") - _number(observation.repairs)
    tokens = F("tokens_available") + reserved + _number(observation.content - observation.tokens)
    row.update(
        requests_available=Greatest(requests, _number(-(limit.requests_per_minute or 0))),
        tokens_available=Greatest(tokens, _number(-(limit.tokens_per_minute or 0))),
    )
    if observation.used_by:
        weight = 1 - (1 - MEMORY) ** observation.used_by
        mean = max(observation.tokens - observation.content, 0) / observation.used_by
        row.update(tokens_per_request=F("tokens_per_request") * (1 - weight) + mean * weight)
    if limit.routes.is_exact:
        for column, left in (
            ("requests_available", observation.requests_left),
            ("tokens_available", observation.tokens_left),
        ):
            if left is not None:
                row.update(**{column: Least(F(column), _number(left))})


def _number(value: float) -> Value:
    return Value(float(value), output_field=FloatField())


def _wait(command: StoreAnswer) -> float:
    """Seconds for which the provider wants no more requests of this route: it refused one, or nothing is left."""
    waits = [0.0]
    if command.answer.error_code == RATE_LIMITED and command.retry_after:
        waits.append(command.retry_after)
    for what in ("requests", "tokens"):
        if command.headers.get(f"x-ratelimit-remaining-{what}") == "0":
            waits.append(seconds_of(command.headers.get(f"x-ratelimit-reset-{what}", "")) or 0.0)
    return max(waits)


def _fewer(known: int | None, header: str | None) -> int | None:
    if header is None or not COUNT.fullmatch(header):
        return known
    return int(header) if known is None else min(known, int(header))
