"""People and their API keys in the console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import JSONField, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.accounts.errors import AccountRefused
from apps.accounts.invitations import Invitation, InvitationEvent, InvitationState
from apps.accounts.inviting import invite, resend, revoke
from apps.accounts.links import claim_link
from apps.accounts.models import ApiKey, User, checked_scopes
from apps.accounts.roles import Scope, UserRole, invitable_by
from orchestration.admin.base import ReadOnlyAdmin


class NewUserForm(UserCreationForm):
    class Meta:
        model = User
        fields = ("email", "role")
        field_classes: dict[str, type[forms.Field]] = {}


class ChangeUserForm(UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"
        field_classes: dict[str, type[forms.Field]] = {}


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]  # as of ReadOnlyAdmin; no [User] at run time
    form = ChangeUserForm
    add_form = NewUserForm
    change_password_form = AdminPasswordChangeForm
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "role", "is_staff", "is_active", "last_login")
    list_filter = ("role", "is_staff", "is_active")
    search_fields = ("email", "first_name", "last_name")
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "password", "role")}),
        ("Person", {"fields": ("first_name", "last_name")}),
        ("Permissions", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets: Any = ((None, {"classes": ("wide",), "fields": ("email", "role", "password1", "password2")}),)


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    """Groups, in this console's theme."""


SHORT_LISTS: dict[Any, Any] = {JSONField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 2})}}
"""Lists of a few names, which forms would give room for ten lines."""


class ApiKeyForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    scopes = forms.MultipleChoiceField(
        choices=[(str(scope), str(scope)) for scope in Scope], widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = ApiKey
        fields = (
            "owner",
            "name",
            "scopes",
            "allowed_models",
            "requests_per_minute",
            "tokens_per_minute",
            "budget",
            "budget_period",
            "expires_at",
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        owner = cleaned.get("owner") or self.instance.owner
        try:
            cleaned["scopes"] = checked_scopes(owner, cleaned.get("scopes", []))
        except ValueError as error:
            self.add_error("scopes", str(error))
        return cleaned


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Keys by prefix; the hash is never shown and the secret once, when the key is created."""

    form = ApiKeyForm
    formfield_overrides = SHORT_LISTS  # type: ignore[misc]  # unfold adds its own to the instance
    list_display = ("name", "prefix", "owner", "state", "requests_per_minute", "spent", "last_used_at", "created_at")
    list_filter = ("budget_period",)
    list_select_related = ("owner",)
    search_fields = ("name", "prefix", "owner__email")
    autocomplete_fields = ("owner",)
    readonly_fields = ("prefix", "spent", "created_at", "revoked_at", "last_used_at")
    actions = ("revoke",)

    @display(description="State", label={"works": "success", "expired": "warning", "revoked": "danger"})
    def state(self, key: ApiKey) -> str:
        if key.revoked_at is not None:
            return "revoked"
        return "expired" if key.is_expired else "works"

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "owner") if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=form.changed_data or ["name"])  # what is spent meanwhile is not this form's
            return
        secret = obj.draw_secret()
        super().save_model(request, obj, form, change)
        messages.warning(request, f"The secret of this key, shown only now: {secret}")

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        revoked = [key for key in queryset if key.revoke()]
        for key in revoked:
            self.log_change(request, key, "Revoked.")
        messages.success(request, f"{len(revoked)} of {queryset.count()} keys revoked.")


class NewInvitationForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    class Meta:
        model = Invitation
        fields = ("email", "role")


class InvitationTrail(TabularInline):
    model = InvitationEvent
    extra = 0
    can_delete = False
    fields = ("created_at", "action", "actor", "detail")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[InvitationEvent]:
        return super().get_queryset(request).select_related("actor")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Adding one sends it. The token is in the letter and nowhere else, so a lost one is sent again with a new one."""

    form = NewInvitationForm
    list_display = ("email", "role", "state", "invited_by", "created_at", "expires_at", "sent_at")
    list_filter = ("role", "created_at")
    list_select_related = ("invited_by",)
    search_fields = ("email", "invited_by__email")
    fields = ("email", "role")
    inlines = (InvitationTrail,)
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
        if db_field.name == "role" and isinstance(request.user, User):
            mine = invitable_by(request.user)
            kwargs["choices"] = [(role.value, role.label) for role in UserRole if role in mine]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except AccountRefused as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.path)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        assert isinstance(request.user, User)  # noqa: S101 - for the type: the admin lets nobody else in
        made = invite(obj.email, UserRole(obj.role), request.user, claim_link(request))
        vars(obj).update(vars(made))
        if made.sent_at is None:
            messages.warning(request, "The letter could not be sent. Send it again when the mail server answers.")

    @admin.action(description="Send the selected invitations again", permissions=["manage"])
    def resend_selected(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        self._each(request, queryset, lambda pk, user: resend(pk, user, claim_link(request)), "Sent again")

    @admin.action(description="Revoke the selected invitations", permissions=["manage"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        self._each(request, queryset, revoke, "Revoked")

    def _each(self, request: HttpRequest, rows: QuerySet[Invitation], operation: Any, done: str) -> None:
        """Do it to each for itself, with an entry in its history, and tell how it went."""
        for invitation in rows:
            try:
                operation(invitation.pk, request.user)
            except AccountRefused as error:
                messages.warning(request, f"{invitation.email}: {error}")
            else:
                self.log_change(request, invitation, f"{done}.")
                messages.success(request, f"{done}: {invitation.email}.")
