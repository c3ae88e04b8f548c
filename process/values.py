"""How the text of one setting becomes a value: pure functions, each refusing with half a sentence.

Every parser takes the text of the variable and raises ValueError whose message follows the
variable's name ("must be ..."). Parsers of secrets never repeat what they were given.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import jwt
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

MIN_SECRET_BYTES = 32  # RFC 7518 section 3.2: an HS256 key as long as the hash, or longer
HOST_NAME = r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True)
class Address:
    """Where a process listens: a host name or IP address, and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def url(self, scheme: str = "http") -> str:
        """Where a client on this machine reaches it: a wildcard address becomes the loopback."""
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"{scheme}://{Address(loopback, self.port)}"


def address(text: str) -> Address:
    """`127.0.0.1:8000`, `localhost:8000` or `[::1]:8000`."""
    written, _, port = text.rpartition(":")
    host = _ipv6(written[1:-1]) if written.startswith("[") else written
    if not re.fullmatch(r"[0-9a-f:]+" if host != written else HOST_NAME, host):
        raise ValueError(f"must be host:port, such as 127.0.0.1:8000 or [::1]:8000, not {text!r}")
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ValueError(f"must end in a port from 1 to 65535, not {text!r}")
    return Address(host, int(port))


def _ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        return ""


def database_url(text: str) -> str:
    """A libpq connection string, URL or key=value; checked for form, not connected to."""
    try:
        parts = conninfo_to_dict(text)
        _check_each(parts.get("port"), _check_port)
        _check_each(parts.get("host"), _check_host)
    except (ProgrammingError, ValueError):
        # libpq's own words may quote the password back.
        raise ValueError(
            "is not a connection string; write it as postgresql://user:password@host:5432/name"
        ) from None
    return text


def _check_each(written: object, check: Callable[[str], None]) -> None:
    """Several hosts are written with commas; an empty one means the default."""
    for one in str(written or "").split(","):
        if one:
            check(one)


def _check_port(text: str) -> None:
    # libpq looks at it only when it connects, which would be tried for ever.
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise ValueError(text)


def _check_host(text: str) -> None:
    text.encode("idna")  # as the resolver will; UnicodeError is a ValueError


def without_password(dsn: str) -> str:
    """The same connection string, fit to be shown: its passwords become ***."""
    try:
        parts = conninfo_to_dict(dsn)
    except ProgrammingError:
        return "***"
    hidden = {name: "***" for name in ("password", "sslpassword") if parts.get(name)}
    return make_conninfo("", **{**parts, **hidden})


def jwt_secret(text: str) -> str:
    """The HS256 secret, at least 32 bytes of UTF-8, and no key in PEM or SSH's form."""
    try:
        jwt.get_algorithm_by_name("HS256").prepare_key(text)
    except jwt.InvalidKeyError:
        # Whoever knows a public key could sign with it.
        raise ValueError(
            "is no secret but a key; SONNETTE_JWKS_URL names where public keys are"
        ) from None
    if len(text.encode()) < MIN_SECRET_BYTES:
        raise ValueError(
            f"must be at least {MIN_SECRET_BYTES} bytes; make one with `openssl rand -base64 48`"
        )
    return text


def jwks_url(text: str) -> str:
    """Where an issuer's JWKS is: https, or http on this machine. Its query may hold a key."""
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    if not re.fullmatch(rf"{HOST_NAME}|[0-9a-f:]+", host) or "@" in parts.netloc:
        raise ValueError("is not a URL such as https://auth.example/.well-known/jwks.json")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("must begin with https://; http:// is for this machine's 127.0.0.1 alone")
    return text


def gateway_url(text: str) -> str:
    """Where browsers reach the gateway: `wss://sms.example.org`, or with ws:// and a port."""
    if not re.fullmatch(rf"wss?://(?:{HOST_NAME}|\[[0-9a-f:]+\])(?::[0-9]{{1,5}})?", text):
        raise ValueError("must be ws:// or wss:// and a host, such as wss://sms.example.org")
    return text


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def without_query(url: str) -> str:
    """The same URL, fit to be shown."""
    where, mark, _ = url.partition("?")
    return f"{where}?***" if mark else where


def folder(text: str) -> Path:
    """A path, made absolute now so that a later change of directory does not move it."""
    return Path(text).expanduser().absolute()


def currency(text: str) -> str:
    """An ISO 4217 code."""
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise ValueError(f"must be three capital letters, such as USD, not {text!r}")
    return text


def origins(text: str) -> tuple[str, ...]:
    """Comma-separated web origins (RFC 6454: scheme, host and port, no path), or `*`."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for origin in found:
        if origin != "*" and not re.fullmatch(r"https?://[^/?#@\s]+", origin):
            raise ValueError(f"must list origins such as https://app.example, not {origin!r}")
    return found


def networks(text: str) -> tuple[str, ...]:
    """Comma-separated addresses and networks, such as 10.0.0.0/8; `none` for none at all."""
    if text.strip() == "none":
        return ()
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tuple(str(ipaddress.ip_network(part)) for part in parts)
    except ValueError:
        raise ValueError(
            f"must list addresses or networks such as 10.0.0.0/8, or none, not {text!r}"
        ) from None


def count(text: str) -> int:
    """A whole number from 1 up."""
    if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) < 1:
        raise ValueError(f"must be a whole number from 1 up, not {text!r}")
    return int(text)


def flag(text: str) -> bool:
    """`1` or `true`, `0` or `false`."""
    known = {"1": True, "true": True, "0": False, "false": False}
    if text.lower() not in known:
        raise ValueError(f"must be 1 or 0, not {text!r}")
    return known[text.lower()]


def log_level(text: str) -> str:
    """One of Python's level names, in any case."""
    if text.upper() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}, not {text!r}")
    return text.upper()
