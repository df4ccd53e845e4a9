"""Dates and times as pages write them that name no format of their own."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from django.utils.formats import localize


@pytest.mark.parametrize(
    ("zone", "shown"), [("UTC", "2026-11-30 00:28:05 UTC"), ("Europe/Berlin", "2026-11-30 01:28:05 CET")]
)
def test_midnight_is_not_twelve_in_the_morning(zone: str, shown: str) -> None:
    """24 hours, and the zone of the reader named."""
    midnight = datetime(2026, 11, 30, 0, 28, 5, tzinfo=UTC)
    assert localize(timezone.localtime(midnight, ZoneInfo(zone))) == shown


def test_days_begin_with_the_year() -> None:
    assert localize(date(2026, 11, 30)) == "2026-11-30"
    assert localize(time(0, 28, 5)) == "00:28:05"
