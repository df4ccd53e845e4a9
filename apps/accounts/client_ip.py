"""The address that a request comes from, as far as it can be trusted."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest

WITH_PORT = re.compile(r"\[(?P<six>[^\]]+)\](:\d+)?|(?P<four>\d+(\.\d+){3}):\d+")
"""An address with a port, as some proxies write it."""


def client_address(request: HttpRequest) -> str:
    """The address that throttles count by: of the connection, or behind a proxy the last entry of `X-Forwarded-For`.

    The proxy added that entry; earlier ones can be forged. For IPv6 it is the /64 network, whose addresses
    all belong to one client.
    """
    seen = ""
    if settings.BEHIND_PROXY:
        seen = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return counted_as(seen or str(request.META.get("REMOTE_ADDR", "")))


def counted_as(written: str) -> str:
    """An address in its canonical form; anything else unchanged."""
    found = WITH_PORT.fullmatch(written)
    try:
        address = ip_address((found["six"] or found["four"]) if found else written)
    except ValueError:
        return written[:64]
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or IPv6Network((int(address), 64), strict=False))
