"""Admin pages of rows that grant rights: only people who hold those rights may change them."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.utils import unquote
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from apps.accounts.models import User


class DelegationAdmin(ModelAdmin):
    """Rows that give rights: people without all of those rights may view them, but not change them."""

    def has_all_rights_of(self, request: HttpRequest, obj: Any) -> bool:
        """Whether this person has every right that the row gives."""
        raise NotImplementedError

    def _may(self, request: HttpRequest, obj: Any) -> bool:
        if obj is not None and not isinstance(obj, self.model):  # unfold's buttons know the key alone
            obj = self.get_object(request, unquote(str(obj)))
        return obj is None or self.has_all_rights_of(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and self._may(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and self._may(request, obj)


def signed_in(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101 - for the type: the admin lets nobody else in
    return request.user
