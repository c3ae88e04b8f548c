"""The two long answers of the handler_api.php family: all active numbers, and all prices.

Pure. A row that cannot be read is skipped and counted, because one broken row must not hide the
code in the next; an answer in which none can be read is NotDocumented.
"""

from decimal import Decimal

from poller.providers import wire
from poller.providers.answers import ActiveList, ActiveRow, Price, PriceList, Sms
from poller.providers.wire import Document, Json, NotDocumented

OVER_STATUSES = frozenset({"6", "7", "8", "10"})  # success, refund, cancel, refunded


def active_list(document: Document) -> ActiveList:
    """Every row of a list, or of an object's `data`, `activeActivations` or that one's `rows`."""
    rows = _rows(document)
    read = [wire.optional(_active_row, row) for row in rows]
    good = tuple(row for row in read if row is not None)
    if rows and not good:
        raise NotDocumented
    return ActiveList(good, skipped=len(rows) - len(good))


def _rows(document: Document) -> list[Json]:
    if isinstance(document, list):
        return document
    # HeroSMS sends both, and there activeActivations is an object: `data` first.
    for found in (document.get("data"), document.get("activeActivations")):
        rows = found.get("rows") if isinstance(found, dict) else found
        if isinstance(rows, list):
            return rows
    raise NotDocumented


def _active_row(row: Json) -> ActiveRow:
    if not isinstance(row, dict):
        raise NotDocumented
    return ActiveRow(
        order_id=wire.order_id(row.get("activationId", row.get("id"))),
        phone=wire.optional(wire.phone, row.get("phoneNumber", row.get("phone"))),
        service_code=wire.optional(wire.code, row.get("serviceCode")),
        country_code=wire.optional(wire.code, row.get("countryCode")),
        sms=_sms(_parts(row.get("smsCode")), _parts(row.get("smsText"))),
        alive=str(row.get("activationStatus")) not in OVER_STATUSES,
    )


def _sms(codes: list[str | None], texts: list[str | None]) -> tuple[Sms, ...]:
    """Every SMS of a row. A text belongs to the code at its place, or to the one it contains."""
    if len(codes) == len(texts):
        return tuple(Sms(c, t) for c, t in zip(codes, texts, strict=True) if c or t)
    found, known = [code for code in codes if code], [text for text in texts if text]
    if not found:
        return tuple(Sms(None, text) for text in known)
    return tuple(Sms(code, next((t for t in known if code in t), None)) for code in found)


def all_sms(entries: list[Json]) -> list[Sms]:
    """`[{code, text, date}]`, oldest first where each tells its date."""
    if not all(isinstance(entry, dict) for entry in entries):
        raise NotDocumented
    told = [entry for entry in entries if isinstance(entry, dict)]
    if all(isinstance(entry.get("date"), str) for entry in told):
        told.sort(key=lambda entry: str(entry.get("date")))
    read = [(wire.sms_part(entry.get("code")), wire.sms_part(entry.get("text"))) for entry in told]
    return [Sms(code, text) for code, text in read if code or text]


def _parts(value: Json) -> list[str | None]:
    """A list, a single text, or a list in brackets written as text: `["1"]`, `"1"`, `"[1]"`."""
    if isinstance(value, list):
        return [wire.sms_part(part) for part in value]
    part = wire.sms_part(value)
    return [_unwrapped(part) or None] if part is not None else []


def _unwrapped(text: str) -> str:
    wrapped = text[:1] == "[" and text[-1:] == "]" and not set("[]") & set(text[1:-1])
    return text[1:-1].strip().strip("\"'") if wrapped else text


def price_list(document: Document) -> PriceList:
    """`{country: {service: offer}}`, an offer being `{cost, count}` or `{price: count, ...}`.

    An empty list stands for an empty object.
    """
    if isinstance(document, list):
        if document:
            raise NotDocumented
        return PriceList(())
    entries = [entry for country in document for entry in _country(country, document[country])]
    good = tuple(entry for entry in entries if entry is not None)
    if entries and not good:
        raise NotDocumented
    return PriceList(good, skipped=len(entries) - len(good))


def _country(country: str, services: Json) -> list[Price | None]:
    if not isinstance(services, dict):
        return [None]
    return [_price(country, service, offer) for service, offer in services.items()]


def _price(country: str, service: str, offer: Json) -> Price | None:
    if not isinstance(offer, dict):
        return None
    try:
        cost, stock = _cost_and_stock(offer)
        return Price(wire.code(service), wire.code(country), cost, stock)
    except ValueError:
        return None


def _cost_and_stock(offer: dict[str, Json]) -> tuple[Decimal, int]:
    if "cost" in offer:
        return wire.amount(offer["cost"]), wire.count(offer.get("count"))
    steps = sorted((wire.amount(price), wire.count(count)) for price, count in offer.items())
    if not steps:
        raise NotDocumented
    # The cheapest that is there: it is bought with its own price as maxPrice, and at no other.
    return next(((cost, stock) for cost, stock in steps if stock), steps[0])
