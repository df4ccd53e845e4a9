"""What results became, in the admin: from a chunk to any domain object, and from a call to its objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.contrib.contenttypes.fields import GenericForeignKey
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Field, JSONField, Model, Q, QuerySet, TextField
from django.http import HttpRequest
from django.utils.html import format_html

from orchestration.admin.base import DetailAdmin, link_to, may_read_content
from orchestration.admin.call_actions import call_url
from orchestration.admin.calls import call_link
from orchestration.admin.content_display import JsonText, stored
from orchestration.admin.exact_search import ExactSearch
from orchestration.admin.filters import MomentFilter
from orchestration.admin.sections import Fact, Section, Tab, add_call_sections
from orchestration.models import ServiceCallRecord
from orchestration.theme.parts import display
from orchestration.theme.reach import may_view, seen_in
from orchestration.theme.words import NOTHING, moment
from orchestration.values.generic_refs import Reference, admin_path, which_exist
from orchestration.values.truncated_json import cut, text_of
from orchestration.values.uuid_keys import canonical
from persistence.models import ObjectAction, ObjectRole, PersistedChunk, PersistedObject

MAX_LISTED_OBJECTS = 100
MAX_FIELD = 20_000
"""Characters of one field."""
NEVER_SHOWN = frozenset({"password", "hash", "token_hash", "session_data"})
ROLE_COLOURS = {ObjectRole.PRIMARY.value: "primary", ObjectRole.RELATED.value: ""}
ACTION_COLOURS = {
    ObjectAction.CREATED.value: "success",
    ObjectAction.UPDATED.value: "info",
    ObjectAction.DELETED.value: "danger",
}

Row = PersistedChunk | PersistedObject


def mark_gone(rows: Iterable[Row]) -> None:
    """Fill the generic foreign keys of rows whose objects are gone with None; one query per model, no object read."""
    listed = list(rows)
    there = which_exist(row.reference for row in listed)
    for row in listed:
        if row.reference is not None and not there.get(row.reference, True):
            _foreign_key(row).set_cached_value(row, None)


def is_gone(row: Row) -> bool:
    """Whether the row's object was looked for and not found."""
    return _foreign_key(row).is_cached(row) and row.domain_object is None


def _foreign_key(row: Row) -> GenericForeignKey:
    field = type(row)._meta.get_field("domain_object")
    if not isinstance(field, GenericForeignKey):
        raise TypeError(f"{type(row).__name__}.domain_object is not a generic foreign key.")
    return field


def object_link(request: HttpRequest | None, row: Row) -> str:
    """The object as a link; as text when it has no page that this person may open; struck through when it is gone."""
    reference = row.reference
    if reference is None:
        return NOTHING if row.object_id is None else format_html("{} (its model is gone)", row.label)
    if is_gone(row):
        return format_html('<span class="orca-gone">{}</span> deleted', reference.label)
    return link_to(request, reference)


class ObjectPointerAdmin(ExactSearch, DetailAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    """Rows that point at a domain object."""

    def detail_rows(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return cut(super().detail_rows(rows), self.downloads)

    def prepare_page(self, rows: list[Any]) -> None:
        mark_gone(rows)

    @display(description="Domain object")
    def object_shown(self, row: Row) -> str:
        return object_link(seen_in(row), row)


@admin.register(PersistedChunk)
class PersistedChunkAdmin(ObjectPointerAdmin):
    """One persisted result, or one part of it."""

    list_display = ("number", "schema", "part", "object_shown", "call_link", "namespace", "persisted")
    list_display_links = ("number",)
    list_filter = (("persisted_at", MomentFilter),)
    list_select_related = ("content_type",)
    list_defer = ("summary",)
    ordering = ("-persisted_at", "-id")
    sortable_by = ("persisted",)
    search_fields = ("call_id", "object_id", "schema_identity")
    search_help_text = "Call id, object id or schema"
    detail_related = ("content_type",)
    shows_content = True
    downloads = ("summary",)

    def matching(self, word: str) -> Q:
        """A schema's chunks, else those of a call, and those whose object has this id.

        Objects are found by the rows about them: an index on the chunk's own column, which is set when the chunk is
        there already, would make every drain write all the indexes of the chunk twice.
        """
        chunks = PersistedChunk.objects.order_by()
        schemas = chunks.filter(schema_identity__in=(word, f"schemas.{word}")).values_list("schema_identity", flat=True)
        if schema := schemas.first():
            return Q(schema_identity=schema)
        primary = PersistedObject.objects.filter(object_id=canonical(word), role=ObjectRole.PRIMARY).order_by()
        return Q(pk__in=chunks.filter(call_id=word).values("pk").union(primary.values("chunk")))

    @display(description="Chunk")
    def number(self, chunk: PersistedChunk) -> str:
        return f"#{chunk.pk}"

    @display(description="Schema")
    def schema(self, chunk: PersistedChunk) -> str:
        return chunk.schema_identity.removeprefix("schemas.")

    @display(description="Call")
    def call_link(self, chunk: PersistedChunk) -> str:
        return call_link(seen_in(chunk), chunk.call_id)

    @display(description="Persisted", ordering="persisted_at")
    def persisted(self, chunk: PersistedChunk) -> str:
        return moment(chunk.persisted_at)

    def facts(self, request: HttpRequest, chunk: PersistedChunk) -> Iterable[Fact]:
        mark_gone([chunk])
        call_exists = ServiceCallRecord.objects.filter(pk=chunk.call_id).exists()
        yield _object_fact(chunk)
        yield Fact(
            "Call",
            chunk.call_id if call_exists else f"{chunk.call_id} (pruned)",
            call_url(chunk.call_id) if call_exists else None,
        )
        yield Fact("Schema", f"{chunk.schema_identity} v{chunk.schema_version}")
        yield Fact("Part", chunk.part or NOTHING)
        yield Fact("Handler", f"{chunk.handler_identity} {chunk.handler_fingerprint}".strip() or NOTHING)
        yield Fact("Namespace", chunk.namespace)
        yield Fact("Persisted", moment(chunk.persisted_at))
        if chunk.unseen:
            yield Fact("A revert cannot undo", ", ".join(map(str, chunk.unseen)))
        if chunk.files:
            shown = ", ".join(map(str, chunk.files)) if may_read_content(request) else str(len(chunk.files))
            yield Fact("Files that it saved", shown)

    def sections(self, request: HttpRequest, chunk: PersistedChunk) -> Iterable[Section]:
        yield from _inspection(request, chunk)
        yield _objects_section(request, "Everything it touched", chunk.objects_touched.all())
        yield from _json_section(request, "Summary of the codec", chunk, "summary")


@admin.register(PersistedObject)
class PersistedObjectAdmin(ObjectPointerAdmin):
    """One object that a chunk created or changed."""

    list_display = ("number", "object_shown", "role_badge", "action_badge", "chunk_link")
    list_display_links = ("number",)
    list_filter = ("role", "action")
    list_select_related = ("content_type",)
    list_defer = ("changes",)
    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("object_id", "chunk__call_id")
    search_help_text = "Object id or call id"
    detail_related = ("content_type", "chunk")
    shows_content = True
    downloads = ("changes",)

    def detail_rows(self, rows: QuerySet[PersistedObject]) -> QuerySet[PersistedObject]:
        return super().detail_rows(rows).defer("chunk__summary")

    @display(description="Entry")
    def number(self, touched: PersistedObject) -> str:
        return f"#{touched.pk}"

    @display(description="Role", label=ROLE_COLOURS)
    def role_badge(self, touched: PersistedObject) -> str:
        return touched.role

    @display(description="Action", label=ACTION_COLOURS)
    def action_badge(self, touched: PersistedObject) -> str:
        return touched.action

    @display(description="Chunk")
    def chunk_link(self, touched: PersistedObject) -> str:
        if not may_view(seen_in(touched), PersistedChunk):
            return f"#{touched.chunk_id}"
        return format_html('<a href="{}" class="orca-link">#{}</a>', _chunk_url(touched.chunk_id), touched.chunk_id)

    def facts(self, request: HttpRequest, touched: PersistedObject) -> Iterable[Fact]:
        mark_gone([touched])
        yield _object_fact(touched)
        yield Fact("Role", touched.role, colour=ROLE_COLOURS[touched.role])
        yield Fact("Action", touched.action, colour=ACTION_COLOURS[touched.action])
        yield Fact("Chunk", touched.chunk, _chunk_url(touched.chunk_id))
        yield Fact("Call", touched.chunk.call_id, call_url(touched.chunk.call_id))

    def sections(self, request: HttpRequest, touched: PersistedObject) -> Iterable[Section]:
        yield from _inspection(request, touched)
        yield from _json_section(request, "Changes", touched, "changes")


@add_call_sections
def domain_objects(request: HttpRequest, call: ServiceCallRecord) -> Iterator[Section]:
    """On a call's page: the objects that its result became."""
    if not request.user.has_perm("persistence.view_persistedchunk"):
        return
    chunks = list(PersistedChunk.objects.filter(call_id=call.pk).defer("summary").order_by("id")[:MAX_LISTED_OBJECTS])
    touched = PersistedObject.objects.filter(chunk__call_id=call.pk) if chunks else PersistedObject.objects.none()
    section = _objects_section(request, "Domain objects", touched, tab=Tab.ROWS)
    section.context["chunks"] = [(chunk, _chunk_url(chunk.pk)) for chunk in chunks]
    yield section


def _objects_section(
    request: HttpRequest, title: str, rows: QuerySet[PersistedObject], tab: Tab | None = None
) -> Section:
    """Primary objects first; beyond MAX_LISTED_OBJECTS it only says that there are more."""
    found = list(rows.defer("changes").select_related("content_type").order_by("role", "id")[: MAX_LISTED_OBJECTS + 1])
    listed = found[:MAX_LISTED_OBJECTS]
    mark_gone(listed)
    inspects = may_view(request, PersistedObject)
    return Section(
        title=title,
        tab=tab,
        count=len(listed),
        template="admin/persistence/objects.html",
        context={
            "objects": [
                (each, object_link(request, each), _object_url(each.pk) if inspects else "") for each in listed
            ],
            "more": len(found) > MAX_LISTED_OBJECTS,
            "limit": MAX_LISTED_OBJECTS,
        },
    )


def _inspection(request: HttpRequest, row: Row) -> Iterator[Section]:
    """The object's stored fields, as they are now; of an object that is gone, why nothing is shown."""
    if row.object_id is None:
        return
    obj = None if row.reference is None or is_gone(row) else _domain_object(row.reference)
    where = "" if row.reference and row.reference.admin_url else " (it has no page in this console)"
    yield Section(
        title=f"Domain object{where if obj is not None else ''}",
        template="admin/persistence/object.html",
        context={
            "content": may_read_content(request),
            "label": row.label,
            "model_gone": row.reference is None or row.reference.model is None,
            "found": obj is not None,
            "fields": list(_fields(obj)) if obj is not None else [],
        },
    )


def _domain_object(reference: Reference) -> Model | None:
    """The object that a row points at, with no more of its long columns than `_fields` shows."""
    key = reference.key
    if reference.model is None or key is None:
        return None
    long = [field.name for field in reference.model._meta.concrete_fields if isinstance(field, JSONField | TextField)]
    return cut(reference.model._base_manager.using(DEFAULT_DB_ALIAS), long).filter(pk=key).first()


def _fields(obj: Model) -> Iterator[tuple[str, JsonText]]:
    """Every stored column, by its name for people; secrets of people stay out."""
    for field in obj._meta.concrete_fields:
        if field.name not in NEVER_SHOWN:
            yield str(field.verbose_name), _shown(obj, field)


def _shown(obj: Model, field: Field[Any, Any]) -> JsonText:
    if isinstance(field, JSONField) and (indented := stored(obj, field.name)):
        return indented
    if isinstance(field, JSONField | TextField):
        text, length = text_of(obj, field.name)
        return JsonText((text or "")[:MAX_FIELD], length)
    value = field.value_from_object(obj)
    text = "" if value is None else f"{len(value)} bytes" if isinstance(value, bytes | memoryview) else str(value)
    return JsonText(text[:MAX_FIELD], len(text))


def _json_section(request: HttpRequest, title: str, row: Row, column: str) -> Iterator[Section]:
    url = admin_path(f"persistence_{row._meta.model_name}_content", row.pk, column)
    content = stored(row, column, url=url)
    if content is not None:
        yield Section(
            title=title,
            template="admin/orchestration/parts/payloads.html",
            context={"content": may_read_content(request), "payloads": [(title, content)]},
        )


def _object_fact(row: Row) -> Fact:
    reference: Reference | None = row.reference
    if reference is None:
        gone = row.object_id is not None
        return Fact("Domain object", f"{row.label} (its model is gone)" if gone else NOTHING)
    if is_gone(row):
        return Fact("Domain object", f"{reference.label} (deleted)")
    return Fact("Domain object", reference.label, reference.admin_url)


def _chunk_url(pk: int) -> str:
    return admin_path("persistence_persistedchunk_change", pk)


def _object_url(pk: int) -> str:
    return admin_path("persistence_persistedobject_change", pk)
