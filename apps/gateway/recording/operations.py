"""What is recorded of a request: its start, its end, and that its client left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from apps.gateway.cache.store import Hit, Search
from apps.gateway.crypto import LONG, keyring
from apps.gateway.errors import GatewayError
from apps.gateway.metering.quotas import Levels
from apps.gateway.metering.token_estimate import Size
from apps.gateway.models import Interaction
from orchestration.types import Usage


@dataclass(slots=True, eq=False)
class Content:
    """What was said: plain, and encrypted."""

    prompt: bytes | None = None
    """The body as the client sent it."""
    sent: bytes | None = None
    """The body as the provider gets it, when that differs."""
    response: bytes | None = None
    key_id: str = ""
    """Of the key that encrypted; empty: nothing is encrypted yet."""
    prompt_enc: bytes | None = None
    sent_enc: bytes | None = None
    response_enc: bytes | None = None
    is_large: bool = field(init=False)
    """It is written apart, so that no other request waits for it."""

    def __post_init__(self) -> None:
        self.is_large = sum(len(part) for part in (self.prompt, self.sent, self.response) if part is not None) >= LONG

    def seal(self) -> None:
        """Encrypt with the current key; what it encrypted already stays."""
        ring = keyring()
        if self.key_id != ring.current:
            self.prompt_enc, self.sent_enc, self.response_enc = (
                None if plain is None else ring.encrypt(plain) for plain in (self.prompt, self.sent, self.response)
            )
            self.key_id = ring.current

    def answer_with(self, hit: Hit) -> None:
        """What is said is an answer from the cache. It is encrypted already."""
        self.sent = self.sent_enc = None
        self.response = hit.answer
        self.response_enc = hit.token if self.key_id == hit.key_id else None
        if self.key_id and self.response_enc is None:
            self.key_id = ""  # encrypted again
        self.__post_init__()


@dataclass(slots=True, eq=False)
class Open:
    """The start of a request; with a final status also its end (a hit, a refusal)."""

    row: Interaction
    content: Content | None = None
    size: Size | None = None
    """None: the key's limits are not checked."""
    targets: tuple[tuple[str, str], ...] = ()
    """The providers and models that may be asked; the most expensive one is reserved."""
    worst: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """The most that an answer of each can cost, where a budget asks for that."""
    embedding: int = 0
    """The most tokens that the embedding of the question can take."""
    embeds_at: str = ""
    """The provider that is asked for it."""
    priced_apart: str = ""
    """The field because of which the model's price is not what the request costs."""
    search: Search | None = None
    """Which stored answer would do; with one the request ends here."""
    on_hit: Callable[[Hit], None] = field(default=lambda hit: None)
    """Notes in the row that this answer was found."""
    hit: Hit | None = None
    refusal: GatewayError | None = None
    """These two are the decision; it is kept when the batch has to be written again."""


@dataclass(slots=True, eq=False)
class Close:
    """The end of a request whose row exists."""

    row: Interaction
    content: Content | None = None
    asked: tuple[str, str] | None = None
    """The provider and the model that answered, or were asked last: they price it. None: those in the row."""
    embeds_at: str = ""
    """The provider that was asked for the embedding."""
    at_least: Decimal | None = None
    """Nobody knows what the answer cost: it is charged this, and the reserved tokens, or more if more came."""
    lost: tuple[Decimal, ...] = ()
    """What is charged for answers before it that may be billed, too."""
    reported: tuple[tuple[tuple[str, str], Usage], ...] = ()
    """Providers and models before it whose errors came with a usage, which is charged."""


@dataclass(slots=True, eq=False)
class Leave:
    """The client of a request left, whose answer is still read for the record."""

    row: Interaction


@dataclass(slots=True, eq=False)
class Extend:
    """A request continues on another route, although the answer that it gives up may be billed, too."""

    row: Interaction
    more: Decimal
    """What it reserves beside what it has."""
    reserved_cost: Decimal = field(init=False)
    """Of the request from here on."""

    def __post_init__(self) -> None:
        self.reserved_cost = self.row.reserved_cost + self.more


@dataclass(slots=True)
class Grant:
    """The outcome of an Open or of an Extend: a refusal, or the state of the key's limits."""

    refusal: GatewayError | None = None
    levels: Levels | None = None


Operation = Open | Close | Leave | Extend
