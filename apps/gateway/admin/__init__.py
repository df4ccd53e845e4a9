"""The gateway's admin pages."""

from apps.gateway.admin.interactions import InteractionAdmin
from apps.gateway.admin.keys import GatewayKeyAdmin

__all__ = ["GatewayKeyAdmin", "InteractionAdmin"]
