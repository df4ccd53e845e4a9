"""Messages in the console, each with its call; their text is shown to those who may read content."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Max, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.chatlab.exports import MESSAGES
from apps.chatlab.models import Delivery, Message, MessageMedia
from apps.simulation.models import Simulation
from orchestration.admin.base import ReadOnlyAdmin, ReadOnlyInline, may_read_content
from orchestration.admin.extensions import add_list_action
from orchestration.admin.filters import MomentFilter
from orchestration.models import ServiceCallRecord
from orchestration.theme.reach import may_view, seen_in
from orchestration.values.generic_refs import admin_path
from persistence.admin.exports import export_action
from persistence.provenance import ProvenanceMixin

DELIVERY_COLOURS = {
    Delivery.PENDING.label: "info",
    Delivery.DELIVERED.label: "success",
    Delivery.FAILED.label: "danger",
}

EXCERPT = 80

FOUND_SIMULATIONS = 100

FOUND_TEXTS = 1000

WINDOW = 50_000
"""Content is searched in this many of the newest messages, because it has no index."""

add_list_action(Message, export_action(MESSAGES))


class MediaInline(ReadOnlyInline):
    model = MessageMedia


@admin.register(Message)
class MessageAdmin(ProvenanceMixin, ReadOnlyAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    list_display = (
        "id",
        "simulation",
        "sequence",
        "role",
        "message_type",
        "excerpt",
        "delivery",
        "call_link",
        "created_at",
    )
    list_filter = ("role", "message_type", "delivery_status", ("created_at", MomentFilter))
    linked_lookups = ("simulation__id__exact",)
    list_select_related = ("simulation",)
    search_fields = ("id",)  # shows the search field; get_search_results searches
    search_help_text = "Call id, patient, or text of the newest messages"
    inlines = (MediaInline,)
    exclude = ("call",)
    readonly_fields = ("call_link",)
    content_columns = ("excerpt", "content")
    shows_content = True

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        named = Simulation.objects.filter(sim_patient_full_name__icontains=text).order_by("-pk")
        which = Q(call=text) | Q(simulation__in=list(named.values_list("pk", flat=True)[:FOUND_SIMULATIONS]))
        if may_read_content(request):
            newest = Message.objects.aggregate(last=Max("pk"))["last"] or 0
            said = Message.objects.filter(pk__gt=newest - WINDOW, content__icontains=text).order_by("-pk")
            which |= Q(pk__in=list(said.values_list("pk", flat=True)[:FOUND_TEXTS]))
        return queryset.filter(which), False

    @display(description="Content")
    def excerpt(self, message: Message) -> str:
        return message.content if len(message.content) <= EXCERPT else f"{message.content[:EXCERPT]}…"

    @display(description="Delivery", ordering="delivery_status", label=DELIVERY_COLOURS)
    def delivery(self, message: Message) -> str:
        return message.get_delivery_status_display()

    @display(description="Call")
    def call_link(self, message: Message) -> SafeString | str:
        if message.call_id is None:
            return "-"
        if not may_view(seen_in(message), ServiceCallRecord):
            return str(message.call_id)
        url = admin_path("orchestration_servicecallrecord_change", message.call_id)
        return format_html('<a href="{}" class="text-primary-600">{}</a>', url, message.call_id)
