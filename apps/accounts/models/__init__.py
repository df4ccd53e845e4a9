"""People, their roles and API keys, their invitations, and counters of what they did."""

from apps.accounts.models.counters import ThrottleCount
from apps.accounts.models.invitations import Invitation, InvitationAction, InvitationEvent, InvitationState
from apps.accounts.models.ownership import OwnedQuerySet
from apps.accounts.models.users import ApiKey, ApiKeyQuerySet, BudgetPeriod, User

__all__ = [
    "ApiKey",
    "ApiKeyQuerySet",
    "BudgetPeriod",
    "Invitation",
    "InvitationAction",
    "InvitationEvent",
    "InvitationState",
    "OwnedQuerySet",
    "ThrottleCount",
    "User",
]
