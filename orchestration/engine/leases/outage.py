"""Outages of the database that a process saw: a lease that ran out in one does not prove that its worker died."""

from __future__ import annotations

import time

from orchestration.conf import engine_settings


class Outage:
    """What this process saw of the database being away.

    After an outage that leases cannot outlive, every living worker needs the time of a renewal to say that it lives;
    until then an expired lease proves nothing.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._resume_at = 0.0

    def seen(self) -> None:
        """The database cannot be reached at this moment."""
        if self._since is None:
            self._since = time.monotonic()

    def still_recovering(self) -> bool:
        """To be asked while the database answers."""
        settings, now = engine_settings(), time.monotonic()
        if self._since is not None:
            if now - self._since > settings.LEASE_SECONDS - 2 * settings.RENEW_SECONDS:
                self._resume_at = now + 1.5 * settings.RENEW_SECONDS
            self._since = None
        return now < self._resume_at


_outage = Outage()


def database_away() -> None:
    """To be called when the database could not be reached; by what rescues regularly."""
    _outage.seen()


def still_recovering() -> bool:
    """To be asked while the database answers: whether living workers may not have renewed their leases yet."""
    return _outage.still_recovering()
