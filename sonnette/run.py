"""`sonnette run`: all of Sonnette from an empty folder, and nothing left of it at the end.

On stdout only the lines that other programs read: `user`, `open`, `ready`; all else is stderr. The
order is: lock the home, look at the ports, start Postgres, migrate, then the four processes. It
ends the other way round, Postgres last.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from types import FrameType

from db import binaries, embedded, migrate
from db.backoff import Backoff
from db.embedded import EmbeddedFailed, Server
from db.errors import SonnetteError
from db.queries import queries
from process.ports import listening_socket
from process.settings import Settings
from process.shutdown import stop_on_signals
from process.tokens import mint
from sonnette import database, readiness
from sonnette.child import Child, how_it_ended
from sonnette.database import OPERATOR, Database
from sonnette.home import Home
from sonnette.parts import Part, environ_of, parts, ready_line
from sonnette.people import DEMO_CREDIT, DEMO_USERS

OPEN_LINK_TTL_S = 86_400  # whoever comes back to the terminal after lunch can still click it
_POSTGRES_LOOK_S = 0.5


class Interrupted(BaseException):
    """SIGTERM before the event loop runs; no `except Exception` may hold it up."""


def run(settings: Settings) -> None:
    """Run everything until SIGINT, SIGTERM or a hang-up."""
    home = Home(settings.home)
    with contextlib.suppress(KeyboardInterrupt, Interrupted), _interruptible():
        home.lock()
        processes = parts(settings)
        check_ports(processes)
        home.make_secret()
        with _postgres(settings, home) as (server, found):
            migrate.upgrade(found.url)
            _welcome_demo_users(found)
            _supervise(settings, home, processes, found, server)


def check_ports(processes: tuple[Part, ...]) -> None:
    """PortInUse, with the setting to change, if one of the addresses is taken already."""
    with contextlib.ExitStack() as held:  # until all are seen, so that ours differ too
        for part in processes:
            held.enter_context(listening_socket(part.address, setting=part.setting))


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _postgres(settings: Settings, home: Home) -> Iterator[tuple[Server | None, Database]]:
    """The database to use, and the server where it is ours to keep running and to stop."""
    home.remember(settings.database_url)
    if settings.database_url is not None:
        yield None, database.find(settings, home)
        return
    server = embedded.start(home.path, bindir=binaries.find_bindir(settings.pg_bindir))
    try:
        yield server, database.embedded(server.place)
    finally:
        # Stopping takes a moment, and a second Ctrl-C must not cut it short.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        server.stop()


def _welcome_demo_users(found: Database) -> None:
    with database.connection(found.dsn(OPERATOR), "run") as opened:
        for name, user_id in DEMO_USERS.items():
            opened.execute(queries["user_created"], {"user_id": user_id, "name": name})
            credit = {"user_id": user_id, "amount": DEMO_CREDIT, "reason": "demo"}
            opened.execute(queries["credit"], {**credit, "key": f"demo:{user_id}"})


def _supervise(
    settings: Settings,
    home: Home,
    processes: tuple[Part, ...],
    found: Database,
    server: Server | None,
) -> None:
    children = [Child(part, _environ(part, home, found), say) for part in processes]
    lines = [*_demo_lines(settings, home), ready_line(found.shown, processes)]
    try:
        asyncio.run(_until_stopped(children, lines, server))
    except ExceptionGroup as group:
        if isinstance(group.exceptions[0], SonnetteError):
            raise group.exceptions[0] from None
        raise


def _environ(part: Part, home: Home, found: Database) -> dict[str, str]:
    return environ_of(
        part,
        os.environ,
        home=home.path,
        secret_file=home.secret_file,
        private_database=found.embedded is not None,
        dsn=found.dsn,
    )


def _demo_lines(settings: Settings, home: Home) -> list[str]:
    secret = settings.jwt_secret or home.secret() or ""
    token = mint(secret, DEMO_USERS["alice"], datetime.now(UTC), OPEN_LINK_TTL_S)
    users = [f"user {name} {user_id}" for name, user_id in DEMO_USERS.items()]
    return [*users, f"open {settings.service_listen.url()}/#access_token={token}"]


async def _until_stopped(children: list[Child], lines: list[str], server: Server | None) -> None:
    stop = stop_on_signals()
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stop.set)
    async with asyncio.TaskGroup() as tasks:
        for child in children:
            tasks.create_task(child.keep(stop))
        others = [tasks.create_task(_announce(children, lines))]
        if server is not None:
            others.append(tasks.create_task(_keep_postgres(server)))
        await stop.wait()
        for task in others:
            task.cancel()


async def _announce(children: list[Child], lines: list[str]) -> None:
    await readiness.all_ready(tuple(child.part for child in children))
    for child in children:
        child.was_ready = True
    print(*lines, sep="\n", flush=True)


async def _keep_postgres(server: Server) -> None:
    backoff = Backoff(0.5, 15)
    while True:
        await asyncio.sleep(_POSTGRES_LOOK_S)
        if (code := server.exit_code()) is None:
            backoff.reset()
            continue
        say(f"postgres {how_it_ended(code)}; starting it again")
        await asyncio.sleep(backoff.next_s())  # its last sessions need a moment to go
        with contextlib.suppress(EmbeddedFailed):
            server.launch()  # blocks the loop: it has to be the main thread


def say(sentence: str) -> None:
    """Tell the person at the terminal."""
    print(sentence, file=sys.stderr, flush=True)
