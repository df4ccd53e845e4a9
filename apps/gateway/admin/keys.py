"""API keys with their gateway policy, use, rotation and budget."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from unfold.admin import StackedInline
from unfold.decorators import display
from unfold.enums import ActionVariant

from apps.accounts.admin.api_keys import SHORT_LISTS, ApiKeyAdmin
from apps.accounts.models import ApiKey
from apps.accounts.models.roles import may_act_for
from apps.gateway.models import KeyMeter, KeyPolicy
from apps.gateway.recording.flush import held_meters
from orchestration.admin.base import detail_action
from orchestration.admin.import_export import Ported, SafeResource
from orchestration.theme.words import moment, money
from orchestration.values.generic_refs import admin_path

LIMITS = ("allowed_models", "requests_per_minute", "tokens_per_minute", "budget", "budget_period", "expires_at")


class ApiKeyResource(SafeResource):
    """Names and limits, by prefix. No secret and no hash is exported: a file can change keys, not create them."""

    class Meta(SafeResource.Meta):
        model = ApiKey
        fields = ("prefix", "name", *LIMITS)
        import_id_fields = ("prefix",)

    def init_instance(self, row: Any = None) -> Any:
        raise ValidationError(f"There is no key {row.get('prefix')!r}: keys are created in the console, not imported.")

    def before_save_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        if not may_act_for(kwargs["user"], instance.owner):
            raise ValidationError(f"You may not change the key {instance.prefix!r}: its owner has more permissions.")

    def do_instance_save(self, instance: Any, is_create: bool) -> None:
        """Save only what a file may change, so that what is spent meanwhile is not overwritten."""
        instance.save(update_fields=["name", *LIMITS])


class KeyPolicyInline(StackedInline):
    model = KeyPolicy
    can_delete = False
    verbose_name = verbose_name_plural = "Gateway policy"
    formfield_overrides = SHORT_LISTS  # type: ignore[misc]  # unfold adds its own to the instance


admin.site.unregister(ApiKey)


@admin.register(ApiKey)
class GatewayKeyAdmin(Ported, ApiKeyAdmin):  # type: ignore[misc]  # as of Ported
    """The secret is shown once, when a key is created and when it is rotated; every action leaves a log entry."""

    resource_classes: Any = (ApiKeyResource,)
    inlines = (KeyPolicyInline,)
    list_display = (
        "name",
        "prefix",
        "owner",
        "state",
        "requests_per_minute",
        "budget_left",
        "used",
        "created",
    )
    list_select_related = ("owner", "gateway_meter")  # type: ignore[assignment]  # one more than there
    actions_detail: Any = ("rotate_secret", "revoke_this", "clear_spent")

    @display(description="Spent / budget")
    def budget_left(self, key: ApiKey) -> str:
        in_use = KeyMeter.of(key).reserved
        reserved = f" (+{money(in_use)} reserved)" if in_use else ""
        return f"{money(key.spent)}{reserved} / {money(key.budget)}"

    @display(description="Last used", ordering="last_used_at")
    def used(self, key: ApiKey) -> str:
        return moment(key.last_used_at)

    @display(description="Created", ordering="created_at")
    def created(self, key: ApiKey) -> str:
        return moment(key.created_at)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        before = form.initial.get("budget")
        super().save_model(request, obj, form, change)
        if change and "budget" in form.changed_data:
            self.log_change(request, obj, f"Budget from {money(before)} to {money(obj.budget)}.")

    @detail_action(description="New secret", icon="autorenew", permissions=["change"])
    def rotate_secret(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        promise = "The key gets a new secret, shown once. The old one stops working within seconds."
        return self._confirmed(request, object_id, "New secret", promise, self._rotate)

    @detail_action(description="Revoke", icon="block", permissions=["change"], variant=ActionVariant.DANGER)
    def revoke_this(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        promise = "The key stops working within seconds, for good."
        return self._confirmed(request, object_id, "Revoke", promise, self._revoke)

    @detail_action(description="Set spent to zero", icon="restart_alt", permissions=["change"])
    def clear_spent(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        promise = "The key has its whole budget again. What running requests reserved stays reserved."
        return self._confirmed(request, object_id, "Set spent to zero", promise, self._clear)

    def _confirmed(
        self,
        request: HttpRequest,
        object_id: Any,
        title: str,
        promise: str,
        act: Callable[[HttpRequest, ApiKey], None],
    ) -> HttpResponse:
        """A page that asks for confirmation: a link alone changes nothing."""
        key = get_object_or_404(ApiKey, pk=object_id)
        if not self.has_change_permission(request, key):
            raise PermissionDenied
        back = admin_path("accounts_apikey_change", key.pk)
        if request.method == "POST":
            act(request, key)
            return HttpResponseRedirect(back)
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "title": f"{title}: {key}"}
        context = {"verb": title, "promise": promise, "back": back}
        return TemplateResponse(request, "admin/gateway/confirm.html", shared | context)

    def _rotate(self, request: HttpRequest, key: ApiKey) -> None:
        secret = key.rotate()
        if secret is None:
            messages.error(request, "This key is revoked: create a new one.")
            return
        self.log_change(request, key, "Rotated: the old secret no longer works.")
        messages.warning(request, f"The new secret of this key, shown only once: {secret}")

    def _revoke(self, request: HttpRequest, key: ApiKey) -> None:
        if key.revoke():
            self.log_change(request, key, "Revoked.")
            messages.success(request, f"Revoked: {key}.")
        else:
            messages.warning(request, f"{key} is already revoked.")

    def _clear(self, request: HttpRequest, key: ApiKey) -> None:
        with transaction.atomic(), held_meters([key.pk]) as meters:
            before, meters[key.pk].api_key.spent = meters[key.pk].api_key.spent, Decimal(0)
        self.log_change(request, key, f"Spent from {money(before)} to 0.")
        messages.success(request, f"{key} has its whole budget again.")
