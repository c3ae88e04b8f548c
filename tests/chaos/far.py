"""A world whose gateway is on another network, and reaches Postgres by TCP over one line."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from db.place import PORT
from process.settings import Address
from tests.chaos.conftest import Worlds
from tests.chaos.network import Line, Network, network
from tests.chaos.world import Gateway, World
from tests.fixtures.postgres import reachable_folder
from tests.gateway_process import GatewayProcess
from tests.proxy import proxy

GATEWAY_PORT = 8001


class FarGateway(GatewayProcess):
    """A gateway in another network; `network` is set before it is started."""

    network: Network

    def _launch(self) -> None:
        self.network.inside(super()._launch)


@dataclass(frozen=True)
class Far:
    """Its gateway is reached by `to_postgres`, and by any other line to `network` on port 8001."""

    world: World
    network: Network
    to_postgres: Line


@asynccontextmanager
async def far_world(worlds: Worlds, module: Sequence[str] = ()) -> AsyncIterator[Far]:
    """A gateway in a network of its own; `module` as GatewayProcess has it."""
    folder = reachable_folder()
    rules = folder / "pg_hba.conf"
    try:
        with network() as far, far.line() as to_postgres, far.line() as to_clients:
            rules.write_text(f"local all all trust\nhost all all {to_postgres.there}/32 trust\n")
            rules.chmod(0o644)
            tcp = {"listen_addresses": to_postgres.here, "hba_file": str(rules)}
            async with worlds(gateways=0, postgres=tcp) as world:
                one = Far(world, far, to_postgres)
                await _add_gateway(one, Address(to_clients.there, GATEWAY_PORT), module)
                yield one
    finally:
        rules.unlink()
        folder.rmdir()


async def _add_gateway(far: Far, address: Address, module: Sequence[str]) -> None:
    world = far.world
    dsn = (
        f"host={far.to_postgres.here} port={PORT} user=sonnette_gateway"
        f" dbname={world.postgres.name}"
    )
    everywhere = {"SONNETTE_GATEWAY_LISTEN": f"0.0.0.0:{address.port}"}
    process = FarGateway(dsn, world.folder / "gateway-0.log", everywhere, address)
    process.network, process.MODULE = far.network, module
    world.stack.callback(lambda: process.kill() if process.running else None)
    door = await world.stack.enter_async_context(
        proxy(lambda: asyncio.open_connection(address.host, address.port))
    )
    world.gateways.append(Gateway("gateway-0", process, await world.line(), door))
    await process.start()
