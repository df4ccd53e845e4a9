"""What answers teach: tokens really used, how long the provider wants us to wait, and whether it works at all.

Runs after the answers are committed, a transaction for each row: it never holds one row and waits for another, so it
cannot deadlock with claims, which lock several. What is lost here costs precision, never a call.
"""

from __future__ import annotations

import logging
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import Error
from django.db.models import F, FloatField, Value
from django.db.models.functions import Least
from django.utils import timezone

from orchestration.conf import engine_settings
from orchestration.engine.limits import Limits, matching
from orchestration.engine.ops import StoreAnswer
from orchestration.lanes import Lane
from orchestration.log import describe
from orchestration.models import ProviderCircuit, RateLimit

logger = logging.getLogger(__name__)

BROKEN = {"timeout", "connection_error", "provider_unavailable"}
"""Error codes that speak against the provider; any other answer shows that it works."""
SILENT = {"internal_error", "provider_key_missing", "provider_key_invalid", "paid_requests_forbidden", "not_configured"}
"""Error codes that say nothing about it: it was not asked."""
RATE_LIMITED = "rate_limited"
MEMORY = 0.1
"""The weight of a new answer in the moving average of tokens per request."""
DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
UNITS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
LONGEST_RESET = 86_400.0


@dataclass(slots=True)
class Lesson:
    """What the answers of one lane say together."""

    answers: int = 0
    repairs: int = 0
    """Requests that no claim had reserved."""
    tokens: int = 0
    """Used by all of them."""
    used_by: int = 0
    """Answers that used tokens."""
    wait: float = 0.0
    """Seconds for which the provider wants no more requests."""
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
class Lessons:
    by_lane: dict[Lane, Lesson] = field(default_factory=lambda: defaultdict(Lesson))
    by_client: dict[str, Health] = field(default_factory=lambda: defaultdict(Health))


def learn(answers: Sequence[StoreAnswer], limits: Limits) -> None:
    """Settle reservations, hold back what the provider refuses, count failures. Trouble with the database is logged."""
    if not answers:
        return
    lessons = read_answers(answers)
    try:
        _learn_health(lessons.by_client, limits)
        for lane, lesson in lessons.by_lane.items():
            _learn_lane(lane, lesson, limits)
    except Error as error:
        logger.warning("limits not updated answers=%s error=%s", len(answers), describe(error))


def read_answers(answers: Iterable[StoreAnswer]) -> Lessons:
    """Sum up answers in the order in which they came."""
    lessons = Lessons()
    for op in answers:
        request = op.answer.ai_request
        lane = Lane(request.client_name, request.model)
        _judge(lessons.by_client[lane.client], op)
        lesson = lessons.by_lane[lane]
        lesson.answers += 1
        lesson.repairs += bool(request.repair)
        lesson.tokens += op.answer.total_tokens
        lesson.used_by += bool(op.answer.total_tokens)
        lesson.wait = max(lesson.wait, _wait(op))
        lesson.requests_left = _fewer(lesson.requests_left, op.headers.get("x-ratelimit-remaining-requests"))
        lesson.tokens_left = _fewer(lesson.tokens_left, op.headers.get("x-ratelimit-remaining-tokens"))
    return lessons


def seconds_of(text: str) -> float:
    """`6m0s`, `1.5s`, `120ms` or `30` as seconds, at most a day; 0 for anything else."""
    match = DURATION.fullmatch(text.strip()) if text.strip() else None
    if match is not None:
        return min(
            sum(float(part or 0) * unit for part, unit in zip(match.groups(), UNITS, strict=True)), LONGEST_RESET
        )
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), LONGEST_RESET) if math.isfinite(seconds) else 0.0


# --- health ---------------------------------------------------------------------------------


def _judge(health: Health, op: StoreAnswer) -> None:
    code = op.answer.error_code
    if code in BROKEN:
        health.failures += 1
        health.error_code = code
    elif code not in SILENT:
        health.failures, health.worked = 0, True


def _learn_health(by_client: Mapping[str, Health], limits: Limits) -> None:
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


def _learn_lane(lane: Lane, lesson: Lesson, limits: Limits) -> None:
    if lesson.wait > 0:
        RateLimit.block(lane, timezone.now() + timedelta(seconds=lesson.wait))
        limits.forget()
        logger.warning("lane blocked lane=%s seconds=%.1f", lane, lesson.wait)
    for limit in matching(limits.snapshot().metered, lane):
        _settle(limit, lesson)


def _settle(limit: RateLimit, lesson: Lesson) -> None:
    """Give back what was reserved, take what was used; believe the provider when it counts less than is left here."""
    row = RateLimit.objects.filter(pk=limit.pk)
    reserved = F("tokens_per_request") * Value(float(lesson.answers - lesson.repairs), output_field=FloatField())
    row.update(
        requests_available=F("requests_available") - lesson.repairs,
        tokens_available=F("tokens_available") + reserved - float(lesson.tokens),
    )
    if lesson.used_by:
        weight = 1 - (1 - MEMORY) ** lesson.used_by
        mean = lesson.tokens / lesson.used_by
        row.update(tokens_per_request=F("tokens_per_request") * (1 - weight) + mean * weight)
    if limit.lanes.is_exact:
        for column, left in (("requests_available", lesson.requests_left), ("tokens_available", lesson.tokens_left)):
            if left is not None:
                row.update(**{column: Least(F(column), Value(float(left), output_field=FloatField()))})


def _wait(op: StoreAnswer) -> float:
    """Seconds for which the provider wants no more requests of this lane: it refused one, or nothing is left."""
    waits = [0.0]
    if op.answer.error_code == RATE_LIMITED and op.retry_after:
        waits.append(op.retry_after)
    for what in ("requests", "tokens"):
        if op.headers.get(f"x-ratelimit-remaining-{what}") == "0":
            waits.append(seconds_of(op.headers.get(f"x-ratelimit-reset-{what}", "")))
    return max(waits)


def _fewer(known: int | None, told: str | None) -> int | None:
    if told is None or not told.isdecimal():
        return known
    return int(told) if known is None else min(known, int(told))
