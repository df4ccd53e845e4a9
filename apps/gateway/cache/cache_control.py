"""What a client's Cache-Control header asks of the cache (RFC 9111)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Directives:
    """Whether an answer may come from the cache, may go into it, and how old it may be."""

    read: bool = True
    store: bool = True
    max_age: int | None = None
    """Seconds."""


def read_directives(header: str) -> Directives:
    """`no-cache` skips reading, but keeps the answer; `no-store` neither reads nor keeps. The rest is ignored."""
    names = dict(part.strip().lower().partition("=")[::2] for part in header.split(","))
    if "no-store" in names:
        return Directives(read=False, store=False)
    max_age = names.get("max-age", "").strip('"')
    return Directives(read="no-cache" not in names, max_age=int(max_age) if max_age.isdecimal() else None)
