"""From a domain object to the call that made it, and back; and both on any model's admin page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from orchestration.admin.sections import Section
from orchestration.models import ServiceCallRecord
from orchestration.values.generic_refs import admin_path, find_objects, key_text, why_not_stored
from persistence.models import ObjectAction, PersistedObject

MAX_LISTED = 20

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
            entries = entries_for(obj).order_by("-pk")[:MAX_LISTED]
            known["_made_by_calls"] = format_html_join(", ", "{}", ((_link(entry),) for entry in entries)) or "-"
        shown: SafeString | str = known["_made_by_calls"]
        return shown


def provenance_sections(obj: Model) -> Iterator[Section]:
    """For a page that is made of sections: the calls that created or changed the object, if there are any."""
    entries = [_link(entry) for entry in entries_for(obj).order_by("-pk")[:MAX_LISTED]]
    if entries:
        template = "admin/persistence/provenance.html"
        yield Section(title="Made by calls", template=template, context={"entries": entries})


def _with_provenance(names: Iterable[Any]) -> list[Any]:
    return list(_once([*names, "made_by_calls"]))


def _once(names: Iterable[Any]) -> Iterator[Any]:
    yield from dict.fromkeys(names)


def _link(entry: PersistedObject) -> SafeString:
    call_id = entry.chunk.call_id
    try:
        url = admin_path("orchestration_servicecallrecord_change", call_id)
    except NoReverseMatch:
        return format_html("{} by {}", entry.action, call_id)
    return format_html('{} by <a href="{}">{}</a>', entry.action, url, call_id)
