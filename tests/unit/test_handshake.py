"""gateway/handshake.py: what a handshake says of its client."""

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request

from gateway.handshake import Handshake, read
from gateway.protocol import serializer
from process.addresses import networks

PROXIES = networks(["10.0.0.0/8"])


def handshake(query: str = "", peer: str = "192.0.2.1", **headers: str) -> Handshake:
    given = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return read(Request(f"/realtime/v1/websocket{query}", given), peer, PROXIES)


@pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])
def test_the_serializer_is_that_of_the_version(vsn: str) -> None:
    assert handshake(f"?vsn={vsn}").serializer is serializer(vsn)


def test_a_version_that_there_is_not_has_none() -> None:
    assert handshake("?vsn=9.0.0").serializer is None


def test_without_a_version_it_is_the_oldest() -> None:
    assert handshake().serializer is serializer(None)


def test_the_key_is_in_the_query_or_in_a_header_which_counts_first() -> None:
    assert handshake("?apikey=one&apikey=two").key == "one"
    assert handshake("?apikey=one", x_api_key="two").key == "two"
    assert handshake().key is None


def test_the_address_is_the_peer_s_unless_a_trusted_proxy_names_another() -> None:
    assert handshake(x_forwarded_for="198.51.100.7").address == "192.0.2.1"
    assert handshake(peer="10.1.1.1", x_forwarded_for="198.51.100.7").address == "198.51.100.7"
    assert handshake(peer="10.1.1.1").address is None


def test_of_an_ipv6_address_its_network_counts() -> None:
    assert handshake(peer="2001:db8::1").address == handshake(peer="2001:db8::2").address


def test_callers_differ_by_address_and_by_key() -> None:
    callers = {
        handshake("?apikey=one").caller,
        handshake("?apikey=two").caller,
        handshake("?apikey=one", peer="192.0.2.2").caller,
    }
    assert len(callers) == 3


def test_who_is_not_named_is_called_by_the_proxy() -> None:
    assert handshake(peer="10.1.1.1").caller == handshake(peer="10.1.1.1").caller
    assert handshake(peer="10.1.1.1").caller != handshake(peer="10.1.1.2").caller
