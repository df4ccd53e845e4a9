"""Invitations in the console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from apps.accounts.admin.delegation import signed_in
from apps.accounts.email_links import claim_link, keep_unsent
from apps.accounts.errors import AccountRefused
from apps.accounts.models import User
from apps.accounts.models.invitations import Invitation, InvitationEvent, InvitationState
from apps.accounts.models.roles import UserRole, invitable_by
from apps.accounts.services.invitations import invite, resend, revoke
from apps.accounts.throttle import INVITATION_EMAILS
from orchestration.admin.base import ReadOnlyAdmin, ReadOnlyInline
from orchestration.api.errors import ApiError


class NewInvitationForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    class Meta:
        model = Invitation
        fields = ("email", "role")


class InvitationEventInline(ReadOnlyInline):
    model = InvitationEvent
    fields = ("created_at", "action", "actor", "detail")
    readonly_fields = fields
    list_select_related = ("actor",)


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Adding one sends it. The token is in the email and nowhere else; sending it again makes a new token."""

    form = NewInvitationForm
    list_display = ("email", "role", "state", "invited_by", "created_at", "expires_at", "sent_at")
    list_filter = ("role", "created_at")
    list_select_related = ("invited_by",)
    search_fields = ("email", "invited_by__email")
    fields = ("email", "role")
    inlines = (InvitationEventInline,)
    actions = ("resend_selected", "revoke_selected")

    STATES: dict[str, str] = {
        InvitationState.OPEN: "info",
        InvitationState.CLAIMED: "success",
        InvitationState.EXPIRED: "warning",
        InvitationState.REVOKED: "danger",
    }

    @display(description="State", label=STATES)
    def state(self, invitation: Invitation) -> str:
        return invitation.state

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.add_invitation"))

    def has_manage_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("accounts.change_invitation"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (
            ("email", "role", "invited_by", "expires_at", "sent_at", "claimed_by", "claimed_at") if obj else self.fields
        )

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "role":
            mine = invitable_by(signed_in(request))
            kwargs["choices"] = [(role.value, role.label) for role in UserRole if role in mine]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except (AccountRefused, ApiError) as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.path)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        INVITATION_EMAILS.check(str(request.user.pk), "invitations")
        made = invite(obj.email, UserRole(obj.role), signed_in(request), claim_link(request))
        vars(obj).update(vars(made))
        _warn_if_unsent(request, made)

    @admin.action(description="Send the selected invitations again", permissions=["manage"])
    def resend_selected(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        def send(pk: int, user: User) -> None:
            INVITATION_EMAILS.check(str(user.pk), "invitations")
            _warn_if_unsent(request, resend(pk, user, claim_link(request)))

        self._each(request, queryset, send, "Sent again")

    @admin.action(description="Revoke the selected invitations", permissions=["manage"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        self._each(request, queryset, revoke, "Revoked")

    def _each(self, request: HttpRequest, rows: QuerySet[Invitation], operation: Any, done: str) -> None:
        """Do it for each invitation on its own, with an entry in its history and a message."""
        for invitation in rows:
            try:
                operation(invitation.pk, request.user)
            except (AccountRefused, ApiError) as error:
                messages.warning(request, f"{invitation.email}: {error}")
            else:
                self.log_change(request, invitation, f"{done}.")
                messages.success(request, f"{done}: {invitation.email}.")


def _warn_if_unsent(request: HttpRequest, invitation: Invitation) -> None:
    if invitation.unsent_link:
        keep_unsent(request, invitation)
        where = format_html('<a href="{}">Copy its link</a>', reverse("training:invitations"))
        messages.warning(request, format_html("The email to {} could not be sent. {}.", invitation.email, where))
