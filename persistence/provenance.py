"""From a domain object to the call that made it, and back; and both on any model's admin page."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db.models import F, Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from orchestration.admin.sections import Section
from orchestration.models import ServiceCallRecord
from orchestration.theme.reach import may_view, seen_in, show_to
from orchestration.values.generic_refs import admin_path, find_objects, key_text, why_not_stored
from persistence.models import ObjectAction, PersistedObject
from persistence.models.approval import Decision, DecisionKind, HoldState

MAX_LISTED = 20
LET = (HoldState.APPROVED.value, HoldState.EDITED.value)
DECIDED = {
    DecisionKind.APPROVE.value: "approved by",
    DecisionKind.EDIT.value: "edited by",
    DecisionKind.DEADLINE.value: "approved at its deadline",
}

if TYPE_CHECKING:
    Base = admin.ModelAdmin[Any]
else:
    Base = object


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOf:
    """An object of a call; `object` is None when it is gone."""

    entry: PersistedObject
    object: Model | None


def entries_for(obj: Model) -> QuerySet[PersistedObject]:
    """Everything that calls did to an object, oldest first, each with its chunk: nothing in another database."""
    rows = PersistedObject.objects.select_related("chunk").order_by("pk")
    if why_not_stored(obj):
        return rows.none()
    return rows.filter(content_type=ContentType.objects.get_for_model(obj), object_id=key_text(type(obj), obj.pk))


def call_for(obj: Model) -> ServiceCallRecord | None:
    """The call that created an object, else the last one that changed it; None when none did or it was pruned."""
    entries = list(entries_for(obj))
    created = [entry for entry in entries if entry.action == ObjectAction.CREATED]
    chosen = created[0] if created else entries[-1] if entries else None
    return ServiceCallRecord.objects.filter(pk=chosen.chunk.call_id).first() if chosen else None


def objects_for(call: ServiceCallRecord | str) -> list[ObjectOf]:
    """What a call's result became, in order, primary objects first."""
    call_id = call if isinstance(call, str) else call.pk
    entries = list(
        PersistedObject.objects.filter(chunk__call_id=call_id)
        .select_related("content_type", "chunk")
        .order_by("chunk_id", "role", "pk")
    )
    found = find_objects((entry.reference for entry in entries), most=None)
    return [ObjectOf(entry=entry, object=found.get(entry.reference) if entry.reference else None) for entry in entries]


class ProvenanceMixin(Base):
    """For any ModelAdmin: a read-only field `made_by_calls`, the calls that created or changed the object."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None:
            show_to(request, [obj])
        return _with_provenance(super().get_readonly_fields(request, obj))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return _with_provenance(super().get_fields(request, obj))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Where fieldsets are declared, one more; else the field is among `get_fields` already."""
        sets = list(super().get_fieldsets(request, obj))
        return [*sets, ("Provenance", {"fields": ["made_by_calls"]})] if self.fieldsets else sets

    @admin.display(description="Made by calls")
    def made_by_calls(self, obj: Model) -> SafeString | str:
        known = vars(obj)  # a form asks for each value several times
        if "_made_by_calls" not in known:
            known["_made_by_calls"] = format_html_join(", ", "{}", ((link,) for link in _links(obj))) or "-"
        shown: SafeString | str = known["_made_by_calls"]
        return shown


def provenance_sections(obj: Model) -> Iterator[Section]:
    """For a page that is made of sections: the calls that created or changed the object, if there are any."""
    entries = _links(obj)
    if entries:
        template = "admin/persistence/provenance.html"
        yield Section(title="Made by calls", template=template, context={"entries": entries})


def _with_provenance(names: Iterable[Any]) -> list[Any]:
    return list(_once([*names, "made_by_calls"]))


def _once(names: Iterable[Any]) -> Iterator[Any]:
    yield from dict.fromkeys(names)


def _links(obj: Model) -> list[SafeString]:
    """The calls that created or changed an object, the latest first, each with the people who let it."""
    entries = list(entries_for(obj).order_by("-pk")[:MAX_LISTED])
    people = decided_by({entry.chunk.call_id for entry in entries})
    is_open = may_view(seen_in(obj), ServiceCallRecord)
    return [_link(entry, people.get(entry.chunk.call_id, ""), is_open=is_open) for entry in entries]


def decided_by(call_ids: Collection[str]) -> dict[str, str]:
    """Of calls whose results people let become rows: `edited by anna, approved by berta`. Two queries for all."""
    counted = Q(kind=DecisionKind.EDIT) | Q(digest=F("hold__digest"))  # other approvals were of what was not written
    rows = Decision.objects.filter(counted, kind__in=DECIDED, hold__state__in=LET, hold__tool="").order_by("pk")
    found = list(rows.filter(hold__call_id__in=call_ids).values_list("hold__call_id", "kind", "user"))
    names = {user.pk: str(user) for user in get_user_model()._default_manager.filter(pk__in=[row[2] for row in found])}
    people: dict[str, list[str]] = {}
    for call_id, kind, user in found:
        who = "" if kind == DecisionKind.DEADLINE else f" {names.get(user, 'somebody who is gone')}"
        people.setdefault(call_id, []).append(f"{DECIDED[kind]}{who}")
    return {call_id: ", ".join(said) for call_id, said in people.items()}


def _link(entry: PersistedObject, people: str, *, is_open: bool) -> SafeString:
    """A link to the call, when its page `is_open` to whoever looks."""
    call_id, let = entry.chunk.call_id, f" ({people})" if people else ""
    try:
        url = admin_path("orchestration_servicecallrecord_change", call_id) if is_open else ""
    except NoReverseMatch:
        url = ""
    if not url:
        return format_html("{} by {}{}", entry.action, call_id, let)
    return format_html('{} by <a href="{}">{}</a>{}', entry.action, url, call_id, let)
