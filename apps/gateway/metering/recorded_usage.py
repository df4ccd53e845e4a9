"""The tokens in a request's record: what the provider reported, and estimates of what it did not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from apps.gateway.metering.reported_usage import ReportedUsage, read_usage, said_tokens
from apps.gateway.metering.token_estimate import size_of
from apps.gateway.models import Endpoint, Estimated, Interaction


def record_usage(row: Interaction, sent: dict[str, Any], usage: Any, messages: Iterable[Any] | None) -> None:
    """Token counts as the provider reports them; what it does not report is estimated from the request as it was
    `sent` and from the `messages` of the answer. None: nothing is estimated. The row is not saved."""
    given = read_usage(usage)
    if row.endpoint == Endpoint.EMBEDDINGS:
        given = replace(given, prompt=given.total if given.prompt is None else given.prompt, response=0)
    row.estimated, row.tokens_estimated = "", False
    row.prompt_tokens, row.response_tokens = given.prompt or 0, given.response or 0
    if messages is not None:
        _estimate(row, sent, given, messages)
    row.cached_tokens = min(given.cached, row.prompt_tokens)


def _estimate(row: Interaction, sent: dict[str, Any], given: ReportedUsage, messages: Iterable[Any]) -> None:
    total = given.total if given.prompt is None and given.response is None else None
    if given.prompt is None:
        likely = size_of(sent, row.endpoint, default_output=1).likely_prompt
        row.prompt_tokens = likely if total is None else min(likely, total)
        row.note_estimates(Estimated.PROMPT)
    if given.response is None:
        row.response_tokens = said_tokens(messages) if total is None else total - row.prompt_tokens
        row.note_estimates(Estimated.RESPONSE)
