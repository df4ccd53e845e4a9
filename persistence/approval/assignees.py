"""Who can be asked to decide on a held result."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet

from persistence.approval.rights import DECIDE
from persistence.models.approval import Hold

MOST_LISTED = 100


def people_to_ask(hold: Hold) -> dict[str, Any]:
    """`people` who may decide, `groups`, and `escalates_to`, the key of the group that is declared for it."""
    groups = list(Group.objects.order_by("name")[:MOST_LISTED])
    declared = next((group.pk for group in groups if group.name == hold.escalate_to), None)
    return {"people": list(deciders()[:MOST_LISTED]), "groups": groups, "escalates_to": declared}


def deciders() -> QuerySet[Any]:
    """Active people who may decide, by their own right, by that of a group, or as superusers."""
    app, _, codename = DECIDE.partition(".")
    named = {"content_type__app_label": app, "codename": codename}
    mine = Q(**{f"user_permissions__{key}": value for key, value in named.items()})
    of_groups = Q(**{f"groups__permissions__{key}": value for key, value in named.items()})
    people = get_user_model()._default_manager.filter(mine | of_groups | Q(is_superuser=True), is_active=True)
    return people.distinct().order_by("pk")
