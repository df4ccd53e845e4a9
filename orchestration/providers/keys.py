"""Which environment variables may hold the key of a model client, and to which host each may go.

A variable that a client names (`api_key_envvar`) may go wherever its `base_url` says. Of the variables that a
provider's clients have by default, a vendor's own (OPENAI_API_KEY) goes to that vendor alone, and any other one to one
host: clients that name none and have different hosts get no key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_VARIABLE = "ORCA_PROVIDER_API_KEY"
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class KeyVariable:
    """A variable in which a provider's clients have their key when they name none."""

    name: str
    hosts: re.Pattern[str] | None = None
    """The URLs that it may go to, as they are written: what parsers read differently is none of them. None: the one
    host of the clients that have it."""

    def may_go_to(self, base_url: str) -> bool:
        return self.hosts is None or self.hosts.fullmatch(base_url) is not None


def https_hosts(pattern: str) -> re.Pattern[str]:
    """The URLs of these hosts (a regular expression), over TLS at its own port."""
    return re.compile(rf"https://(?:{pattern})(?::443)?(?:/.*)?", re.ASCII | re.IGNORECASE)


def host_of(url: str) -> str:
    """The host of a URL, with its port where the URL names one."""
    return urlsplit(url).netloc


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL: equal for URLs that lead to one server. ValueError for what is not a URL."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or PORTS.get(parts.scheme)
