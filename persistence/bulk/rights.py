"""In whose name a bulk run writes, and whether that person may still have it done: asked before it begins, and again
while it runs, because it may start days after somebody asked for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model

from orchestration.api.permissions import OPERATE, WRITE
from orchestration.models import ServiceCallRecord
from orchestration.types import JsonObject
from persistence.models import BulkRun
from persistence.models.bulk import Channel

VIEW_RUNS = "persistence.view_bulkrun"
VIEW_CALLS = "orchestration.view_servicecallrecord"
ADD_CALLS = "orchestration.add_servicecallrecord"
CALLS = "calls"
"""The limit that calls are counted against which a run makes over REST."""
REMEDY = "Somebody who may do this can make a new run of what was not done."

PermissionsOf = Callable[[JsonObject], tuple[str, ...]]
CredentialCheck = Callable[[str, tuple[str, ...]], str]
CallLimit = Callable[[Any, str], float]

_permissions_of_kind: dict[str, PermissionsOf] = {}
_credential_checks: list[CredentialCheck] = []
_call_limits: list[CallLimit] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """In whose name a run is made or started, and by which way; without a person it is the command line."""

    person: Any = None
    channel: Channel = Channel.CONSOLE
    credential: str = ""
    """What the person signed in with, where that can end before they do: see `add_credential_check`."""

    def columns(self) -> JsonObject:
        """As a run stores it."""
        channel = self.channel if self.person is not None else Channel.COMMAND
        return {"authorized_by": self.person, "channel": channel, "credential": self.credential}


def needs_permissions(kind: str, of: PermissionsOf) -> None:
    """Say what runs of a kind need that is not an operation, by their options."""
    _permissions_of_kind[kind] = of


def add_credential_check(check: CredentialCheck) -> None:
    """Say what keeps a credential from being used now: the function gets what a run stores and the scopes that the run
    needs, and returns the reason, or nothing when it knows none."""
    if check not in _credential_checks:
        _credential_checks.append(check)


def add_call_limit(limit: CallLimit) -> None:
    """Say how many calls a person may make: the function gets a user's key and the name of the limit, counts one, and
    returns 0; or counts nothing, and returns the seconds to wait."""
    if limit not in _call_limits:
        _call_limits.append(limit)


def seconds_to_wait(run: BulkRun) -> float:
    """Count the next item of a run against the limit of the person in whose name it asks models over REST, as if they
    sent each call themselves; the seconds to wait while that is reached, else 0. Count before a transaction begins."""
    operation = run.operation
    if run.channel != Channel.API or operation is None or not operation.costs:
        return 0.0
    return max((limit(run.authorized_by_id, CALLS) for limit in _call_limits), default=0.0)


def permissions_of(run: BulkRun) -> tuple[str, ...]:
    """What one needs to steer a run, and to have it done: what doing the same by hand would need."""
    if run.kind in _permissions_of_kind:
        return _permissions_of_kind[run.kind](run.options)
    return (run.operation.permission if run.operation else VIEW_RUNS,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What the person behind a run may do at this moment."""

    person: Any
    objection: str = ""
    """Why the run must not continue."""
    sees_all_calls: bool = True

    def may_see(self, call: ServiceCallRecord) -> bool:
        """Whether the run may touch this call: a run is done to those only that one could have found oneself."""
        return self.sees_all_calls or call.requested_by_id == self.person.pk


def rights_of(run: BulkRun) -> Rights:
    """As they are now, read again; a run from the command line may do everything."""
    channel, person_id = run.channel, run.authorized_by_id
    if not channel:  # by a version that stored no more
        channel, person_id = Channel.CONSOLE if run.requested_by_id else Channel.COMMAND, run.requested_by_id
    if channel == Channel.COMMAND:
        return Rights(person=None)
    users = get_user_model()._default_manager
    person: Any = users.filter(pk=person_id).first() if person_id is not None else None
    if person is None:
        return Rights(person=None, objection="the person in whose name it runs no longer exists", sees_all_calls=False)
    objection = _objection(person, channel, run)
    shown_by = run.operation.shown_by if run.operation is not None else ""
    sees_all = person.has_perm(VIEW_CALLS) or bool(shown_by and person.has_perm(shown_by))
    return Rights(person=person, objection=objection, sees_all_calls=sees_all)


def _objection(person: Any, channel: str, run: BulkRun) -> str:
    if not person.is_active:
        return "the account of the person in whose name it runs is inactive"
    if channel == Channel.CONSOLE and not getattr(person, "is_staff", True):
        return "the person in whose name it runs may no longer use the console"
    makes_calls = channel == Channel.API and run.operation is not None and run.operation.pairs
    for permission in (*permissions_of(run), *((ADD_CALLS,) if makes_calls else ())):
        if not person.has_perm(permission):
            return f"the person in whose name it runs no longer has the permission {permission}"
    if run.credential:
        own = run.operation.scope if run.operation is not None else ""
        scopes = (OPERATE, *((WRITE,) if makes_calls else ()), *((own,) if own else ()))
        return next(filter(None, (check(run.credential, scopes) for check in _credential_checks)), "")
    return ""


def refusal(objection: str, *, done: int) -> str:
    """What the page of a run says that was refused; `done` rows were done before that, and stay so."""
    before = f" {done:,} rows were done before that, and stay as they are." if done else " Nothing was done."
    return f"Refused: {objection}.{before} {REMEDY}"
