"""An account that an operator has paused: nothing is bought or asked, and then all goes on."""

from tests.fixtures.postgres import Database
from tests.polling import polling


async def test_a_paused_account_is_asked_nothing_until_it_is_resumed(database: Database) -> None:
    async with polling(database) as world:
        await world.script(never=True)
        user = await world.user()
        id = await world.bought(user)
        await world.execute("select ops.pause('simulator')")
        request = await world.ask(user, id, "check")
        overdue = await world.one(
            "insert into activations (user_id, provider, service_code, country_code, status, price,"
            " created_at) values (%s, 'simulator', 'wa', '6', 'requested', 1,"
            " now() - interval '3 minutes') returning id",
            user,
        )
        # Who waits too long for a number gets the money back: the poller was there after the ring.
        await world.becomes(overdue["id"], "failed")
        asked = await world.one("select done_at from sonnette.requests where id = %s", request)
        assert asked["done_at"] is None
        await world.execute("select ops.resume('simulator')")
        await world.answered(request)
