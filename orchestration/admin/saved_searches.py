"""Saved searches above the list of calls: kept under a name, shared or one's own, and forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

from orchestration.admin.base import may_read_content
from orchestration.admin.indexed_search import SearchRefused, search
from orchestration.models import ServiceCallRecord
from orchestration.models.saved_searches import MOST_OF_ONE, SavedSearch

LIST = "admin:orchestration_servicecallrecord_changelist"
DELETE = "orchestration.delete_savedsearch"
"""To remove what somebody else shares, who may have left."""
LONGEST_QUERY = 4_000
SHOWN = 100
DELETED = "a deleted user"
NO_NAME = "A search is saved under a name of at most 80 characters."
TOO_LONG = f"Only a search or filter of at most {LONGEST_QUERY:,} characters is saved."
NO_PART_OF_IT = ("p", "e", "_popup")
"""Parameters of a list's address that are not what it is asked for."""


class SearchForm(forms.Form):
    name = forms.CharField(max_length=80)
    is_shared = forms.BooleanField(required=False)
    query = forms.CharField(max_length=LONGEST_QUERY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One of the links."""

    name: str
    url: str
    is_current: bool
    shared_by: str
    """Who shares it, when that is somebody else, also when they were deleted."""
    forget_url: str
    """Where this person may remove it."""


def asked_for(given: QueryDict) -> str:
    """The search and the filters of a list, as text that is the same for the same question."""
    pairs = [(name, value) for name in sorted(given) for value in given.getlist(name) if name not in NO_PART_OF_IT]
    return urlencode([pair for pair in pairs if pair[1]])


def searches_above(request: HttpRequest) -> dict[str, Any]:
    """What the template above the list needs. One query."""
    now = asked_for(request.GET)
    rows = SavedSearch.objects.shown_to(request.user, content=may_read_content(request)).select_related("owner")
    return {"listed": [_shown(request, row, now) for row in rows[:SHOWN]], "query": now}


def _shown(request: HttpRequest, row: SavedSearch, now: str) -> Shown:
    is_mine = row.owner_id == request.user.pk
    forget = reverse("admin:orchestration_servicecallrecord_forget_search", args=(row.pk,))
    return Shown(
        name=row.name,
        url=f"{reverse(LIST)}?{row.query}",
        is_current=bool(now) and row.query == now,
        shared_by="" if is_mine else str(row.owner or DELETED),
        forget_url=forget if is_mine or request.user.has_perm(DELETE) else "",
    )


def save_search(request: HttpRequest) -> HttpResponse:
    """Keep what the list is asked for, under a name; back to the list."""
    form = SearchForm(request.POST)
    if not form.is_valid():
        messages.error(request, NO_NAME if "name" in form.errors else TOO_LONG)
        return HttpResponseRedirect(reverse(LIST))
    given = form.cleaned_data
    query = asked_for(QueryDict(given["query"]))
    mine = SavedSearch.objects.filter(owner=request.user.pk)
    if mine.exclude(name=given["name"]).count() >= MOST_OF_ONE:
        messages.error(request, f"You have {MOST_OF_ONE} saved searches: forget one first.")
    else:
        values = {"query": query, "is_shared": given["is_shared"], "needs_content": needs_content(query)}
        mine.update_or_create(owner_id=request.user.pk, name=given["name"], defaults=values)
        messages.success(request, f"Saved as “{given['name']}”{', for everybody' if given['is_shared'] else ''}.")
    return HttpResponseRedirect(f"{reverse(LIST)}?{query}")


def forget_search(request: HttpRequest, search_id: int) -> HttpResponse:
    """Remove one's own saved search, or with the permission to delete them, anybody's."""
    row = SavedSearch.objects.filter(pk=search_id).first()
    if row is None:
        raise Http404
    if row.owner_id != request.user.pk and not request.user.has_perm(DELETE):
        raise PermissionDenied
    row.delete()
    messages.success(request, f"The saved search “{row.name}” was removed.")
    return HttpResponseRedirect(reverse(LIST))


def needs_content(query: str) -> bool:
    """Whether somebody who may not read content would be refused this search."""
    text = QueryDict(query).get("q", "").strip()
    try:
        if text:
            search(ServiceCallRecord.objects.all(), text, content=False)
    except SearchRefused:
        return True
    return False
