"""Sessions, the commands and the notes of instructors in the console, all read-only."""

from __future__ import annotations

from django.contrib import admin

from apps.trainerlab.models import InstructorNote, SessionEvent, TrainerSession
from orchestration.admin.base import ReadOnlyAdmin, ReadOnlyInline


class SessionEventInline(ReadOnlyInline):
    model = SessionEvent
    fields = ("created_at", "kind", "data", "actor", "command_key")
    readonly_fields = fields
    list_select_related = ("actor",)


@admin.register(TrainerSession)
class TrainerSessionAdmin(ReadOnlyAdmin):
    list_display = ("id", "simulation", "template", "instructor", "created_at")
    list_filter = ("template", "created_at")
    list_select_related = ("simulation", "template", "instructor")
    search_fields = ("simulation__sim_patient_full_name", "template__title", "instructor__email")
    inlines = (SessionEventInline,)


@admin.register(SessionEvent)
class SessionEventAdmin(ReadOnlyAdmin):
    list_display = ("id", "session", "kind", "data", "actor", "created_at")
    list_filter = ("kind", "created_at")
    list_select_related = ("session", "actor")
    search_fields = ("session__simulation__sim_patient_full_name", "actor__email", "command_key")
    readonly_fields = ("created_at", "actor")


@admin.register(InstructorNote)
class InstructorNoteAdmin(ReadOnlyAdmin):
    list_display = ("id", "session", "message_sequence", "content", "author", "updated_at")
    list_filter = ("created_at",)
    list_select_related = ("session", "author")
    search_fields = ("content", "author__email", "session__simulation__sim_patient_full_name")
