"""What 5sim sells and lists, read into plain values: an order, a page of orders, the price list.

Pure. An order or a price that cannot be read is skipped and counted, because one broken entry must
not hide the code in the next.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from poller.providers import wire
from poller.providers.answers import ActiveList, ActiveRow, Price, PriceList, Sms
from poller.providers.wire import Document, Json, NotDocumented

ALIVE = ("PENDING", "RECEIVED")
OVER = ("CANCELED", "TIMEOUT", "FINISHED", "BANNED")
MAX_LIFETIME_S = 30 * 86_400


@dataclass(frozen=True)
class Sold:
    """One order. `lifetime_s` is the span between its two times; `sms` is oldest first."""

    id: str
    phone: str
    status: str
    operator: str | None
    product: str | None
    country: str | None
    price: Decimal | None
    created_at: datetime | None
    lifetime_s: int | None
    sms: tuple[Sms, ...]

    @property
    def alive(self) -> bool:
        return self.status in ALIVE


@dataclass(frozen=True)
class Orders:
    """A page of orders, and the times of the newest and the oldest on it."""

    list: ActiveList
    newest: datetime | None = None
    oldest: datetime | None = None


def order(found: Json) -> Sold:
    """One order. NotDocumented, or another ValueError, where it is none."""
    if not isinstance(found, dict) or found.get("status") not in (*ALIVE, *OVER):
        raise NotDocumented
    created_at, expires = _time(found.get("created_at")), _time(found.get("expires"))
    return Sold(
        id=wire.order_id(found.get("id")),
        phone=wire.phone(found.get("phone")),
        status=str(found["status"]),
        operator=wire.optional(wire.code, found.get("operator")),
        product=wire.optional(wire.code, found.get("product")),
        country=wire.optional(wire.code, found.get("country")),
        price=wire.optional(wire.amount, found.get("price")),
        created_at=created_at,
        lifetime_s=_lifetime_s(created_at, expires),
        sms=_all_sms(found.get("sms")),
    )


def orders(found: Document) -> Orders:
    """A page of /user/orders: `{"Data": [...], "Total": n}`."""
    entries = found.get("Data") if isinstance(found, dict) else found
    if not isinstance(entries, list):
        raise NotDocumented
    good = [sold for sold in (wire.optional(order, entry) for entry in entries) if sold]
    if entries and not good:
        raise NotDocumented
    times = [sold.created_at for sold in good if sold.created_at is not None]
    rows = tuple(map(_row, good))
    return Orders(
        ActiveList(rows, skipped=len(entries) - len(good)),
        newest=max(times, default=None),
        oldest=min(times, default=None),
    )


def _row(sold: Sold) -> ActiveRow:
    return ActiveRow(sold.id, sold.phone, sold.product, sold.country, sold.sms, sold.alive)


def _all_sms(value: Json) -> tuple[Sms, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise NotDocumented
    dated = [_sms(entry) for entry in value]
    # As the provider lists them, unless it says when each came.
    if all(at is not None for at, _ in dated):
        dated.sort(key=lambda one: one[0] or datetime.min.replace(tzinfo=UTC))
    return tuple(sms for _, sms in dated if sms is not None)


def _sms(entry: Json) -> tuple[datetime | None, Sms | None]:
    if not isinstance(entry, dict):
        raise NotDocumented
    code, text = wire.sms_part(entry.get("code")), wire.sms_part(entry.get("text"))
    return _time(entry.get("created_at")), Sms(code, text) if code or text else None


def _time(value: Json) -> datetime | None:
    """RFC 3339 with up to nine decimals; one without a zone is taken for UTC."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _lifetime_s(begin: datetime | None, end: datetime | None) -> int | None:
    if begin is None or end is None:
        return None
    seconds = int((end - begin).total_seconds())
    return seconds if 0 < seconds <= MAX_LIFETIME_S else None


def price_list(found: Document) -> PriceList:
    """Every product of every country, at the cheapest operator that has any."""
    if isinstance(found, list):
        raise NotDocumented
    entries = [
        _price(country, product, operators)
        for country, products in found.items()
        for product, operators in (products.items() if isinstance(products, dict) else [("", None)])
    ]
    good = tuple(entry for entry in entries if entry is not None)
    if entries and not good:
        raise NotDocumented
    return PriceList(good, skipped=len(entries) - len(good))


def _price(country: str, product: str, operators: Json) -> Price | None:
    if not isinstance(operators, dict) or not operators:
        return None
    try:
        steps = sorted(_step(offer) for offer in operators.values())
        cost, stock = next((step for step in steps if step[1]), steps[0])
        return Price(wire.code(product), wire.code(country), cost, stock)
    except ValueError:
        return None


def _step(offer: Json) -> tuple[Decimal, int]:
    if not isinstance(offer, dict):
        raise NotDocumented
    return wire.amount(offer.get("cost")), wire.count(offer.get("count"))
