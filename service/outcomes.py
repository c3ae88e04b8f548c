"""What came of a purchase or of what was asked about a number, from what was read last. Pure.

Each function gives the HTTP status of the answer or raises the Problem that it is. Nothing is
claimed that the row does not say: as long as the provider has not answered it is 202.
"""

from dataclasses import dataclass
from datetime import datetime

from db.activation import OVER
from service.headers import FEED_SEQ, LOCATION
from service.payloads import Activation
from service.problems import Problem, retry_after

REFUSED, UNANSWERED = "refused", "unanswered"
PURCHASE_FAILURES = ("no_numbers", "price_changed")


@dataclass(frozen=True)
class Seen:
    """An activation, the feed's number and whether the request was answered, of one snapshot.

    `outcome` is the poller's word for it.
    """

    activation: Activation
    feed_seq: int
    done: bool = False
    outcome: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing can change any more."""
        return self.activation.status in OVER


def headers(seen: Seen) -> dict[str, str]:
    """What every answer to a write says: the feed's number, and where the activation is."""
    return {FEED_SEQ: str(seen.feed_seq), LOCATION: f"/v1/activations/{seen.activation.id}"}


def purchase_settled(seen: Seen) -> bool:
    """Whether the provider has sold a number or refused."""
    return seen.activation.status != "requested"


def of_purchase(seen: Seen) -> int:
    """201 with a number, 202 while there is none yet."""
    activation = seen.activation
    if activation.status == "failed":
        known = activation.failure in PURCHASE_FAILURES
        code = str(activation.failure) if known else "provider_error"
        members = {"activation_id": activation.id}
        raise Problem(code, f"no number was bought: {_reason(seen)}", members, headers(seen))
    return 201 if purchase_settled(seen) else 202


def check_settled(seen: Seen) -> bool:
    """Whether the provider has been asked, or need not be any more."""
    return seen.done or seen.over


def of_check(seen: Seen) -> int:
    """200 once the provider has answered, else 202."""
    return 200 if check_settled(seen) else 202


def cancel_settled(seen: Seen) -> bool:
    """Whether the provider has agreed or refused."""
    return seen.activation.status != "cancelling"


def of_cancel(seen: Seen, now: datetime) -> int:
    """200 with the ending, 202 while the provider is asked; refused: 409."""
    activation = seen.activation
    if seen.over:
        return 200
    if not cancel_settled(seen):
        return 202
    at = activation.cancel_after
    raise Problem(
        "cancel_refused",
        f"the provider did not cancel: {_reason(seen)}",
        {
            "activation_id": activation.id,
            "activation_status": activation.status,
            "cancel_after": at,
        },
        headers(seen) | (retry_after((at - now).total_seconds()) if at and at > now else {}),
    )


def finish_settled(seen: Seen) -> bool:
    """Whether it is over, or the provider did not agree."""
    return seen.over or seen.done


def of_finish(seen: Seen) -> int:
    """200 when it is over, 202 while the provider is told; refused: 409."""
    if seen.over:
        return 200
    if not seen.done:
        return 202
    members = {"activation_id": seen.activation.id, "activation_status": seen.activation.status}
    raise Problem("provider_error", "the provider did not finish it", members, headers(seen))


def another_settled(seen: Seen) -> bool:
    """Whether the provider waits for a further SMS, or will not."""
    return seen.over or seen.done


def of_another(seen: Seen) -> int:
    """200 when the provider has agreed, 202 while it is asked; refused: 409."""
    if not another_settled(seen):
        return 202
    if seen.done and seen.outcome != REFUSED and not seen.over:
        return 200
    members = {"activation_id": seen.activation.id, "activation_status": seen.activation.status}
    why = "the number is over" if seen.over else seen.activation.failure or "no reason given"
    sentence = f"the provider does not wait for another SMS: {why}"
    raise Problem("another_refused", sentence, members, headers(seen))


def recovery_settled(seen: Seen) -> bool:
    """Whether the provider was asked; it can be whatever the activation is."""
    return seen.done


def of_recovery(seen: Seen) -> int:
    """200 with what was found, 202 while the provider is asked; 409 where it did not answer."""
    if not seen.done:
        return 202
    if seen.outcome != UNANSWERED:
        return 200
    members = {"activation_id": seen.activation.id, "activation_status": seen.activation.status}
    sentence = "the provider does not answer now; ask again later"
    raise Problem("provider_error", sentence, members, headers(seen))


def _reason(seen: Seen) -> str:
    if seen.activation.status == "received":
        return "the SMS had arrived"
    return seen.activation.failure or "no reason given"
