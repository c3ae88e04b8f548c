"""`sonnette VERB`: reads the command line, and answers the world's refusals with one sentence.

Exit codes: 0 done, 1 refused or failed (a sentence on stderr), 2 a command line that is none.
"""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from db.errors import SonnetteError
from process import logs
from process.settings import Settings, load
from sonnette import people

Value = TypeVar("Value")

PROCESSES = {
    "service": "the HTTP API and the page",
    "gateway": "the WebSocket gateway",
    "poller": "the only process that talks to providers",
    "simulator": "a provider of our own, to try things with",
}
PSQL = "psql as the operator, on the database of this home; all arguments are psql's"


def main() -> int:
    """The command that `sys.argv` names."""
    words = sys.argv[1:]
    if words[:1] in (["psql"], ["dump"]) and words[1:] not in (["--help"], ["-h"]):
        # argparse would take their options for its own
        return _refusable(lambda settings: _become(words[0], settings, words[1:]))
    chosen = _parser().parse_args(words)
    if chosen.verb in PROCESSES:
        return _process(chosen.verb)
    return _refusable(lambda settings: _carry_out(chosen, settings))


# Imports stand in the functions below, because a process pays for what it imports: a gateway does
# not carry the service's code.


def _process(name: str) -> int:
    if name == "service":
        from service.__main__ import main as service

        return service()
    if name == "gateway":
        from gateway.__main__ import main as gateway

        return gateway()
    if name == "poller":
        from poller.__main__ import main as poller

        return poller()
    from poller.simulator import main as simulator

    return simulator()


def _become(name: str, settings: Settings, arguments: list[str]) -> int:
    from sonnette import verbs

    if name == "dump":
        verbs.dump(settings, arguments)
    verbs.psql(settings, arguments)


def _carry_out(chosen: argparse.Namespace, settings: Settings) -> int:
    from sonnette import verbs
    from sonnette.doctor import doctor
    from sonnette.run import run

    match chosen.verb:
        case "run":
            run(settings)
        case "migrate":
            verbs.migrate_database(settings)
        case "token":
            verbs.token(settings, chosen.user, chosen.ttl)
        case "credit":
            verbs.credit(settings, chosen.user, chosen.amount, chosen.reason)
        case "tail":
            verbs.tail(settings, chosen.user, chosen.since, codes=chosen.codes)
        case "watch":
            verbs.watch(settings, chosen.table, chosen.owner_column)
        case "doctor":
            return doctor(settings)
        case "try-purchase":
            from sonnette.try_purchase import try_purchase

            return try_purchase(
                settings,
                account=chosen.account,
                service=chosen.service,
                country=chosen.country,
                max_price=chosen.max_price,
                wait=chosen.wait,
            )
    return 0


def _refusable(command: Callable[[Settings], int]) -> int:
    try:
        settings = load(os.environ)
        logs.configure(settings.log_level)
        # One line at INFO for each of its own parts, at every start.
        logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)
        return command(settings)
    except SonnetteError as refusal:
        print(refusal, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sonnette",
        description="Realtime for virtual-number SMS activations, on Postgres.",
        epilog="Settings are environment variables; `sonnette doctor` lists them.",
    )
    add = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _add(add, "run", "everything on this machine, with a Postgres of its own")
    _add(add, "migrate", "bring the database to this version's schema")
    for name, summary in PROCESSES.items():
        _add(add, name, summary)
    token = _add(add, "token", "print a user's token")
    token.add_argument("user", help="alice, bob, a user's name or a uuid")
    token.add_argument(
        "--ttl", type=_typed(people.ttl), default="1h", help="90s, 15m, 1h, 7d; default %(default)s"
    )
    credit = _add(add, "credit", "put money into a user's wallet")
    credit.add_argument("user", help="alice, bob, a user's name or a uuid")
    credit.add_argument("amount", type=_typed(people.amount), help="such as 5.00")
    credit.add_argument("--reason", default="operator", help="for the ledger")
    trial = _add(add, "try-purchase", "make one real purchase through an account, and follow it")
    trial.add_argument("account", help="its name in the accounts file")
    trial.add_argument("service", help="a service_code of the account's offers")
    trial.add_argument("country", help="a country_code of the account's offers")
    trial.add_argument(
        "--max-price", type=_typed(people.amount), required=True, help="the most that it may cost"
    )
    trial.add_argument(
        "--wait", type=_typed(people.ttl), default="10m", help="for the SMS; default %(default)s"
    )
    tail = _add(add, "tail", "print a user's feed as it moves, a JSON object a line")
    tail.add_argument("user", help="alice, bob, a user's name or a uuid")
    tail.add_argument("--since", type=int, help="the number after which to begin; default: now")
    tail.add_argument("--codes", action="store_true", help="codes and texts, too; ops.audit has it")
    watch = _add(add, "watch", "put a table on the feed")
    watch.add_argument("table", help="such as public.orders; it needs a primary key")
    watch.add_argument("owner_column", help="its column of type uuid that names a row's owner")
    _add(add, "psql", PSQL)
    _add(add, "dump", "pg_dump of the database of this home; all arguments are pg_dump's")
    _add(add, "doctor", "every setting, and whether all is in order")
    return parser


Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add(add: Subparsers, name: str, summary: str) -> argparse.ArgumentParser:
    return add.add_parser(name, help=summary, description=summary[:1].upper() + summary[1:] + ".")


def _typed(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """argparse shows the message of ArgumentTypeError alone."""

    def typed(text: str) -> Value:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return typed


if __name__ == "__main__":
    sys.exit(main())
