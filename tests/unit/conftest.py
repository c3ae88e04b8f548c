"""What the gateway's pure tests share: feeds in memory, a hub on them, and one client."""

import pytest

from gateway.hub import Hub
from tests.unit.gateway_parts import Client, Feeds, hub_of


@pytest.fixture
def feeds() -> Feeds:
    """Empty feeds."""
    return Feeds()


@pytest.fixture
def hub(feeds: Feeds) -> Hub:
    """A hub that reads them."""
    return hub_of(feeds)


@pytest.fixture
def client(hub: Hub) -> Client:
    """A socket of the hub's, on serializer 2.0.0."""
    return Client(hub)
