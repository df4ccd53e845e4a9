"""How pages say durations, costs, moments and ids."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal, localcontext

from django.core.signals import request_started
from django.dispatch import receiver
from django.utils import timezone
from django.utils.html import format_html

from orchestration.clock import database_now
from orchestration.models import ModelPrice
from orchestration.values.moments import is_in_range

NOTHING = "–"  # noqa: RUF001 - a dash, as the rest of the admin shows what is empty
DAYS_AGO = 30
"""Older moments are dates."""


def seconds(duration: timedelta | None) -> str:
    """A duration as `820 ms`, `3.2 s`, `2 min 5 s`, `3 h 20 min` or `2 d 4 h`."""
    if duration is None:
        return NOTHING
    total = duration.total_seconds()
    if total < 1:
        return f"{total * 1000:.0f} ms"
    if total < 60:
        return f"{total:.1f} s"
    if total < 3600:
        return f"{int(total // 60)} min {int(total % 60)} s"
    if total < 86400:
        return f"{int(total // 3600)} h {int(total % 3600 // 60)} min"
    return f"{int(total // 86400)} d {int(total % 86400 // 3600)} h"


# --- moments --------------------------------------------------------------------------------


def exact(at: datetime) -> str:
    """A moment to the second in the reader's time zone, which is named: `2026-11-29 19:03:12 CET`."""
    local = timezone.localtime(at)
    return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"


def ago(at: datetime, now: datetime) -> str:
    """`12 s ago`, `3 min ago`, `in 2 h`, `5 d ago`; what is further away is a date."""
    total = (now - at).total_seconds()
    away = abs(total)
    if away >= DAYS_AGO * 86400:
        return f"{timezone.localtime(at):%Y-%m-%d}"
    short = next(f"{int(away // unit)} {name}" for unit, name in UNITS if away >= unit or unit == 1)
    return f"{short} ago" if total >= 0 else f"in {short}"


UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def moment(at: datetime | None) -> str:
    """How long ago it was, or when it will be; the exact time is shown when one points at it. The script of the
    console keeps it true while the page is open."""
    if at is None:
        return NOTHING
    if not is_in_range(at):
        return "unreadable"
    shown = ago(at, database_now())
    return format_html(
        '<time class="orca-ago orca-nowrap" datetime="{}" title="{}">{}</time>', at.isoformat(), exact(at), shown
    )


# --- costs ----------------------------------------------------------------------------------


class _Known:
    """What this process knows of the currency, until the next request."""

    currency: str | None = None


def currency() -> str:
    """That of the prices: `USD`; empty without prices, `EUR/USD` when they differ, so that nobody takes a sum for what
    it is not. One query a request."""
    found = _Known.currency
    if found is None:
        named = ModelPrice.objects.order_by("currency").values_list("currency", flat=True).distinct()
        found = _Known.currency = "/".join(named)
    return found


@receiver(request_started)
def forget_currency(**_: object) -> None:
    """Look again when next asked."""
    _Known.currency = None


def money(cost: Decimal | None) -> str:
    """A cost without trailing zeros, with its currency; a dash when it is unknown."""
    return NOTHING if cost is None else f"{cost.normalize():f} {currency()}".rstrip()


def rounded_money(cost: Decimal | None) -> str:
    """A cost to three digits for a column of a list; the whole is shown when one points at it."""
    if cost is None:
        return NOTHING
    with localcontext(prec=3):
        shown = money(+cost)
    return format_html('<span class="orca-nowrap" title="{}">{}</span>', money(cost), shown)


# --- ids ------------------------------------------------------------------------------------


def short_id(call_id: str) -> str:
    """The end of a call's id: the start of a time-ordered one is the same for all of a day."""
    return f"…{call_id[-8:]}" if len(call_id) > 12 else call_id


def id_cell(key: object) -> str:
    """A short id in a row of a list; the script of the console puts a button beside it that copies the whole."""
    text = str(key)
    return format_html('<span class="orca-nowrap" title="{0}" data-id="{0}">{1}</span>', text, short_id(text))


def copyable(text: str, shown: str = "") -> str:
    """A text, or a short form of it, with a button that copies the whole."""
    return format_html(
        '<span class="orca-id" title="{}">{}</span><button type="button" class="orca-copy" data-copy="{}"'
        ' aria-label="Copy {}"><span class="material-symbols-outlined" aria-hidden="true">content_copy</span></button>',
        text,
        shown or text,
        text,
        text,
    )


def nowrap(text: object) -> str:
    """A value that stays on one line."""
    return format_html('<span class="orca-nowrap">{}</span>', text)
