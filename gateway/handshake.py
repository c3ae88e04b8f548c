"""What a handshake says of its client, read once: from where, with which key and serializer. Pure.

Thousands come at once after a restart, and each is looked at in several places.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from websockets.http11 import Request

from gateway.protocol import Serializer, serializer
from gateway.returns import Caller, caller
from process.addresses import Network, client_address, neighbourhood


@dataclass(frozen=True, slots=True)
class Handshake:
    """`address`: what counts as one client's; None where a trusted proxy does not say it.

    `serializer` is None where there is no such version of the protocol; `key` is the apikey.
    """

    serializer: Serializer | None
    key: str | None
    address: str | None
    caller: Caller


def read(request: Request, peer: str, proxies: Sequence[Network]) -> Handshake:
    """The handshake of a connection that comes from `peer`."""
    asked = parse_qs(request.path.partition("?")[2])
    key = request.headers.get("x-api-key") or _first(asked, "apikey")
    host = client_address(peer, ",".join(request.headers.get_all("X-Forwarded-For")), proxies)
    address = None if host is None else neighbourhood(host)
    return Handshake(
        serializer(_first(asked, "vsn")), key, address, caller(address or peer or None, key)
    )


def _first(asked: dict[str, list[str]], name: str) -> str | None:
    values = asked.get(name)
    return values[0] if values else None
