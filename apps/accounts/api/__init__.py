"""REST about accounts: signing in, API keys, invitations, password reset."""

from ninja import Router

from apps.accounts.api.auth import router as auth
from apps.accounts.api.invitations import router as invitations
from apps.accounts.api.passwords import router as passwords

__all__ = ["router"]

router = Router(tags=["accounts"])
for _part in (auth, invitations, passwords):
    router.add_router("", _part)
