"""The headers that the API gives a meaning, and what each means, in one place."""

from collections.abc import Mapping

FEED_SEQ = "Sonnette-Feed-Seq"
IDEMPOTENCY_KEY = "Idempotency-Key"
LAST_EVENT_ID = "Last-Event-ID"
LOCATION = "Location"
PREFER = "Prefer"
REPLAYED = "Idempotency-Replayed"
REQUEST_ID = "X-Request-Id"
RETRY_AFTER = "Retry-After"
CHALLENGE = "WWW-Authenticate"

# As OpenAPI parameters and headers: name -> (schema, description).
MEANINGS: Mapping[str, tuple[Mapping[str, object], str]] = {
    FEED_SEQ: ({"type": "integer"}, "The number of the user's feed that includes this write."),
    IDEMPOTENCY_KEY: (
        {"type": "string", "pattern": "^[ -~]{1,255}$"},
        "The same key and body again, within 24 hours, is answered alike and does nothing.",
    ),
    LAST_EVENT_ID: (
        {"type": "string", "pattern": "^([0-9]{1,18})?$"},
        "The feed_seq to go on after; it goes before `after`.",
    ),
    LOCATION: ({"type": "string", "format": "uri-reference"}, "Where the activation is."),
    PREFER: (
        {"type": "string", "examples": ["wait=10"]},
        "`wait=N`: how many seconds to wait for the provider, 5 unless said, 30 at most.",
    ),
    REPLAYED: ({"const": "true"}, "There where an earlier request with this key did the work."),
    REQUEST_ID: (
        {"type": "string", "minLength": 1, "maxLength": 128},
        "The request's name in the log: the caller's own, or one made for it.",
    ),
    RETRY_AFTER: ({"type": "integer", "minimum": 1}, "In how many seconds to try again."),
    CHALLENGE: ({"type": "string"}, "RFC 6750: why the token was refused."),
}
