"""What a client's Cache-Control header asks of the cache (RFC 9111)."""

from __future__ import annotations

import re
from dataclasses import dataclass

SECONDS = re.compile(r'"?0*(\d{1,9})"?', re.ASCII)
"""An age; one with more digits does not limit anything."""


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
    age = SECONDS.fullmatch(names.get("max-age", "").strip())
    return Directives(read="no-cache" not in names, max_age=int(age[1]) if age else None)
