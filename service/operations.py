"""Every call of the API in one table: what it takes, what it answers, how it is refused. Pure.

The routes are made from it and so is the OpenAPI document, so that neither can drift.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec

from service import headers, parameters, payloads

ACTIVATION = "/v1/activations/{activation_id}"
ALWAYS = ("malformed", "too_many_requests", "internal", "unavailable")
OF_KEYS = ("key_reused", "key_in_use")
LOST = ("cursor_ahead", "other_history", "cursor_too_old")


@dataclass(frozen=True)
class Answer:
    """One way in which a call succeeds. `payload` None: of no fixed shape."""

    description: str
    payload: type[msgspec.Struct] | None = None
    headers: Sequence[str] = ()
    media_type: str = "application/json"


@dataclass(frozen=True, eq=False)
class Operation:
    """One call. `refusals` are the problem codes beyond those that follow from the rest."""

    method: str
    path: str
    name: str
    summary: str
    answers: Mapping[int, Answer]
    refusals: Sequence[str] = ()
    query: type[msgspec.Struct] = parameters.NoQuery
    body: type[msgspec.Struct] | None = None
    headers: Sequence[str] = ()
    needs_user: bool = True
    any_media_type: bool = False
    codes: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", tuple(self._codes()))

    def _codes(self) -> list[str]:
        return [
            *ALWAYS,
            *(["token_refused"] if self.needs_user else []),
            *(["body_too_large"] if self.body is not None else []),
            *(["unsupported_media_type"] if self.body and not self.any_media_type else []),
            *(OF_KEYS if headers.IDEMPOTENCY_KEY in self.headers else []),
            *(["unknown_activation"] if "{activation_id}" in self.path else []),
            *self.refusals,
        ]


def _asked(
    described: Mapping[int, str], payload: type[msgspec.Struct] = payloads.Activation
) -> Mapping[int, Answer]:
    """The answers to a write: the activation, where it is, and the feed's number."""
    told = (headers.FEED_SEQ, headers.LOCATION, headers.REPLAYED)
    return MappingProxyType(
        {status: Answer(text, payload, told) for status, text in described.items()}
    )


def _read(description: str, payload: type[msgspec.Struct]) -> Mapping[int, Answer]:
    return MappingProxyType({200: Answer(description, payload)})


_WAITING = (headers.IDEMPOTENCY_KEY, headers.PREFER)

ACCOUNT = Operation(
    "GET", "/v1/me", "account", "The user's money, and how far the user's feed is",
    _read("The account", payloads.Account),
)  # fmt: skip
OFFERS = Operation(
    "GET", "/v1/offers", "offers", "What can be bought, at the price that will be charged",
    _read("A page of offers", payloads.Offers),
    refusals=("invalid_value",), query=parameters.OffersQuery,
)  # fmt: skip
BUY = Operation(
    "POST", "/v1/activations", "buy", "Buy a number; waits for it",
    _asked({201: "The number is there", 202: "The provider has not sold a number yet"}),
    refusals=(
        "not_enough_money", "unknown_offer", "no_numbers", "price_changed", "provider_error",
        "invalid_value",
    ),
    body=payloads.Purchase, headers=_WAITING,
)  # fmt: skip
ACTIVATIONS = Operation(
    "GET", "/v1/activations", "activations", "The user's activations, newest first",
    _read("A page, and the feed's number of the same snapshot", payloads.Activations),
    refusals=("invalid_value",), query=parameters.ActivationsQuery,
)  # fmt: skip
ONE = Operation(
    "GET", ACTIVATION, "activation", "One activation with every SMS of it",
    _read("The activation", payloads.ActivationWithMessages),
)  # fmt: skip
CHECK = Operation(
    "POST", f"{ACTIVATION}/check", "check", "Ask the provider now whether there is an SMS",
    _asked({200: "The provider has answered", 202: "The provider has not answered yet"}),
    refusals=("state_forbids",), body=payloads.Nothing, headers=_WAITING,
)  # fmt: skip
CANCEL = Operation(
    "POST", f"{ACTIVATION}/cancel", "cancel", "Give the number back",
    _asked({200: "It is over", 202: "The provider is asked"}),
    refusals=("state_forbids", "too_early", "cancel_refused"), body=payloads.Nothing,
    headers=_WAITING,
)  # fmt: skip
FINISH = Operation(
    "POST", f"{ACTIVATION}/finish", "finish", "Tell the provider that the number has done its work",
    _asked({200: "It is completed", 202: "The provider is told"}),
    refusals=("state_forbids", "provider_error"), body=payloads.Nothing, headers=_WAITING,
)  # fmt: skip
ANOTHER = Operation(
    "POST", f"{ACTIVATION}/another", "another", "Wait for one more SMS on the number",
    _asked({200: "The provider waits for it", 202: "The provider is asked"}),
    refusals=("state_forbids", "another_refused"), body=payloads.Nothing, headers=_WAITING,
)  # fmt: skip
RECOVER = Operation(
    "POST", f"{ACTIVATION}/recover", "recover",
    "Read again everything that the provider still knows of the number",
    _asked(
        {200: "What was found", 202: "The provider has not answered yet"}, payloads.Recovered
    ),
    refusals=("state_forbids", "provider_error"), body=payloads.Nothing, headers=_WAITING,
)  # fmt: skip
CHECK_STATUS = Operation(
    "POST", "/functions/v1/check-sms-activate-status", "checkSmsActivateStatus",
    "The check, by the name that supabase.functions.invoke uses",
    _asked(
        {200: "What is known", 202: "The provider has not answered yet"}, payloads.FunctionAnswer
    ),
    refusals=("unknown_activation", "invalid_value"), body=payloads.CheckStatus, headers=_WAITING,
)  # fmt: skip
UPDATE_SMS = Operation(
    "POST", "/functions/v1/update-activation-sms", "updateActivationSms",
    "The recovery, by the name that supabase.functions.invoke uses",
    _asked(
        {200: "What is known", 202: "The provider has not answered yet"}, payloads.FunctionAnswer
    ),
    refusals=("unknown_activation", "state_forbids", "provider_error", "invalid_value"),
    body=payloads.UpdateSms, headers=_WAITING,
)  # fmt: skip
WEBHOOK = Operation(
    "POST", "/webhooks/{provider}/{secret}", "webhook",
    "For providers: an SMS has come. A hint, which is confirmed before anybody pays",
    _read("It is stored, now or before", payloads.Received),
    refusals=("not_found",), body=payloads.Webhook, needs_user=False, any_media_type=True,
)  # fmt: skip
CHANGES = Operation(
    "GET", "/v1/changes", "changes", "The user's feed after a cursor; waits for news if asked",
    _read("What follows the cursor, in order and without a gap", payloads.Changes),
    refusals=("invalid_value", "too_many_waiting", *LOST), query=parameters.ChangesQuery,
)  # fmt: skip
EVENTS = Operation(
    "GET", "/v1/events", "events", "The user's feed as Server-Sent Events",
    MappingProxyType({
        200: Answer(
            "Events `change` (as in /v1/changes, `id` is the feed_seq), `resync` where the cursor "
            "could not be served, and `token_refused` at the end of the token",
            media_type="text/event-stream",
        )
    }),
    refusals=("invalid_value", "too_many_waiting"), query=parameters.EventsQuery,
    headers=(headers.LAST_EVENT_ID,),
)  # fmt: skip
TOKEN = Operation(
    "POST", "/v1/token", "renew", "A new token for a valid one; under `sonnette run` alone",
    _read("The new token", payloads.Token), body=payloads.Nothing,
)  # fmt: skip
DOCUMENT = Operation(
    "GET", "/openapi.json", "openapi", "This document",
    MappingProxyType({200: Answer("OpenAPI 3.1")}), needs_user=False,
)  # fmt: skip
