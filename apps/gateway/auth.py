"""Authentication by a key. Keys are cached for seconds, so that most requests need no query."""

from __future__ import annotations

import time
from dataclasses import dataclass

from apps.accounts.models import ApiKey
from apps.accounts.models.roles import Scope
from apps.accounts.models.users import secret_digest
from apps.gateway.conf import gateway_settings
from apps.gateway.errors import GatewayError, invalid_key
from apps.gateway.models import CacheMode, KeyPolicy
from apps.gateway.recording.database_thread import DatabaseThread

MOST_KNOWN = 10_000
LONGEST_SECRET = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A valid key, and how its requests are treated."""

    key_id: int
    user_id: str
    may_call: bool
    """Whether it has the scope of the gateway."""
    allowed_models: frozenset[str]
    """Empty: every model."""
    fallback_models: tuple[str, ...] = ()
    compression: str = ""
    cache: str = CacheMode.OFF
    mask_personal_data: bool = False
    masked_terms: tuple[str, ...] = ()

    def may_use(self, model: str) -> bool:
        return not self.allowed_models or model in self.allowed_models


class Callers:
    """The keys that a process saw lately, and the secrets that were not valid."""

    def __init__(self, database: DatabaseThread) -> None:
        self._database = database
        self._known: dict[str, tuple[float, Caller | None]] = {}

    async def caller(self, secret: str) -> Caller:
        """The caller of a key. GatewayError 401 (always the same), or 403 without the scope."""
        usable = secret.isascii() and 0 < len(secret) <= LONGEST_SECRET
        found = await self._looked_up(secret if usable else "")
        if found is None:
            raise invalid_key()
        if not found.may_call:
            raise GatewayError(
                403, "missing_scope", f"This key lacks the scope {Scope.GATEWAY_CALL}.", kind="insufficient_permissions"
            )
        return found

    async def _looked_up(self, secret: str) -> Caller | None:
        digest = secret_digest(secret)  # only the digest is compared and kept, so timing reveals nothing
        expires, caller = self._known.get(digest, (0.0, None))
        if expires > time.monotonic():
            return caller
        caller = await self._database.run(read_caller, secret)
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[digest] = (time.monotonic() + gateway_settings().KEY_CACHE_SECONDS, caller)
        return caller


def read_caller(secret: str) -> Caller | None:
    """The caller of a secret as the database has it; notes that the key was used."""
    key = ApiKey.objects.verify(secret)
    if key is None:
        return None
    key.touch()
    policy = KeyPolicy.of(key)
    return Caller(
        key_id=key.pk,
        user_id=str(key.owner_id),
        may_call=Scope.GATEWAY_CALL in key.effective_scopes(),
        allowed_models=frozenset(key.allowed_models),
        fallback_models=tuple(policy.fallback_models),
        compression=policy.compression,
        cache=policy.cache,
        mask_personal_data=policy.mask_personal_data,
        masked_terms=tuple(policy.masked_terms),
    )
