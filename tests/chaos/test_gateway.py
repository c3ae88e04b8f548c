"""Faults 1 to 6: what may happen to the process that holds the sockets."""

from tests.chaos.world import World


async def test_fault_01_killed(world: World) -> None:
    """kill -9 under many sockets. bench/outages.py does it with 10,000 of them."""
    users = [await world.user() for _ in range(5)]
    for user in users:
        await world.client(user)
    world.writer(*users)
    await world.more(50)
    with world.timeline.fault("kill -9", "gateway-0"):
        world.gateways[0].process.kill()
        await world.more(50)
        await world.gateways[0].process.start()
    await world.more(50)
    await world.holds()
