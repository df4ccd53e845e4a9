"""How long a provider asks to wait, in every form that is used, and how long we do wait."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from orchestration.conf import engine_settings

DURATION = re.compile(
    r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?", re.ASCII | re.IGNORECASE
)
UNITS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
LONGEST_TEXT = 100
LONGEST = 10 * 365 * 86_400.0
EPOCH_SECONDS, EPOCH_MILLISECONDS = 1e9, 1e11
"""A number from here on is a moment since 1970, not a span of thirty years."""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds the provider asks to wait, as it says; None without a valid value. Names in lower case."""
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        seconds = seconds_of(headers.get(name, ""), per_second=per_second)
        if seconds is not None:
            return seconds
    return None


def seconds_of(text: str, *, per_second: float = 1.0) -> float | None:
    """`6m0s`, `1.5s`, `120ms`, `30`, a date of HTTP or ISO 8601, or a moment in seconds or ms since 1970, as seconds
    from now, from 0 to ten years; None for anything else. `per_second` is the unit of a bare number."""
    text = text.strip()
    if not text or len(text) > LONGEST_TEXT:
        return None
    numbers = [part.strip() for part in text.split(",")]  # a header that was sent twice
    if all(map(NUMBER.fullmatch, numbers)):
        seconds = max(_of_number(float(number), per_second) for number in numbers)
    elif (match := DURATION.fullmatch(text)) is not None:
        seconds = sum(float(part or 0) * unit for part, unit in zip(match.groups(), UNITS, strict=True))
    else:
        seconds = _until(text)
    return min(max(seconds, 0.0), LONGEST) if math.isfinite(seconds) else None


def granted(asked: float | None) -> float | None:
    """Seconds that we do wait: what was asked, at most RETRY_AFTER_CAP_SECONDS; None when nothing sensible was."""
    if asked is None or math.isnan(asked):
        return None
    return min(max(asked, 0.0), engine_settings().RETRY_AFTER_CAP_SECONDS)


def note_if_capped(asked: float | None) -> str:
    """A sentence when the provider asked for more than it is granted; otherwise empty."""
    given = granted(asked)
    if asked is None or given is None or asked <= given:
        return ""
    return f"The provider asked to wait {asked:,.0f} s, capped at {given:,.0f} s."


def _of_number(number: float, per_second: float) -> float:
    if EPOCH_SECONDS <= number < math.inf:
        moment = number if number < EPOCH_MILLISECONDS else number / 1000
        return moment - datetime.now(UTC).timestamp()
    return number / per_second


def _until(date: str) -> float:
    for read in (datetime.fromisoformat, _asctime, parsedate_to_datetime):
        try:
            return (read(date) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError, IndexError, OverflowError):  # not a date of this form, or without a zone
            continue
    return math.nan


def _asctime(text: str) -> datetime:
    """The third form of RFC 9110, which is in UTC and does not say so."""
    return datetime.strptime(text, "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
