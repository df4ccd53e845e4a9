"""API keys in the console."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import JSONField, QuerySet
from django.http import HttpRequest
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.accounts.admin.delegation import DelegationAdmin, signed_in
from apps.accounts.models import ApiKey, User
from apps.accounts.models.roles import Scope, may_act_for
from apps.accounts.models.users import checked_scopes

SHORT_LISTS: dict[Any, Any] = {JSONField: {"widget": UnfoldAdminTextareaWidget(attrs={"rows": 2})}}
"""Lists of a few names need two lines, not the ten of the default widget."""


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
        help_texts: ClassVar[dict[str, str]] = {
            "allowed_models": 'A list of names, ["gpt-4o-mini"]; without any: every model.'
        }

    maker: ClassVar[User]
    """Who sends the form."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        owner = cleaned.get("owner") or (self.instance.owner if self.instance.owner_id else None)
        if owner is None:
            return cleaned  # which is an error already
        try:
            cleaned["scopes"] = checked_scopes(owner, cleaned.get("scopes", []), self.maker)
        except ValueError as error:
            self.add_error("scopes", str(error))
        return cleaned


@admin.register(ApiKey)
class ApiKeyAdmin(DelegationAdmin):
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

    @display(description="State", label={"active": "success", "expired": "warning", "revoked": "danger"})
    def state(self, key: ApiKey) -> str:
        if key.revoked_at is not None:
            return "revoked"
        return "expired" if key.is_expired else "active"

    def has_all_rights_of(self, request: HttpRequest, obj: Any) -> bool:
        return obj.owner_id is None or may_act_for(signed_in(request), obj.owner)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"maker": request.user})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": request.user.pk, **super().get_changeform_initial_data(request)}

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "owner") if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=form.changed_data or ["name"])  # what is spent meanwhile is not this form's
            return
        secret = obj.draw_secret()
        super().save_model(request, obj, form, change)
        messages.warning(request, f"The secret of this key, shown only once: {secret}")

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        selected = list(queryset.select_related("owner"))
        mine = [key for key in selected if self.has_change_permission(request, key)]
        if len(mine) < len(selected):
            messages.error(request, f"{len(selected) - len(mine)} keys not changed: you may not act for their owners.")
        revoked = [key for key in mine if key.revoke()]
        for key in revoked:
            self.log_change(request, key, "Revoked.")
        messages.success(request, f"{len(revoked)} of {len(selected)} keys revoked.")
