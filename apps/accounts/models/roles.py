"""Roles and scopes: who may do what. Every decision is made from the tables in this file."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from django.contrib.auth.models import Permission
from django.db import models
from django.db.models import Q

if TYPE_CHECKING:
    from apps.accounts.models import User


class UserRole(models.TextChoices):
    TRAINEE = "trainee"
    INSTRUCTOR = "instructor"
    STAFF = "staff"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a caller of the REST API may do, whoever it is; ownership and roles apply on top."""

    CALLS_READ = "calls:read"
    CALLS_WRITE = "calls:write"
    CALLS_OPERATE = "calls:operate"
    CONTENT_READ = "content:read"
    APPROVALS_DECIDE = "approvals:decide"
    SIMULATIONS_READ = "simulations:read"
    SIMULATIONS_WRITE = "simulations:write"
    RUNS_READ = "runs:read"
    RUNS_WRITE = "runs:write"
    GATEWAY_CALL = "gateway:call"
    TRAINING_READ = "training:read"
    TRAINING_WRITE = "training:write"
    INVITATIONS_WRITE = "invitations:write"


class Resource(StrEnum):
    SIMULATION = "simulation"
    RUN = "run"
    SCENARIO = "scenario"
    SESSION = "session"
    """A simulation as instructors see it, who direct and debrief it."""
    INVITATION = "invitation"


class Action(StrEnum):
    VIEW = "view"
    CHANGE = "change"


class Reach(IntEnum):
    """Whose rows an action may touch."""

    NONE = 0
    OWN = 1
    ANY = 2


REACH: dict[UserRole, dict[tuple[Resource, Action], Reach]] = {
    UserRole.TRAINEE: {
        (Resource.SIMULATION, Action.VIEW): Reach.OWN,
        (Resource.SIMULATION, Action.CHANGE): Reach.OWN,
        (Resource.RUN, Action.VIEW): Reach.OWN,
        (Resource.RUN, Action.CHANGE): Reach.OWN,
        (Resource.SCENARIO, Action.VIEW): Reach.NONE,
        (Resource.SCENARIO, Action.CHANGE): Reach.NONE,
        (Resource.SESSION, Action.VIEW): Reach.NONE,
        (Resource.SESSION, Action.CHANGE): Reach.NONE,
        (Resource.INVITATION, Action.VIEW): Reach.NONE,
        (Resource.INVITATION, Action.CHANGE): Reach.NONE,
    },
    UserRole.INSTRUCTOR: {
        (Resource.SIMULATION, Action.VIEW): Reach.ANY,
        (Resource.SIMULATION, Action.CHANGE): Reach.OWN,
        (Resource.RUN, Action.VIEW): Reach.OWN,
        (Resource.RUN, Action.CHANGE): Reach.OWN,
        (Resource.SCENARIO, Action.VIEW): Reach.ANY,
        (Resource.SCENARIO, Action.CHANGE): Reach.OWN,
        (Resource.SESSION, Action.VIEW): Reach.ANY,
        (Resource.SESSION, Action.CHANGE): Reach.ANY,
        (Resource.INVITATION, Action.VIEW): Reach.OWN,
        (Resource.INVITATION, Action.CHANGE): Reach.OWN,
    },
    UserRole.STAFF: {
        (Resource.SIMULATION, Action.VIEW): Reach.ANY,
        (Resource.SIMULATION, Action.CHANGE): Reach.OWN,
        (Resource.RUN, Action.VIEW): Reach.ANY,
        (Resource.RUN, Action.CHANGE): Reach.OWN,
        (Resource.SCENARIO, Action.VIEW): Reach.ANY,
        (Resource.SCENARIO, Action.CHANGE): Reach.OWN,
        (Resource.SESSION, Action.VIEW): Reach.ANY,
        (Resource.SESSION, Action.CHANGE): Reach.ANY,
        (Resource.INVITATION, Action.VIEW): Reach.ANY,
        (Resource.INVITATION, Action.CHANGE): Reach.ANY,
    },
    UserRole.ADMIN: {
        (Resource.SIMULATION, Action.VIEW): Reach.ANY,
        (Resource.SIMULATION, Action.CHANGE): Reach.ANY,
        (Resource.RUN, Action.VIEW): Reach.ANY,
        (Resource.RUN, Action.CHANGE): Reach.ANY,
        (Resource.SCENARIO, Action.VIEW): Reach.ANY,
        (Resource.SCENARIO, Action.CHANGE): Reach.ANY,
        (Resource.SESSION, Action.VIEW): Reach.ANY,
        (Resource.SESSION, Action.CHANGE): Reach.ANY,
        (Resource.INVITATION, Action.VIEW): Reach.ANY,
        (Resource.INVITATION, Action.CHANGE): Reach.ANY,
    },
}

# A trainee gets no calls:write, because a raw call may name any simulation in its context, and no content:read,
# because the prompts hold the diagnosis that is to be found.
_LEARNING = frozenset(
    {Scope.CALLS_READ, Scope.SIMULATIONS_READ, Scope.SIMULATIONS_WRITE, Scope.RUNS_READ, Scope.RUNS_WRITE}
)

ROLE_SCOPES: dict[UserRole, frozenset[Scope]] = {
    UserRole.TRAINEE: _LEARNING,
    UserRole.INSTRUCTOR: _LEARNING
    | {Scope.CONTENT_READ, Scope.TRAINING_READ, Scope.TRAINING_WRITE, Scope.INVITATIONS_WRITE},
    UserRole.STAFF: frozenset(Scope),
    UserRole.ADMIN: frozenset(Scope),
}

# Who may act for whom follows from it as well; see `may_act_for`.
INVITABLE: dict[UserRole, frozenset[UserRole]] = {
    UserRole.TRAINEE: frozenset(),
    UserRole.INSTRUCTOR: frozenset({UserRole.TRAINEE}),
    UserRole.STAFF: frozenset({UserRole.TRAINEE, UserRole.INSTRUCTOR}),
    UserRole.ADMIN: frozenset(UserRole),
}
"""Whom a role may invite: nobody gives more rights than they have."""

PERMISSION_SCOPES: dict[Scope, str] = {
    Scope.CALLS_READ: "orchestration.view_servicecallrecord",
    Scope.CALLS_WRITE: "orchestration.add_servicecallrecord",
    Scope.CALLS_OPERATE: "orchestration.retry_servicecallrecord",
    Scope.CONTENT_READ: "orchestration.view_content",
    Scope.APPROVALS_DECIDE: "persistence.decide_hold",
    Scope.GATEWAY_CALL: "gateway.call_models",
}
"""A Django permission gives its scope to a user whose role does not."""


def reach(user: User, action: Action, resource: Resource) -> Reach:
    """Whose `resource` rows `user` may `action`: none, own or any."""
    if not user.is_active:
        return Reach.NONE
    if user.is_superuser:
        return Reach.ANY
    return REACH[UserRole(user.role)].get((resource, action), Reach.NONE)


def invitable_by(user: User) -> frozenset[UserRole]:
    """The roles that `user` may invite people to."""
    if not user.is_active:
        return frozenset()
    return frozenset(UserRole) if user.is_superuser else INVITABLE[UserRole(user.role)]


def granted_to(user: User) -> models.QuerySet[Permission]:
    """The permissions given to a user and to their groups, whether or not the account is active; all to a superuser."""
    rows = Permission.objects.all()
    return rows if user.is_superuser else rows.filter(Q(user=user) | Q(group__user=user)).distinct()


def may_grant(actor: User, permissions: models.QuerySet[Permission]) -> bool:
    """Whether `actor` has all of them: nobody gives more than they have."""
    return actor.is_active and not permissions.exclude(pk__in=granted_to(actor).values("pk")).exists()


def may_act_for(actor: User, other: User) -> bool:
    """Whether `actor` may hold what acts as `other`: their password, their rights, the secret of a key of theirs.

    Everybody may for themselves, a superuser for all; else for people of a role that the actor may invite to, when they
    have no permission that the actor lacks.
    """
    if not actor.is_active or actor.is_superuser or actor.pk == other.pk:
        return actor.is_active
    if other.is_superuser or UserRole(other.role) not in invitable_by(actor):
        return False
    return may_grant(actor, granted_to(other))


def scopes_of(user: User) -> frozenset[str]:
    """Every scope the user's role and Django permissions allow; none for an inactive user."""
    if not user.is_active:
        return frozenset()
    if user.is_superuser:
        return frozenset(Scope)
    allowed = ROLE_SCOPES[UserRole(user.role)]
    by_permission = (scope for scope, permission in PERMISSION_SCOPES.items() if scope not in allowed)
    return allowed | {scope for scope in by_permission if user.has_perm(PERMISSION_SCOPES[scope])}
