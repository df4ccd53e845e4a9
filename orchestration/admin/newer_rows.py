"""How many rows a list would have above its first one, if it were loaded now: a page says so instead of moving.

Only the newest rows are looked at, by the index of the list's order; the table is never counted. Of a list that had no
row, each row is new that it has now, also an old one that came under its filter since: as many are looked for as are
told, the way the list itself looks.
"""

from __future__ import annotations

from copy import copy
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from orchestration.values.generic_refs import key_of

NEWER_THAN = "newer_than"
"""Parameter of a list's address: the key of the first row that is shown; empty when there was none."""
MOST = 99
LOOKED_AT = 5_000
"""Newer rows of any kind that are looked through for those that match the filter."""
SECONDS = 10
SEARCHING_SECONDS = 30
"""With a search, which costs more than a filter."""
ORDERS = ("-id", "-pk", "-created_at", "-dispatched_at", "-received_at", "-persisted_at")
"""Each is served by an index."""


class _Unheard:
    """Takes what a filter has to say, which the page has said already."""

    def add(self, *args: Any) -> None:
        pass


def watching(page: Any, request: HttpRequest, rows: list[Any]) -> dict[str, Any] | None:
    """What the page needs to ask for newer rows; None for lists in another order, and for pages after the first."""
    is_first = request.GET.get("p", "1") in {"", "0", "1"} and "o" not in request.GET
    if not is_first or _order(page, request) not in ORDERS:
        return None
    query = [(name, value) for name in request.GET for value in request.GET.getlist(name) if name not in ("p", "e")]
    return {
        "url": f"{request.path}?{urlencode([*query, (NEWER_THAN, rows[0].pk if rows else '')])}",
        "list": f"{request.path}?{urlencode(query)}",
        "seconds": SEARCHING_SECONDS if request.GET.get("q") else SECONDS,
    }


def _order(page: Any, request: HttpRequest) -> str:
    """What the list is sorted by first."""
    return str(next(iter(page.get_ordering(request) or page.opts.ordering), ""))


def newer_rows(page: Any, request: HttpRequest) -> HttpResponse:
    """`{"count", "more"}`: rows that match the list's filter above the one that is named, of LOOKED_AT rows, or all of
    them when none is; at most MOST are counted. 404 for a row that is not there."""
    if not page.has_view_permission(request):
        raise PermissionDenied
    asked: Any = copy(request)
    asked.GET = request.GET.copy()
    keys = asked.GET.pop(NEWER_THAN)
    asked._messages, asked.is_only_counted = _Unheard(), True
    first = _row(page, keys[-1]) if keys[-1] else None
    try:
        rows: QuerySet[Any] = page.get_changelist_instance(asked).get_queryset(asked)
    except IncorrectLookupParameters:
        raise Http404 from None
    newer, is_cut = (Q(), False) if first is None else _above(page, request, first)
    count = rows.filter(newer).order_by().values("pk")[: MOST + 1].count()
    answer = {"count": min(count, MOST), "more": count > MOST or is_cut}
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


def _row(page: Any, key: str) -> Model:
    found = key_of(page.model, key)
    row: Model | None = None if found is None else page.model._default_manager.filter(pk=found).first()
    if row is None:
        raise Http404
    return row


def _above(page: Any, request: HttpRequest, first: Model) -> tuple[Q, bool]:
    """The rows above one in the order of the list, and whether there are more of them than are looked at."""
    column = _order(page, request).removeprefix("-")
    value = getattr(first, column)
    newer = Q(**{f"{column}__gt": value})
    if column not in {"id", "pk"}:
        newer |= Q(**{column: value}, pk__gt=first.pk)
    upwards = page.model._default_manager.filter(**{f"{column}__gte": value}).order_by(column)
    last = next(iter(upwards.values_list(column, flat=True)[LOOKED_AT : LOOKED_AT + 1]), None)
    bounds = Q(**{f"{column}__gte": value}) if last is None else Q(**{f"{column}__range": (value, last)})
    return newer & bounds, last is not None
