"""One client floods; an honest one beside it, and one that comes meanwhile, notice nothing."""

import pytest

from tests.db_helpers import ALICE, Connection
from tests.facts import eventually
from tests.floods import FLOODS, flood, half_handshakes
from tests.gateway_process import GatewayProcess, token
from tests.integration.gateway_wire import cargo, follower, wire
from tests.integration.test_gateway_bad_input import counted
from tests.integration.test_gateway_failures import all_seen, rows_more, writing

CHANGES = 100


@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_disturbs_nobody_else(
    gateway: GatewayProcess, cargo_db: Connection, kind: str
) -> None:
    began = await counted(gateway, "frames_slowed_total")
    async with follower(gateway, ALICE) as honest, flood(gateway, FLOODS[kind]()):
        await eventually(lambda: slowed(gateway, began), 20)
        async with writing(cargo_db, ALICE) as written:
            await rows_more(written, CHANGES)
        await all_seen(honest, written)
        assert honest.sockets == 1
        async with wire(gateway) as newcomer:
            await newcomer.subscribe(token(ALICE), cargo())
            await newcomer.alive()
        assert await gateway.problems() == []


async def slowed(gateway: GatewayProcess, before: float) -> bool:
    return await counted(gateway, "frames_slowed_total") > before


async def test_half_handshakes_keep_nobody_out(
    gateway: GatewayProcess, cargo_db: Connection
) -> None:
    async with half_handshakes(gateway, 300):
        await eventually(lambda: half_open(gateway, 300))
        async with wire(gateway) as alice:
            await alice.subscribe(token(ALICE), cargo())
            await cargo_db.execute("insert into cargo values (1, %s)", (ALICE,))
            assert (await alice.change()).seq == 1
    await eventually(lambda: half_open(gateway, 0))


async def half_open(gateway: GatewayProcess, count: int) -> bool:
    # The one that asks is not half open any more when it is answered.
    return await counted(gateway, "opening") == count
