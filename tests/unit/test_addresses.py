"""Whose address a connection has, with and without proxies before it."""

import pytest

from process.addresses import client_address, networks

PROXIES = networks(["127.0.0.0/8", "::1/128", "10.0.0.0/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.9", "192.0.2.1"),  # nobody vouches for the header
        ("127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "6.6.6.6, 192.0.2.1", "192.0.2.1"),  # the client made up the first
        ("127.0.0.1", "192.0.2.1, 10.0.0.7", "192.0.2.1"),  # two proxies in a row
        ("127.0.0.1", "", None),
        ("127.0.0.1", "10.0.0.7", None),
        ("127.0.0.1", "unknown", None),
        ("127.0.0.1", "192.0.2.1, _hidden", None),
        ("127.0.0.1", "192.0.2.1:5000", "192.0.2.1"),
        ("::1", "[2001:db8::1]:5000", "2001:db8::1"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("", "192.0.2.1", ""),
    ],
)
def test_the_address_of_a_client(peer: str, forwarded_for: str, address: str | None) -> None:
    assert client_address(peer, forwarded_for, PROXIES) == address


def test_without_trusted_proxies_the_peer_is_the_client() -> None:
    assert client_address("127.0.0.1", "192.0.2.1", ()) == "127.0.0.1"
