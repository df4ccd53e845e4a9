"""People and groups in the console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission
from django.http import HttpRequest
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts.admin.delegation import DelegationAdmin, signed_in
from apps.accounts.models import User
from apps.accounts.models.roles import UserRole, granted_to, invitable_by, may_act_for, may_grant


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
class UserAdmin(DelegationAdmin, DjangoUserAdmin):  # type: ignore[misc,type-arg]  # no [User] at run time
    """Nobody can give a role, a group or a permission that they do not have themselves; see `may_act_for`."""

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

    def has_all_rights_of(self, request: HttpRequest, obj: Any) -> bool:
        return may_act_for(signed_in(request), obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and bool(invitable_by(signed_in(request)))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        names = super().get_readonly_fields(request, obj)
        return names if signed_in(request).is_superuser else (*names, "is_superuser")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        if "role" in form.base_fields:
            offered = invitable_by(signed_in(request)) | ({UserRole(obj.role)} if obj else set())
            form.base_fields["role"].choices = [(role.value, role.label) for role in UserRole if role in offered]
        return form

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        mine = granted_to(signed_in(request))
        if db_field.name == "user_permissions":
            kwargs["queryset"] = mine
        elif db_field.name == "groups":
            beyond = Permission.objects.exclude(pk__in=mine.values("pk"))
            kwargs["queryset"] = Group.objects.exclude(permissions__in=beyond)
        return super().formfield_for_manytomany(db_field, request, **kwargs)


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(DelegationAdmin, DjangoGroupAdmin):  # type: ignore[misc]  # as of ReadOnlyAdmin
    """Nobody can give a group permissions that they do not have themselves."""

    def has_all_rights_of(self, request: HttpRequest, obj: Any) -> bool:
        return may_grant(signed_in(request), obj.permissions.all())

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        if db_field.name == "permissions":
            kwargs["queryset"] = granted_to(signed_in(request))
        return super().formfield_for_manytomany(db_field, request, **kwargs)
