"""People and their API keys in the console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts.models import ApiKey, User, checked_scopes
from apps.accounts.roles import Scope


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
class UserAdmin(DjangoUserAdmin, ModelAdmin):
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
    add_fieldsets = ((None, {"classes": ("wide",), "fields": ("email", "role", "password1", "password2")}),)


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    """Groups, in this console's theme."""


class ApiKeyForm(forms.ModelForm):
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

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        secret = obj.draw_secret()
        super().save_model(request, obj, form, change)
        messages.warning(request, f"The secret of this key, shown only now: {secret}")

    @action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        revoked = [key for key in queryset if key.revoke()]
        for key in revoked:
            self.log_change(request, key, "Revoked.")
        messages.success(request, f"{len(revoked)} of {queryset.count()} keys revoked.")
