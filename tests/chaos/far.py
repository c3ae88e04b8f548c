"""A world whose gateway is on another network, and reaches Postgres by TCP over one line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from db.place import PORT
from process.settings import Address
from tests.chaos.conftest import Worlds
from tests.chaos.network import Line, Network, network
from tests.chaos.world import Gateway, World
from tests.fixtures.postgres import reachable_folder
from tests.gateway_process import GatewayProcess
from tests.proxy import proxy


class FarGateway(GatewayProcess):
    """A gateway in another network; `network` is set before it is started."""

    network: Network

    def _launch(self) -> None:
        self.network.inside(super()._launch)


@asynccontextmanager
async def far_world(worlds: Worlds) -> AsyncIterator[tuple[World, Line]]:
    """A gateway in a network of its own, and the one line from there to Postgres."""
    folder = reachable_folder()
    rules = folder / "pg_hba.conf"
    try:
        with network() as far, far.line() as to_postgres, far.line() as to_clients:
            rules.write_text(f"local all all trust\nhost all all {to_postgres.there}/32 trust\n")
            rules.chmod(0o644)
            tcp = {"listen_addresses": to_postgres.here, "hba_file": str(rules)}
            async with worlds(gateways=0, postgres=tcp) as world:
                await _add_far_gateway(world, far, to_postgres, to_clients)
                yield world, to_postgres
    finally:
        rules.unlink()
        folder.rmdir()


async def _add_far_gateway(world: World, far: Network, to_postgres: Line, to_clients: Line) -> None:
    dsn = f"host={to_postgres.here} port={PORT} user=sonnette_gateway dbname={world.postgres.name}"
    address = Address(to_clients.there, 8001)
    process = FarGateway(dsn, world.folder / "gateway-0.log", {}, address)
    process.network = far
    world.stack.callback(lambda: process.kill() if process.running else None)
    door = await world.stack.enter_async_context(
        proxy(lambda: asyncio.open_connection(address.host, address.port))
    )
    world.gateways.append(Gateway("gateway-0", process, await world.line(), door))
    await process.start()
