"""What carries the requests of a provider, and what it gives back: over HTTP (`transport`), or in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What the provider answered, whole."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    """Decompressed."""
    first_byte: float
    """When the headers came, by `time.perf_counter`."""


class Transport(Protocol):
    """Carries requests of one client."""

    async def post(
        self, path: str, body: bytes, headers: dict[str, str], timeout: float, received: list[bytes]
    ) -> HttpReply:
        """Send once, to a path below the client's address, whatever the status. `received` gets the body as it comes,
        so that a part outlives the ProviderError of a broken connection. Cancelling closes the connection."""

    async def aclose(self) -> None:
        """Close connections."""
