"""Whose address a connection has: behind proxies that are trusted, the one that they name. Pure.

`X-Forwarded-For` is believed from right to left as long as those who added to it are trusted: what
stands further left may have been written by the client.
"""

import ipaddress
from collections.abc import Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(written: Sequence[str]) -> tuple[Network, ...]:
    """Networks, or single addresses, as settings have them; ValueError where one is neither."""
    return tuple(ipaddress.ip_network(text) for text in written)


def client_address(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str | None:
    """Who is at the far end of all trusted proxies; None where a trusted one does not say."""
    named = [part.strip() for part in forwarded_for.split(",") if part.strip()]
    address: str | None = peer
    while address is not None and _within(address, trusted):
        address = _bare(named.pop()) if named else None
    return address


def neighbourhood(host: str) -> str:
    """What counts as one address: of IPv6 the /64, of which each household has one or more."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address.packed, 64), strict=False))


def _within(host: str, trusted: Sequence[Network]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return any((mapped or address) in network for network in trusted)


def _bare(text: str) -> str | None:
    """An address without the port that some proxies write behind it; None where it is none."""
    inner = text[1:].partition("]")[0] if text.startswith("[") else text
    if inner.count(":") == 1:
        inner = inner.partition(":")[0]
    try:
        return str(ipaddress.ip_address(inner))
    except ValueError:
        return None
