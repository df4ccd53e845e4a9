"""Chats and their messages in the console, each message with the call it belongs to."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from apps.chatlab.exports import MESSAGES
from apps.chatlab.models import ChatSession, Delivery, Message, MessageMedia
from orchestration.admin.added import add_list_action
from orchestration.admin.base import ReadOnlyAdmin
from persistence.admin.exports import export_action
from persistence.provenance import ProvenanceMixin

DELIVERY_COLOURS = {
    Delivery.PENDING.label: "info",
    Delivery.DELIVERED.label: "success",
    Delivery.FAILED.label: "danger",
}
EXCERPT = 80


add_list_action(Message, export_action(MESSAGES))


class MediaInline(TabularInline):
    model = MessageMedia
    extra = 0
    can_delete = False


@admin.register(Message)
class MessageAdmin(ProvenanceMixin, ReadOnlyAdmin):
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
    list_filter = ("role", "message_type", "delivery_status", "created_at")
    list_select_related = ("simulation",)
    search_fields = ("content", "simulation__sim_patient_full_name", "=call__id")
    date_hierarchy = "created_at"
    inlines = (MediaInline,)
    exclude = ("call",)
    readonly_fields = ("call_link",)

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
        url = reverse("admin:orchestration_servicecallrecord_change", args=[message.call_id])
        return format_html('<a href="{}" class="text-primary-600">{}</a>', url, message.call_id)


@admin.register(ChatSession)
class ChatSessionAdmin(ReadOnlyAdmin):
    list_display = ("id", "simulation", "created_at", "messages")
    list_select_related = ("simulation",)
    search_fields = ("simulation__sim_patient_full_name",)

    @display(description="Messages")
    def messages(self, session: ChatSession) -> SafeString:
        url = f"{reverse('admin:chatlab_message_changelist')}?simulation__id__exact={session.simulation_id}"
        return format_html('<a href="{}" class="text-primary-600">messages</a>', url)
