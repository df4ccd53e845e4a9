"""Which held results somebody goes through, and which comes after one: by keys of an index, never by counting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q
from django.urls import reverse

from orchestration.values.generic_refs import admin_path
from persistence.models.approval import Hold, HoldQuerySet, Trigger

KEPT = "_changelist_filters"
"""The parameter in which Django keeps a list's filters on the page of a row."""
SERVICE, REASON, ASSIGNEE = "service", "reason", "assignee"
MINE, OF_MY_GROUPS, NOBODYS = "me", "groups", "nobody"
ASSIGNEES = ((MINE, "me"), (OF_MY_GROUPS, "my groups"), (NOBODYS, "nobody"))


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldQueue:
    """The open ones that a list shows with its filters, to one person."""

    user: Any
    service: str = ""
    reason: str = ""
    assignee: str = ""

    @classmethod
    def of(cls, user: Any, sent: Mapping[str, Any]) -> HoldQueue:
        """By the parameters of the list; what no filter has is left out."""
        reason, assignee = sent.get(REASON, ""), sent.get(ASSIGNEE, "")
        return cls(
            user=user,
            service=sent.get(SERVICE, "").replace("\x00", ""),
            reason=reason if reason in Trigger.values else "",
            assignee=assignee if assignee in dict(ASSIGNEES) else "",
        )

    @property
    def query(self) -> str:
        """As the address of the list has it."""
        named = {SERVICE: self.service, REASON: self.reason, ASSIGNEE: self.assignee}
        return urlencode({name: value for name, value in named.items() if value})

    def narrowed(self, rows: HoldQuerySet) -> HoldQuerySet:
        """These of some holds."""
        if self.service:
            rows = rows.filter(service_identity=self.service)
        if self.reason:
            rows = rows.filter(trigger=self.reason)
        if self.assignee == MINE:
            rows = rows.filter(assignee=self.user)
        elif self.assignee == OF_MY_GROUPS:
            rows = rows.filter(group__in=list(self.user.groups.values_list("pk", flat=True)))
        elif self.assignee == NOBODYS:
            rows = rows.filter(assignee=None, group=None)
        return rows

    def open(self) -> HoldQuerySet:
        """In the order in which people take them."""
        return self.narrowed(Hold.objects.open()).in_order()

    def after(self, hold: Hold) -> int | None:
        """The key of the one that comes next; None behind the last."""
        return next(self._behind(hold), None)

    def before(self, hold: Hold) -> int | None:
        """The key of the one before."""
        return next(self._ahead(hold), None)

    def next_after(self, hold: Hold) -> int | None:
        """The key of the one to decide on next: behind the last, the first one again."""
        following = self.after(hold)
        return self.open().exclude(pk=hold.pk).values_list("pk", flat=True).first() if following is None else following

    def _behind(self, hold: Hold) -> Iterator[int]:
        """Each part is a range of the index, which a comparison of all three columns at once would not be."""
        keys = self.open().values_list("pk", flat=True)
        later = Q(opened_at__gt=hold.opened_at) | Q(opened_at=hold.opened_at, pk__gt=hold.pk)
        yield from keys.filter(later, priority=hold.priority, opened_at__gte=hold.opened_at)[:1]
        yield from keys.filter(priority__lt=hold.priority)[:1]

    def _ahead(self, hold: Hold) -> Iterator[int]:
        keys = self.open().reverse().values_list("pk", flat=True)
        earlier = Q(opened_at__lt=hold.opened_at) | Q(opened_at=hold.opened_at, pk__lt=hold.pk)
        yield from keys.filter(earlier, priority=hold.priority, opened_at__lte=hold.opened_at)[:1]
        yield from keys.filter(priority__gt=hold.priority)[:1]

    # --- addresses ----------------------------------------------------------------------------

    def list_url(self) -> str:
        return _with(reverse("admin:persistence_hold_changelist"), self.query)

    def item_url(self, hold_id: int) -> str:
        return self._about("persistence_hold_change", hold_id)

    def edit_url(self, hold_id: int) -> str:
        return self._about("persistence_hold_edit", hold_id)

    def _about(self, page: str, hold_id: int) -> str:
        return _with(admin_path(page, hold_id), urlencode({KEPT: self.query}) if self.query else "")


def _with(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path
