"""Who can be asked to decide on a held result."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db.models import Exists, OuterRef, Q, QuerySet

from persistence.approval.rights import NEEDED
from persistence.models.approval import Hold

MOST_LISTED = 100


def people_to_ask(hold: Hold) -> dict[str, Any]:
    """`people` who may decide, `groups`, and `escalates_to`, the key of the group that is declared for it."""
    groups = list(Group.objects.order_by("name")[:MOST_LISTED])
    declared = next((group.pk for group in groups if group.name == hold.escalate_to), None)
    return {"people": list(deciders()[:MOST_LISTED]), "groups": groups, "escalates_to": declared}


def deciders() -> QuerySet[Any]:
    """Active people who may decide, by their own rights, by those of groups, or as superusers."""
    people = get_user_model()._default_manager.filter(is_active=True)
    for permission in NEEDED:
        people = people.filter(_has(permission) | Q(is_superuser=True))
    return people.order_by("pk")


def _has(permission: str) -> Exists | Q:
    app, _, codename = permission.partition(".")
    granted = Permission.objects.filter(content_type__app_label=app, codename=codename)
    return Exists(granted.filter(user=OuterRef("pk"))) | Exists(granted.filter(group__user=OuterRef("pk")))
