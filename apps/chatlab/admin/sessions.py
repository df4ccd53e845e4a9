"""Chats in the console."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from apps.chatlab.models import ChatSession, Message
from orchestration.admin.base import ReadOnlyAdmin
from orchestration.theme.reach import may_view, seen_in


@admin.register(ChatSession)
class ChatSessionAdmin(ReadOnlyAdmin):
    list_display = ("id", "simulation", "created_at", "messages")
    list_select_related = ("simulation",)
    search_fields = ("simulation__sim_patient_full_name",)

    @display(description="Messages")
    def messages(self, session: ChatSession) -> SafeString | str:
        if not may_view(seen_in(session), Message):
            return "-"
        url = f"{reverse('admin:chatlab_message_changelist')}?simulation__id__exact={session.simulation_id}"
        return format_html('<a href="{}" class="text-primary-600">messages</a>', url)
