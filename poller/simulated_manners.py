"""How the simulated providers of the handler_api.php family differ from each other.

Pure. Written from the providers' documentation for itself, without poller/providers/dialects.py: a
test partner that shared the client's table would share its mistakes.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from poller.simulated import Denied

Row: TypeAlias = dict[str, object]

CLASSIC = ("getBalance", "getNumbersStatus", "getNumber", "getStatus", "setStatus", "getPrices")
MODERN = (*CLASSIC, "getNumberV2", "getStatusV2", "getActiveActivations")
STATUSES: Mapping[str, str] = {"1": "ready", "3": "again", "6": "finish", "8": "cancel"}
HERO_HTTP_STATUS = {
    "BAD_KEY": 401,
    "BAD_ACTION": 404,
    "NOT_FOUND": 404,
    "NO_BALANCE": 402,
    "WRONG_MAX_PRICE": 400,
    "BAD_STATUS": 400,
    "EARLY_CANCEL_DENIED": 409,
    "OTP_RECEIVED": 409,
    "ACTIVATION_NOT_ACTIVE": 409,
    "UNPROCESSABLE_ENTITY": 422,
    "RATE_LIMIT": 429,
}


@dataclass(frozen=True)
class Said:
    """One answer as it is sent. Most of this family serve words and JSON alike as HTML."""

    body: str
    http_status: int = 200
    media_type: str = "text/html"


def plain(denied: Denied, _action: str) -> Said:
    """The bare word, and with it the least price."""
    said = f"{denied.word}:{denied.figure}" if denied.word == "WRONG_MAX_PRICE" else denied.word
    return Said(said)


def hero_refusal(denied: Denied, action: str) -> Said:
    """An HTTP status and an envelope; two refusals of a purchase are still words with 200."""
    if denied.word == "NO_NUMBERS":
        return Said("NO_NUMBERS")
    if denied.word == "BAD_SERVICE" and action == "getNumber":
        return Said("UNPROCESSABLE_ENTITY:service:INVALID")
    title, info = _hero_word(denied)
    said = {"title": title, "details": f"{title} of the simulator", "info": info}
    return Said(json.dumps(said), HERO_HTTP_STATUS.get(title, 400))


def _hero_word(denied: Denied) -> tuple[str, dict[str, object]]:
    match denied.word, denied.why:
        case "NO_KEY", _:
            return "BAD_KEY", {}
        case "NO_ACTIVATION", _:
            return "NOT_FOUND", {}
        case "BAD_SERVICE", _:
            return "UNPROCESSABLE_ENTITY", {"field": "service", "code": "INVALID"}
        case "BAD_STATUS", "has_sms":
            return "OTP_RECEIVED", {}
        case "BAD_STATUS", "over" | "timeout":
            return "ACTIVATION_NOT_ACTIVE", {}
        case "EARLY_CANCEL_DENIED", _:
            return "EARLY_CANCEL_DENIED", {"minActivationTime": int(denied.figure or 0)}
        case "WRONG_MAX_PRICE", _:
            return "WRONG_MAX_PRICE", {"min": float(denied.figure or 0)}
        case word, _:
            return word, {}


def in_activations(rows: Sequence[Row]) -> object:
    if not rows:
        return {"status": "error", "error": "NO_ACTIVATIONS"}
    return {"status": "success", "activeActivations": rows}


def in_data(rows: Sequence[Row]) -> object:
    return {"status": "success", "data": rows}


def in_data_and_object(rows: Sequence[Row]) -> object:
    again: Row = {
        "affected_rows": 0,
        "num_rows": len(rows),
        "row": rows[0] if rows else None,
        "rows": [],
    }
    return {"status": "success", "data": rows, "activeActivations": again}


def bare(rows: Sequence[Row]) -> object:
    return rows


@dataclass(frozen=True)
class Manners:
    """One provider. `list_rows`: the most and the usual number of rows of a page of its list.

    `row_statuses`: waiting, received, waiting for one more. `envelope` None: it has no list.
    """

    dialect: str
    api_key: str
    actions: frozenset[str]
    envelope: Callable[[Sequence[Row]], object] | None = None
    list_rows: tuple[int, int] | None = None
    statuses: Mapping[str, str] = field(default_factory=lambda: STATUSES)
    row_statuses: tuple[str, str, str] = ("4", "2", "3")
    refusal: Callable[[Denied, str], Said] = plain
    takes_order_id: bool = False
    takes_post: bool = True
    tells_end: bool = False  # activationEndTime
    status_in_data: bool = False  # getStatusV2 with data{} for sms{}
    prices_in_steps: bool = False
    json_type: str = "text/html"


_WITH_MINUS: Mapping[str, str] = {**STATUSES, "-1": "cancel"}
_ALL = (
    Manners(
        "sms-activate",
        "demo",
        frozenset({*MODERN, "getFullSms"}),
        in_activations,
        takes_order_id=True,
    ),
    Manners(
        "hero",
        "demo-hero",
        frozenset({*MODERN, "getAllSms", "finishActivation", "cancelActivation"}),
        in_data_and_object,
        (100, 100),
        statuses={n: verb for n, verb in STATUSES.items() if n != "1"},
        refusal=hero_refusal,
        tells_end=True,
        status_in_data=True,
    ),
    Manners(
        "tiger",
        "demo-tiger",
        frozenset(MODERN),
        in_data,
        (100, 50),
        statuses=_WITH_MINUS,
        row_statuses=("1", "2", "3"),
    ),
    Manners(
        "grizzly",
        "demo-grizzly",
        frozenset(MODERN),
        bare,
        statuses=_WITH_MINUS,
        json_type="application/json",  # its published client tells JSON by that
    ),
    Manners(
        "smsbower",
        "demo-smsbower",
        frozenset({*CLASSIC, "getNumberV2"}),
        takes_post=False,
    ),
    Manners("smshub", "demo-smshub", frozenset(CLASSIC), prices_in_steps=True),
)
BY_DIALECT: Mapping[str, Manners] = MappingProxyType({manners.dialect: manners for manners in _ALL})
BY_KEY: Mapping[str, Manners] = MappingProxyType({manners.api_key: manners for manners in _ALL})
SMS_ACTIVATE = _ALL[0]
