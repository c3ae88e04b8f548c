"""Clients by the name of what they run on, for tests of what befalls a client in its life.

`node-20` is the machine's Node with `ws`, `node-24` has a WebSocket of its own, `serializer-1` is
`node-20` with vsn 1.0.0, `standalone` is realtime-js alone, and `browser` is Chromium.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from tests.gateway_process import GatewayProcess, anon_key
from tests.interop.browser_client import browser_client
from tests.interop.conftest import User
from tests.interop.node_client import Change, JsClient, node_client, program_on
from tests.interop.python_client import Reachable
from tests.interop.raw import of_user
from tests.needs import find_newer_node, needs_chromium, needs_newer_node, needs_node
from tests.proxy import Proxy, proxy, to_port

NODE_20 = pytest.param("node-20", marks=needs_node)
STANDALONE = pytest.param("standalone", marks=needs_node)
NODE_24 = pytest.param("node-24", marks=needs_newer_node)
BROWSER = pytest.param("browser", marks=needs_chromium)


def line_to(gateway: GatewayProcess) -> AbstractAsyncContextManager[Proxy]:
    """A proxy before the gateway."""
    return proxy(to_port(urlsplit(gateway.url).port or 0))


@asynccontextmanager
async def life(
    kind: str, way: Reachable, user: User, realtime: dict[str, object] | None = None
) -> AsyncIterator[JsClient]:
    """A client that follows its activations from the start, keeps its cursor, and was subscribed.

    At the end no change was missing or came twice, and no join had timed out.
    """
    async with _client(kind, way, user, realtime or {}) as client:
        await client.until_served_again()
        yield client
        assert "TIMED_OUT" not in client.statuses
    previous = [0, *(change.row["feed_seq"] for change in client.changes)]
    assert [change.row["feed_prev"] for change in client.changes] == previous[:-1]


def _client(
    kind: str, way: Reachable, user: User, realtime: dict[str, object]
) -> AbstractAsyncContextManager[JsClient]:
    asked: dict[str, object] = {
        "url": way.url, "key": anon_key(), "token": user.token, "topic": "my-numbers",
        "bindings": [of_user(user.id, since=0)], "cursor": True, "realtime": realtime,
    }  # fmt: skip
    match kind:
        case "browser":
            return browser_client(**asked)
        case "node-24":
            node = find_newer_node()
            assert node is not None
            return program_on(node, "client.mjs", {**asked, "native": True})
        case "standalone":
            return node_client("standalone.mjs", **asked)
        case "serializer-1":
            asked["realtime"] = {**realtime, "vsn": "1.0.0"}
    return node_client("client.mjs", **asked)


async def until_seen(client: JsClient, activation: UUID) -> None:
    """Until the client has been told of that activation."""
    while (await client.until(Change)).row["id"] != str(activation):
        pass
