"""The rows of the gateway."""

from apps.gateway.models.cache import CacheEntry
from apps.gateway.models.interactions import CacheKind, Endpoint, Interaction, InteractionPayload, Status
from apps.gateway.models.keys import CacheMode, CompressionLevel, GatewayWorker, KeyMeter, KeyPolicy

__all__ = [
    "CacheEntry",
    "CacheKind",
    "CacheMode",
    "CompressionLevel",
    "Endpoint",
    "GatewayWorker",
    "Interaction",
    "InteractionPayload",
    "KeyMeter",
    "KeyPolicy",
    "Status",
]
