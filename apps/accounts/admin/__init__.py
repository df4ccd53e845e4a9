"""People, groups, API keys and invitations in the console."""

from apps.accounts.admin.api_keys import ApiKeyAdmin
from apps.accounts.admin.invitations import InvitationAdmin
from apps.accounts.admin.users import GroupAdmin, UserAdmin

__all__ = ["ApiKeyAdmin", "GroupAdmin", "InvitationAdmin", "UserAdmin"]
