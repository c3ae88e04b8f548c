"""Every statement of the service, typed.

Each function runs one statement on its caller's transaction and gives structs; what they mean
together is the callers' business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, class_row

from db.errors import Incomplete
from db.feed import wire_epoch
from db.queries import queries
from service.deliveries import Delivery
from service.parameters import OfferPosition
from service.payloads import Activation, Message, Purchase, amount

Connection = AsyncConnection[TupleRow]
T = TypeVar("T")


@dataclass(frozen=True)
class Position:
    """How far a user's feed is in this snapshot, and the history's name as the user sees it."""

    feed_seq: int
    epoch: str


@dataclass(frozen=True)
class OfferRow:
    """A row of sonnette.offers."""

    provider: str
    service_code: str
    country_code: str
    operator: str
    price: Decimal
    stock: int


@dataclass(frozen=True)
class RequestRow:
    """What the poller has noted at a request; `found` is the JSON of a recovery."""

    done: bool
    outcome: str | None
    found: str | None


@dataclass(frozen=True)
class WebhookAccount:
    """By what an account's webhooks are known. None: no secret, and from anywhere."""

    secret_sha256: bytes | None
    addresses: Sequence[str] | None


async def webhook_account(connection: Connection, name: str) -> WebhookAccount | None:
    """The account of that name, if there is one."""
    cursor = await connection.execute(queries["webhook_account"], {"account": name})
    row = await cursor.fetchone()
    return None if row is None else WebhookAccount(*row)


async def webhook_received(
    connection: Connection, account: str, delivery: Delivery, address: str | None
) -> bool:
    """Store it for the poller; False where it was stored before."""
    parameters = {
        "account": account,
        "order_id": delivery.order_id,
        "body": delivery.body,
        "remote_address": address,
        "dedupe_key": delivery.dedupe_key,
    }
    cursor = await connection.execute(queries["webhook_received"], parameters)
    return bool(_there(await cursor.fetchone())[0])


async def position(connection: Connection, user_id: UUID) -> Position:
    """The user's position."""
    cursor = await connection.execute(queries["feed_position"], {"user_id": user_id})
    feed_seq, epoch = _there(await cursor.fetchone())
    if epoch is None:
        raise Incomplete
    return Position(feed_seq, wire_epoch(epoch, str(user_id)))


async def numbered(connection: Connection, user_id: UUID) -> int:
    """Number what this transaction wrote, and the user's seq that includes it. The last to do."""
    await connection.execute(queries["number_now"])
    return (await position(connection, user_id)).feed_seq


async def wallet(connection: Connection, user_id: UUID) -> tuple[Decimal, Decimal, Decimal]:
    """Balance, frozen and available."""
    cursor = await connection.execute(queries["wallet"], {"user_id": user_id})
    balance, frozen, available = _there(await cursor.fetchone())
    return balance, frozen, available


async def offers(
    connection: Connection,
    service_code: str | None,
    country_code: str | None,
    after: OfferPosition | None,
    most: int,
) -> list[OfferRow]:
    """Offers by service and country, the cheapest first."""
    return await _all(
        connection,
        OfferRow,
        "offers_page",
        {
            "service_code": service_code,
            "country_code": country_code,
            "after_service": after.service_code if after else None,
            "after_country": after.country_code if after else None,
            "after_price": after.price if after else None,
            "after_account": after.provider if after else None,
            "after_operator": after.operator if after else None,
            "most": most,
        },
    )


async def buy(connection: Connection, user_id: UUID, purchase: Purchase) -> Activation:
    """Ask for a number: the new activation. DatabaseRefused as sonnette.buy() says."""
    parameters = {
        "user_id": user_id,
        "service_code": purchase.service_code,
        "country_code": purchase.country_code,
        "operator": purchase.operator,
        "max_price": amount("max_price", purchase.max_price),
    }
    [bought] = await _all(connection, Activation, "buy", parameters)
    return bought


async def activation(
    connection: Connection, user_id: UUID, activation_id: UUID
) -> Activation | None:
    """The user's activation of that id, if there is one."""
    parameters = {"user_id": user_id, "activation_id": activation_id}
    found = await _all(connection, Activation, "activation", parameters)
    return found[0] if found else None


async def activation_named(connection: Connection, user_id: UUID, name: str) -> UUID | None:
    """The user's activation of that id, or of that order at its provider, the newest."""
    parameters = {"user_id": user_id, "name": name}
    row = await (await connection.execute(queries["activation_named"], parameters)).fetchone()
    return row[0] if row else None


async def activations(
    connection: Connection,
    user_id: UUID,
    statuses: Sequence[str] | None,
    after: tuple[datetime, UUID] | None,
    most: int,
) -> list[Activation]:
    """The user's activations, newest first."""
    at, after_id = after or (None, None)
    return await _all(
        connection,
        Activation,
        "activations_page",
        {
            "user_id": user_id,
            "statuses": statuses,
            "after_at": at,
            "after_id": after_id,
            "most": most,
        },
    )


async def messages(connection: Connection, user_id: UUID, activation_id: UUID) -> list[Message]:
    """Every SMS of the activation, oldest first."""
    parameters = {"user_id": user_id, "activation_id": activation_id}
    return await _all(connection, Message, "messages_of", parameters)


async def ask(connection: Connection, user_id: UUID, activation_id: UUID, kind: str) -> int:
    """Ask the poller for something: the request's id. DatabaseRefused as sonnette.ask() says."""
    parameters = {"user_id": user_id, "activation_id": activation_id, "kind": kind}
    cursor = await connection.execute(queries["ask"], parameters)
    [request_id] = _there(await cursor.fetchone())
    return int(request_id)


async def answered_check(
    connection: Connection, user_id: UUID, activation_id: UUID, within_s: float
) -> int | None:
    """The id of a check that was asked for within that time and is answered."""
    parameters = {"user_id": user_id, "activation_id": activation_id, "within_s": within_s}
    row = await (await connection.execute(queries["answered_check"], parameters)).fetchone()
    return int(row[0]) if row else None


async def answered(connection: Connection, user_id: UUID, request_id: int) -> RequestRow:
    """What came of the request by now."""
    parameters = {"user_id": user_id, "request_id": request_id}
    [found] = await _all(connection, RequestRow, "request_answered", parameters)
    return found


async def column_types(connection: Connection) -> dict[tuple[str, str], dict[str, str]]:
    """PostgreSQL's type names by column, for each watched (schema, table)."""
    rows = await (await connection.execute(queries["watched_tables"])).fetchall()
    return {
        (schema, table): dict(zip(columns, types, strict=True))
        for schema, table, _owner, columns, types in rows
    }


async def _all(
    connection: Connection, kind: type[T], name: str, parameters: Mapping[str, object]
) -> list[T]:
    async with connection.cursor(row_factory=class_row(kind)) as cursor:
        await cursor.execute(queries[name], parameters)
        return await cursor.fetchall()


def _there(row: TupleRow | None) -> TupleRow:
    if row is None:
        raise RuntimeError("a statement that always has a row gave none")
    return row
