"""The time zone of whoever reads a page: their browser names it in a cookie (static/site/zone.js)."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

COOKIE = "timezone"
OFFSET = re.compile(r"([+-])(\d\d)(\d\d)?")
"""What zones without letters of their own are abbreviated as."""


def zone_of(request: HttpRequest) -> ZoneInfo | None:
    """The zone that the reader's browser named; None when it named none, or none that exists."""
    name = request.COOKIES.get(COOKIE, "")
    return ZoneInfo(name) if name in _known() else None


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones())


def is_readers_zone() -> bool:
    """Whether times are shown in a zone that a browser named."""
    return timezone.get_current_timezone_name() != settings.TIME_ZONE


def zone_name() -> str:
    """The zone that times are shown in, as people name it: `Europe/Berlin`."""
    return timezone.get_current_timezone_name().replace("_", " ")


def abbreviation(moment: datetime) -> str:
    """The zone of a moment where it is shown, in short: `CET`, `UTC`, `UTC-3`, `UTC+5:30`."""
    short = timezone.localtime(moment).tzname() or "UTC"
    offset = OFFSET.fullmatch(short)
    if offset is None:
        return short
    minutes = f":{offset[3]}" if offset[3] and offset[3] != "00" else ""
    return f"UTC{offset[1]}{int(offset[2])}{minutes}"
