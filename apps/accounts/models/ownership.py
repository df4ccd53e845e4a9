"""Rows that belong to somebody: who may see and change them is decided in `apps.accounts.models.roles`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from django.db import models

from apps.accounts.models.roles import Action, Reach, Resource, reach

if TYPE_CHECKING:
    from apps.accounts.models import User


ModelT = TypeVar("ModelT", bound=models.Model)


class OwnedQuerySet(models.QuerySet[ModelT]):
    """Subclasses say which resource their rows are, and which column names the owner."""

    resource: ClassVar[Resource]
    owner: ClassVar[str] = "user"

    def visible_to(self, user: User) -> Self:
        return self._within(reach(user, Action.VIEW, self.resource), user)

    def changeable_by(self, user: User) -> Self:
        return self._within(reach(user, Action.CHANGE, self.resource), user)

    def _within(self, allowed: Reach, user: User) -> Self:
        if allowed is Reach.ANY:
            return self
        return self.filter(**{self.owner: user}) if allowed is Reach.OWN else self.none()
