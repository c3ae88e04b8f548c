"""Both hosts in DATABASE_URL, the primary dies, the standby is promoted: each goes on by itself."""

from asyncio import StreamReader, StreamWriter
from pathlib import Path
from uuid import UUID

import httpx
from psycopg.conninfo import make_conninfo

from db.connect import Standby
from db.place import DATABASE, PORT
from tests.db_helpers import ALICE, value
from tests.facts import eventually
from tests.fixtures.service import running_service
from tests.gateway_process import gateway_process, token
from tests.integration.gateway_wire import cargo, wire
from tests.integration.test_conditions import diagnosed, says
from tests.polling import running, simulated
from tests.proxy import proxy, to_socket
from tests.standby import connected, pair
from tests.watching import ears


async def test_a_gateway_goes_on_and_tells_its_clients_even_of_what_was_lost(
    pg_bindir: Path, tmp_path: Path
) -> None:
    """The second change is delivered, and the standby never gets it: its number is given again."""
    async with pair(pg_bindir) as both:
        dsn, log = both.dsn("sonnette_gateway"), tmp_path / "gateway.log"
        async with gateway_process(dsn, log) as gateway, wire(gateway) as alice:
            before = await alice.subscribe(token(ALICE), cargo())
            async with await connected(both.server) as db:
                await db.execute("insert into cargo values (1, %s)", (ALICE,))
                await both.replayed()
                await both.stop_replication()
                await db.execute("insert into cargo values (2, %s)", (ALICE,))
            assert [(await alice.change()).seq for _ in range(2)] == [1, 2]
            both.kill_primary()
            await both.promote()

            told = (await alice.frame())["payload"]
            assert (told["extension"], told["message"]) == ("resync", "other history")
            assert (told["feed_seq"], told["epoch"] != before["epoch"]) == (1, True)
            async with await connected(both.standby) as db:
                await db.execute("insert into cargo values (3, %s)", (ALICE,))
            again = await alice.change()
            assert (again.seq, again.row["id"]) == (2, 3)

            # What the old history gave out is not served from the new one.
            await alice.join(token(ALICE), cargo(since=2, epoch=before["epoch"]))
            frames = [(await alice.frame())["payload"] for _ in range(3)]
            assert frames[2]["message"] == "other history"

            async def ready() -> bool:
                return not await gateway.problems()

            await eventually(ready)


async def test_an_address_that_moves_to_a_standby(pg_bindir: Path) -> None:
    """One host in the DSN, and the network decides who it is: a primary, then a standby."""
    async with pair(pg_bindir) as both:
        answering = both.server

        async def dial() -> tuple[StreamReader, StreamWriter]:
            return await to_socket(f"{answering.socket_dir}/.s.PGSQL.{PORT}")()

        async with proxy(dial) as address:
            dsn = make_conninfo(
                f"user=sonnette_gateway dbname={DATABASE} sslmode=disable",
                host="127.0.0.1",
                port=address.port,
            )
            async with ears(dsn) as one, await connected(both.standby) as db:
                answering = both.standby
                address.cut()
                await eventually(lambda: one.listener.problem == str(Standby()), 15)
                await both.promote()
                await one.hears(db, "a ring")


async def test_while_only_the_standby_answers_that_is_named(
    pg_bindir: Path, tmp_path: Path
) -> None:
    """And from its promotion on it is listened to, in one new history for all."""
    async with pair(pg_bindir) as both:
        dsn = both.dsn("sonnette_gateway")
        async with (
            ears(dsn) as one,
            ears(dsn) as other,
            gateway_process(dsn, tmp_path / "gateway.log") as gateway,
            await connected(both.standby) as db,
        ):
            await both.replayed()
            both.kill_primary()
            named = str(Standby())
            await eventually(lambda: one.listener.problem == named, 15)
            await eventually(lambda: other.lookout.problem == named, 15)
            await says(gateway, f"not listening: {named}")
            assert named in gateway.logged()
            await diagnosed(db, "standby", "this is a standby")
            before = await value(db, "select id from sonnette.epoch")
            assert one.listener.connects == 1
            await both.promote()
            for each in (one, other):
                await each.hears(db, "a ring")
            after = await value(db, "select id from sonnette.epoch")
            assert after != before
            assert [each.marks for each in (one, other)] == [2, 2]
            await says(gateway, None)


async def test_the_service_sells_and_the_poller_brings_codes_after_a_failover(
    pg_bindir: Path,
) -> None:
    async with (
        pair(pg_bindir) as both,
        simulated(both) as (world, settings),
        running(settings),
        running_service(both) as service,
    ):
        user = await world.user()
        bought = await world.bought_and_received(user)
        await both.replayed()
        both.kill_primary()
        await both.promote()
        async with service.user(user) as client:
            await eventually(lambda: _ready(client), 20)
            me = (await client.get("/v1/me")).json()
            assert (await client.get(f"/v1/activations/{bought}")).json()["status"] == "received"

            async def sold() -> str:
                asked = {"service_code": "wa", "country_code": "6"}
                answer = await client.post("/v1/activations", json=asked)
                return str(answer.json()["id"]) if answer.status_code in (201, 202) else ""

            again = UUID(await eventually(sold, 20))
            async with await connected(both.standby) as db:

                async def received() -> bool:
                    status = "select status from activations where id = %s"
                    return bool(await value(db, status, again) == "received")

                await eventually(received, 20)
            assert (await client.get("/v1/me")).json()["epoch"] == me["epoch"]


async def _ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == httpx.codes.OK
