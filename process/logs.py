"""One log, on stderr: a sentence and its fields, readable in a terminal and JSON elsewhere.

Records of the standard library (db, libraries) and of structlog pass the same formatter. Promised
to users: fields that can hold a code, a text, a token or a key are blanked here as a last line of
defence, tracebacks never print local variables, and libraries that log URLs or frames are kept
quiet at every level.
"""

import logging
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


def _formatter(as_json: bool) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_common(), structlog.stdlib.ExtraAdder()],
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
    return (structlog.dev.ConsoleRenderer(exception_formatter=plain),)


def blank_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the value of every field named in BLANKED, so that a slip is not a leak."""
    for name in BLANKED & event.keys():
        event[name] = "***"
    return event
