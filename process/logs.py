"""One log, on stderr: a sentence and its fields, readable in a terminal and JSON elsewhere.

In JSON each line has a `name` that stays the same whatever the sentence tells this time.

Records of the standard library (db, libraries) and of structlog pass the same formatter. Promised
to users: fields that can hold a code, a text, a token or a key are blanked here as a last line of
defence, tracebacks never print local variables, and libraries that log URLs or frames are kept
quiet at every level.
"""

import logging
import re
import sys
from collections.abc import Sequence

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

BLANKED = frozenset(
    {"sms_code", "sms_text", "text", "token", "access_token", "apikey", "api_key"}
    | {"authorization", "secret", "jwt_secret", "password", "dsn", "database_url"}
)
# httpx logs each URL with its api_key at INFO; websockets logs whole frames at DEBUG.
TALKATIVE = ("httpx", "httpcore", "websockets", "asyncio", "uvicorn")
MOST_WORDS = 10


def configure(level: str, json: bool | None = None) -> None:
    """Send everything from `level` up to stderr; `json` None means: JSON unless it is a terminal.

    May be called again; the last call counts.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(as_json))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            stable_name,
            *_common(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _common() -> Sequence[Processor]:
    return (
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    )


def stable_name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add `name`: the sentence without what changes in it, for rules that look for one event."""
    record = event.get("_record")
    template = str(event.get("event", "") if record is None else record.msg)
    words = re.findall(r"[a-z0-9]+", re.sub(r"%\(?\w*\)?[sdr]", " ", template).lower())
    event["name"] = "_".join(words[:MOST_WORDS])
    return event


def _formatter(as_json: bool) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[stable_name, *_common(), structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            blank_secrets,
            *_renderers(as_json),
        ],
    )


def _renderers(as_json: bool) -> Sequence[Processor]:
    # structlog's own default tracebacks print the locals of every frame, tokens included.
    if as_json:
        return (structlog.processors.format_exc_info, structlog.processors.JSONRenderer())
    plain = structlog.dev.plain_traceback
    return (_without_name, structlog.dev.ConsoleRenderer(exception_formatter=plain))


def _without_name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.pop("name", None)  # for people the sentence is enough
    return event


def blank_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the value of every field named in BLANKED, so that a slip is not a leak."""
    for name in BLANKED & event.keys():
        event[name] = "***"
    return event
