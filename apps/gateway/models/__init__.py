"""The rows of the gateway: requests with their content, keys with their meters, cached answers, processes."""

from apps.gateway.models.cache import CacheEntry
from apps.gateway.models.interactions import (
    Endpoint,
    Estimated,
    Interaction,
    InteractionPayload,
    Status,
)
from apps.gateway.models.keys import CacheMode, GatewayWorker, KeyMeter, KeyPolicy

__all__ = [
    "CacheEntry",
    "CacheMode",
    "Endpoint",
    "Estimated",
    "GatewayWorker",
    "Interaction",
    "InteractionPayload",
    "KeyMeter",
    "KeyPolicy",
    "Status",
]
