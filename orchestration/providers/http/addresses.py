"""Addresses: whether one is this machine, and which proxy of the environment stands before it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass


@dataclass(frozen=True, slots=True)
class HttpProxy:
    """A proxy, and the user and password that are for it alone."""

    url: str
    login: tuple[str, str] | None


def is_loopback(url: str) -> bool:
    """Whether this URL's host is this machine, by its address or as `localhost`."""
    host = urlsplit(url).hostname or ""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def proxy_of(url: str) -> HttpProxy | None:
    """The environment's proxy for a URL; None for this machine, and for what NO_PROXY exempts."""
    parts, proxies = urlsplit(url), getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    if not found or is_loopback(url) or proxy_bypass(parts.netloc) or _is_exempt(parts.hostname or "", proxies):
        return None
    proxy = urlsplit(found if "://" in found else f"http://{found}")
    host = proxy.netloc.rpartition("@")[2]
    login = None if proxy.username is None else (unquote(proxy.username), unquote(proxy.password or ""))
    return HttpProxy(f"{proxy.scheme}://{host}", login)


def _is_exempt(host: str, proxies: dict[str, str]) -> bool:
    """Whether NO_PROXY has a network with this address in it, which Python does not look for."""
    address = _address(host)
    return address is not None and any(
        address in network for network in map(_network, proxies.get("no", "").split(",")) if network is not None
    )


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None
