"""A phx_join's payload, parsed once: the token, and each postgres_changes binding made ready.

Pure. As on Supabase a malformed part of `config` counts as absent, because clients have always been
able to rely on it; a binding that could never deliver anything is refused with a sentence, because
a join that succeeds and stays silent is the worst of answers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from db.feed import LIVE_ONLY
from gateway.catalog import Catalog, Table
from gateway.filters import BadFilter, Filter, parse
from gateway.protocol import Payload, dumps

MAX_PATTERNS = 50
BINDINGS_PER_JOIN = 10  # that cost together what the rest of a join costs
EARLIEST_MS = 10**12  # the year 2001; no feed is that long
EVENTS = ("INSERT", "UPDATE", "DELETE")


class JoinRefused(Exception):
    """The join cannot be served. `reason` is "Code: sentence", as clients show it.

    `why` is what it is counted by: the code, or more exactly the limit that was reached.
    """

    def __init__(self, code: str, sentence: str, why: str | None = None) -> None:
        self.code = code
        self.why = why or code
        self.reason = f"{code}: {sentence}"
        super().__init__(self.reason)


@dataclass(frozen=True, slots=True)
class Cursor:
    """After which feed_seq a binding goes on (None: from now on), and of which history that is."""

    since: int | None
    epoch: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One binding as asked for. `user` is whose feed it reads.

    `echo`: the client's own object for the reply, JSON text of at least one key.
    `columns`: those that it selects, the primary key among them; None for whole rows.
    """

    echo: str
    user: str
    event: str
    schema: str
    table: str
    filter: Filter | None
    columns: frozenset[str] | None
    cursor: Cursor


def token_of(payload: Payload) -> str | None:
    """The token that a join or a refresh brings; None where it brings none of ours."""
    for key in ("user_token", "access_token"):
        token = payload.get(key)
        if isinstance(token, str) and token and not token.startswith("sb_"):
            return token
    return None


def effort_of(payload: Payload) -> int:
    """What a join costs, as against one that asks for nothing; known before it is looked at."""
    return 1 + sum(1 for _ in _asked(payload)) // BINDINGS_PER_JOIN


def bindings_of(
    payload: Payload, user: str | None, catalog: Catalog, max_bindings: int
) -> list[Wanted]:
    """The bindings that a join asks for, in its order; JoinRefused with the first that cannot be.

    `user` is the token's; None for service_role, whose every binding must name a user.
    """
    asked = list(_asked(payload))
    if len(asked) > max_bindings:
        raise JoinRefused(
            "TooManyBindings", f"a channel has at most {max_bindings} postgres_changes bindings"
        )
    cursor = _cursor(_replay(payload))
    wanted: list[Wanted] = []
    patterns = 0
    for binding in asked:
        wanted.append(_wanted(binding, user, catalog, cursor))
        narrowed = wanted[-1].filter
        patterns += narrowed.patterns if narrowed else 0
        if patterns > MAX_PATTERNS:  # looked at here, because to prepare each costs a millisecond
            raise JoinRefused(
                "InvalidFilter",
                "too many conditions with like, ilike, match or imatch in a join."
                f" Maximum {MAX_PATTERNS}",
            )
    if cursor.since is not None and len({one.user for one in wanted}) > 1:
        raise JoinRefused("InvalidCursor", "one cursor for the feeds of several users is of none")
    return wanted


def _asked(payload: Payload) -> Iterator[Payload]:
    config = payload.get("config")
    bindings = config.get("postgres_changes") if isinstance(config, dict) else None
    if isinstance(bindings, list):
        yield from (binding for binding in bindings if isinstance(binding, dict))


def _replay(payload: Payload) -> Payload:
    """The channel's `replay`, where PyPI realtime can keep a cursor; a time there is none."""
    found: object = payload
    for key in ("config", "broadcast", "replay"):
        found = found.get(key) if isinstance(found, dict) else None
    replay = found if isinstance(found, dict) else {}
    since = replay.get("since")
    # On Supabase it is a time in milliseconds, from where broadcasts are sent again.
    return {} if isinstance(since, int | float) and since >= EARLIEST_MS else replay


def _wanted(asked: Payload, user: str | None, catalog: Catalog, of_channel: Cursor) -> Wanted:
    schema, table = _names(asked)
    tables = catalog.named(schema, table)
    if not tables:
        raise JoinRefused(
            "UnableToSubscribe",
            f"no table {schema}.{table} is watched; an administrator can put it on the feed",
        )
    condition = _filter(asked, tables)
    reader = user or _named_user(condition, tables[0])
    own = _cursor(asked)
    cursor = of_channel if own.since is None and of_channel.since is not None else own
    return Wanted(
        echo=_echo(asked),
        user=reader,
        event=_event(asked),
        schema=schema,
        table=table,
        filter=_narrowing(condition, tables[0], reader),
        columns=_selected(asked, tables),
        cursor=cursor,
    )


def _names(asked: Payload) -> tuple[str, str]:
    schema, table = asked.get("schema"), asked.get("table")
    if not isinstance(schema, str) and not isinstance(table, str):
        raise JoinRefused(
            "UnableToSubscribe",
            "No subscription params provided. Please provide at least a `schema` or `table`",
        )
    if asked.get("filter") and not isinstance(table, str):
        raise JoinRefused("UnableToSubscribe", "a filter needs a `table` whose columns it names")
    return (
        schema if isinstance(schema, str) else "public",
        table if isinstance(table, str) else "*",
    )


def _filter(asked: Payload, tables: list[Table]) -> Filter | None:
    text = asked.get("filter")
    if text is None or text == "":
        return None
    if not isinstance(text, str):
        raise JoinRefused("InvalidFilter", "`filter` must be a string")
    if len(tables) > 1:
        raise JoinRefused("InvalidFilter", "a filter needs one table, not a wildcard")
    try:
        return parse(text, tables[0].columns)
    except BadFilter as refused:
        raise JoinRefused("InvalidFilter", str(refused)) from None


def _selected(asked: Payload, tables: list[Table]) -> frozenset[str] | None:
    names = asked.get("select")
    if names is None or names == []:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise JoinRefused("InvalidSelect", "`select` must be a list of column names")
    if asked.get("table") in (None, "*") or asked.get("schema") == "*" or len(tables) > 1:
        raise JoinRefused(
            "InvalidSelect", "Column selection is not supported for wildcard subscriptions"
        )
    for name in names:
        if name not in tables[0].columns:
            raise JoinRefused("InvalidSelect", f"invalid column for select {name[:64]}")
    return tables[0].key | frozenset(names)


def _named_user(condition: Filter | None, table: Table) -> str:
    named = condition.required(table.owner_column) if condition else None
    if not isinstance(named, str):
        raise JoinRefused(
            "Unauthorized",
            f"service_role must name one user in its filter: {table.owner_column}=eq.<uuid>",
        )
    return named


def _narrowing(condition: Filter | None, table: Table, reader: str) -> Filter | None:
    """The filter without what the feed promises anyway: that the rows are the reader's."""
    if condition is None:
        return None
    rest = tuple(
        part
        for part in condition.conditions
        if not (part.column.name == table.owner_column and part.value == reader)
    )
    return Filter(rest) if rest else None


def _echo(asked: Payload) -> str:
    # Encoded here and not in the reply, which the relay sends: an error there would hit everybody.
    try:
        return dumps({name: value for name, value in asked.items() if name != "id"})
    except RecursionError:
        raise JoinRefused("UnableToSubscribe", "a binding is nested too deeply") from None


def _event(asked: Payload) -> str:
    event = asked.get("event")
    word = event.upper() if isinstance(event, str) else "*"
    return word if word in EVENTS else "*"


def _cursor(asked: Payload) -> Cursor:
    return Cursor(_since(asked), _epoch(asked))


def _since(asked: Payload) -> int | None:
    since = asked.get("since")
    if since is None:
        return None
    if isinstance(since, bool) or not isinstance(since, int) or not 0 <= since < LIVE_ONLY:
        raise JoinRefused("InvalidCursor", "`since` must be a feed_seq: an integer, 0 or more")
    return since


def _epoch(asked: Payload) -> str | None:
    epoch = asked.get("epoch")
    if epoch is None or isinstance(epoch, str):
        return epoch
    raise JoinRefused("InvalidCursor", "`epoch` must be the string that came with the feed_seq")
