"""Whether the clients of a service take images, audio and files, known before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.components.routing import clients_asked
from orchestration.components.service import Service
from orchestration.conf import ClientSettings, clients_settings
from orchestration.providers.base import missing_capabilities
from orchestration.providers.content import NEEDED
from orchestration.providers.registry import provider_class


def takes(service: type[Service], kind: str) -> bool:
    """Whether every client that calls of this service may ask takes such content (`image`, `audio`, `file`): where one
    does not, a prompt can say it in words. NotConfigured when the settings name no provider."""
    clients = clients_settings().clients
    asked = [clients[name] for name in clients_asked(service) if name in clients]
    return not any(why_not_taken(client, [kind]) for client in asked)


def why_not_taken(client: ClientSettings, kinds: Sequence[str]) -> str:
    """Which of these kinds a client cannot take; empty when it takes all of them."""
    cls = provider_class(client)
    lacking = missing_capabilities(
        client, cls, with_schema=False, with_tools=False, with_content=[NEEDED[kind] for kind in kinds]
    )
    if lacking:
        return f"it has no {', '.join(lacking)}"
    surface = client.surface or cls.surfaces[0]
    if surface not in cls.surfaces:
        return ""  # E013 reports it
    taken = cls.content_support(surface).media_types
    refused = [kind for kind in kinds if not taken.get(kind)]
    return f"its API {surface} takes no {', '.join(refused)}" if refused else ""
