"""Who may decide on what waits."""

from __future__ import annotations

from typing import Any

from orchestration.models import ServiceCallRecord
from persistence.errors import MayNotDecide, OwnRequest
from persistence.models.approval import Hold

VIEW = "persistence.view_hold"
DECIDE = "persistence.decide_hold"
READ_CONTENT = "orchestration.view_content"
MOST_RERUNS = 20
"""In a row, that are looked through for who asked first."""
NEEDED = (DECIDE, READ_CONTENT)
"""By whichever way somebody decides: whoever may not see what would be written decides nothing about it."""


def may_decide(user: Any) -> bool:
    """Whether a person may decide on anything at all."""
    return bool(user.is_active and user.has_perms(NEEDED))


def check_permissions(user: Any, hold: Hold) -> None:
    """MayNotDecide says which permission this person lacks to decide on it, or to try what an edit would write."""
    for permission in (*NEEDED, *hold.permissions.split()):
        if not (user.is_active and user.has_perm(permission)):
            raise MayNotDecide(f"Deciding on this needs the permission {permission}.")


def check_right(user: Any, hold: Hold) -> None:
    """MayNotDecide, or OwnRequest, says why this person may not decide on it."""
    check_permissions(user, hold)
    if hold.not_the_requester and user.pk in _requesters(hold):
        raise OwnRequest


def _requesters(hold: Hold) -> set[Any]:
    """The keys of those who asked for its call, or for one that this is a rerun of: whoever reruns somebody's call does
    not make it their own alone."""
    found, key = {hold.requested_by_id}, hold.call_id
    for _ in range(MOST_RERUNS):
        call = ServiceCallRecord.objects.filter(pk=key).values_list("requested_by", "parent").first()
        if call is None:
            break
        requester, key = call
        found.add(requester)
        if key is None:
            break
    return found - {None}


def why_not(user: Any, hold: Hold) -> str:
    """Why a person may not decide on it, in a sentence; empty when they may."""
    try:
        check_right(user, hold)
    except MayNotDecide as error:
        return str(error)
    return ""
