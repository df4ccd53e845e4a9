"""URLs that a provider is to fetch: public ones over TLS, which hold no credentials. Nothing is fetched or resolved
here, so a name that leads to a private address is the provider's to refuse."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from orchestration.errors import ContentRefused

LONGEST = 2048
UNPRINTABLE = re.compile(r"[^\x21-\x7e]|\\")
LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)
NUMBER = re.compile(r"\d+|0[xX][0-9A-Fa-f]*", re.ASCII)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
PRIVATE_SUFFIXES = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa", "test")


def check_public_url(url: str) -> None:
    """ContentRefused, which does not repeat the URL, for one that a provider is not to be told to fetch."""
    why = _why_not(url)
    if why:
        raise ContentRefused(f"This URL cannot be given to a provider: {why}.")


def _why_not(url: str) -> str:
    if len(url) > LONGEST:
        return f"it has more than {LONGEST:,} characters"
    if UNPRINTABLE.search(url):
        return "spaces, backslashes and characters that are not ASCII must be percent-encoded, and hosts in Punycode"
    try:
        parsed = urlsplit(url)
        host, _ = parsed.hostname or "", parsed.port
    except ValueError:
        return "its host or its port is not valid"
    if parsed.scheme != "https":
        return "it must begin with https://"
    if "@" in parsed.netloc:
        return "it holds a user or a password"
    if "#" in url:
        return "a fragment (#…) is not sent, leave it out"
    return _why_not_host(host)


def _why_not_host(host: str) -> str:
    if ":" in host or NUMBER.fullmatch(host.rstrip(".").rsplit(".", 1)[-1]):
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return "its host is not a valid address"
        public = all(each.is_global and not each.is_multicast for each in (address, *_inside(address)))
        return "" if public else "its host is private"
    name = host.rstrip(".").lower()
    labels = name.split(".")
    if not all(LABEL.fullmatch(label) for label in labels):
        return "its host is not valid"
    if len(labels) < 2 or any(name == suffix or name.endswith(f".{suffix}") for suffix in PRIVATE_SUFFIXES):
        return "its host is private"
    return ""


def _inside(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address leads to."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    translated = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
    return [each for each in (address.ipv4_mapped, address.sixtofour, translated) if each is not None]
