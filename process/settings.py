"""All settings of every process, parsed once from the environment into one frozen dataclass.

Promised to administrators: a wrong value is refused at start with a sentence that names the
variable and says what to do; an unknown SONNETTE_* variable is an error, never ignored; the values
of secrets appear in no sentence and in no listing.
"""

import dataclasses
import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from db.errors import SonnetteError
from process import values
from process.values import Address

__all__ = ["Address", "Settings", "SettingsError", "describe", "load"]

T = TypeVar("T")

PREFIX = "SONNETTE_"
SECRETS = frozenset({"database_url", "jwt_secret"})  # may also come as <VARIABLE>_FILE
SERVICE_LISTEN = Address("127.0.0.1", 8000)
GATEWAY_LISTEN = Address("127.0.0.1", 8001)
SIMULATOR_LISTEN = Address("127.0.0.1", 8002)
POLLER_LISTEN = Address("127.0.0.1", 8003)
LOOPBACK = ("127.0.0.0/8", "::1/128")


class SettingsError(SonnetteError):
    """A setting cannot be used; the sentence names the variable and says what to do."""


@dataclass(frozen=True)
class Settings:
    """What an administrator can choose. Sizes in bytes, times in the unit of their name.

    `home` is where `run` keeps data and secrets. With `gateway_reuse_port` a second gateway may
    listen on the same address, to take over from the first. `jwks_url` is where an issuer of tokens
    publishes its keys; `gateway_url` where browsers reach the gateway. `retention_hours` is how
    long changes are kept, `retention_rows` how many at most. `providers` is a TOML file of provider
    accounts. `max_buffer_bytes` is what one socket may leave unread, `max_buffered_bytes` all of
    them; `max_channels` is per socket, `max_bindings` per channel; `socket_frames_per_s` and
    `socket_joins_per_s` are what a gateway takes of a socket. `trusted_proxies` are addresses and
    networks whose X-Forwarded-For is believed. `user_requests_per_s` and `address_requests_per_s`
    are what the service takes of one user and of one address. `demo` is set by `sonnette run`
    alone: the service then renews tokens.
    """

    home: Path
    database_url: str | None = field(default=None, repr=False)
    service_listen: Address = SERVICE_LISTEN
    gateway_listen: Address = GATEWAY_LISTEN
    gateway_reuse_port: bool = False
    simulator_listen: Address = SIMULATOR_LISTEN
    poller_listen: Address = POLLER_LISTEN
    jwt_secret: str | None = field(default=None, repr=False)
    jwks_url: str | None = field(default=None, repr=False)
    gateway_url: str | None = None
    providers: Path | None = None
    pg_bindir: Path | None = None
    currency: str = "USD"
    cors_origins: tuple[str, ...] = ()
    retention_hours: int = 72
    retention_rows: int = 50_000_000
    log_level: str = "INFO"
    max_frame_bytes: int = 262_144
    max_buffer_bytes: int = 1_048_576
    max_buffered_bytes: int = 268_435_456
    max_channels: int = 100
    max_bindings: int = 100
    max_sockets: int = 15_000
    max_sockets_per_user: int = 100
    max_sockets_per_address: int = 1_000
    socket_frames_per_s: int = 100
    socket_joins_per_s: int = 10
    trusted_proxies: tuple[str, ...] = LOOPBACK
    user_requests_per_s: int = 100
    address_requests_per_s: int = 500
    demo: bool = False
    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


def load(environ: Mapping[str, str]) -> Settings:
    """Read every setting from `environ` (and secrets from the files it names), or SettingsError.

    A variable that is set to nothing counts as not set, as in a systemd unit that clears one.
    """
    read = _Reader(environ)
    settings = Settings(
        home=read("home", values.folder, _default_home(environ)),
        database_url=read("database_url", values.database_url, None),
        service_listen=read("service_listen", values.address, SERVICE_LISTEN),
        gateway_listen=read("gateway_listen", values.address, GATEWAY_LISTEN),
        gateway_reuse_port=read("gateway_reuse_port", values.flag, Settings.gateway_reuse_port),
        simulator_listen=read("simulator_listen", values.address, SIMULATOR_LISTEN),
        poller_listen=read("poller_listen", values.address, POLLER_LISTEN),
        jwt_secret=read("jwt_secret", values.jwt_secret, None),
        jwks_url=read("jwks_url", values.jwks_url, None),
        gateway_url=read("gateway_url", values.gateway_url, None),
        providers=read("providers", values.folder, None),
        pg_bindir=read("pg_bindir", values.folder, None),
        currency=read("currency", values.currency, Settings.currency),
        cors_origins=read("cors_origins", values.origins, Settings.cors_origins),
        retention_hours=read("retention_hours", values.count, Settings.retention_hours),
        retention_rows=read("retention_rows", values.count, Settings.retention_rows),
        log_level=read("log_level", values.log_level, Settings.log_level),
        max_frame_bytes=read("max_frame_bytes", values.count, Settings.max_frame_bytes),
        max_buffer_bytes=read("max_buffer_bytes", values.count, Settings.max_buffer_bytes),
        max_buffered_bytes=read("max_buffered_bytes", values.count, Settings.max_buffered_bytes),
        max_channels=read("max_channels", values.count, Settings.max_channels),
        max_bindings=read("max_bindings", values.count, Settings.max_bindings),
        max_sockets=read("max_sockets", values.count, Settings.max_sockets),
        max_sockets_per_user=read(
            "max_sockets_per_user", values.count, Settings.max_sockets_per_user
        ),
        max_sockets_per_address=read(
            "max_sockets_per_address", values.count, Settings.max_sockets_per_address
        ),
        socket_frames_per_s=read("socket_frames_per_s", values.count, Settings.socket_frames_per_s),
        socket_joins_per_s=read("socket_joins_per_s", values.count, Settings.socket_joins_per_s),
        trusted_proxies=read("trusted_proxies", values.networks, LOOPBACK),
        user_requests_per_s=read("user_requests_per_s", values.count, Settings.user_requests_per_s),
        address_requests_per_s=read(
            "address_requests_per_s", values.count, Settings.address_requests_per_s
        ),
        demo=read("demo", values.flag, Settings.demo),
        sources=read.sources,
    )
    _refuse_unknown(environ, read.known)
    return settings


def describe(settings: Settings) -> list[tuple[str, str, str]]:
    """Every setting as (variable, value, source), secrets redacted, in a fixed order."""
    names = [f.name for f in dataclasses.fields(settings) if f.name != "sources"]
    return [
        (_variable(name), _shown(name, settings), settings.sources.get(name, "default"))
        for name in names
    ]


class _Reader:
    """Reads one setting at a time and remembers which variables exist and which were set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.known: set[str] = set()
        self.sources: dict[str, str] = {}

    def __call__(self, name: str, parse: Callable[[str], T], default: T) -> T:
        variable = _variable(name)
        self.known.add(variable)
        text = self._environ.get(variable, "")
        source = "environment"
        if name in SECRETS:
            text, source = self._secret(variable, text)
        if not text:
            return default
        self.sources[name] = source
        try:
            return parse(text)
        except ValueError as error:
            raise SettingsError(f"{variable} {error}") from None

    def _secret(self, variable: str, text: str) -> tuple[str, str]:
        self.known.add(f"{variable}_FILE")
        path = self._environ.get(f"{variable}_FILE", "")
        if not path:
            return text, "environment"
        if text:
            raise SettingsError(f"{variable} and {variable}_FILE are both set; unset one of them")
        return _file_text(f"{variable}_FILE", path), f"file {path}"


def _file_text(variable: str, path: str) -> str:
    try:
        text = Path(path).read_text("utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{variable} names {path}: {os.strerror(error.errno or 0)}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{variable} names {path}, which is not UTF-8 text") from None
    if not text:
        raise SettingsError(f"{variable} names {path}, which is empty")
    return text


def _refuse_unknown(environ: Mapping[str, str], known: set[str]) -> None:
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in known:
            continue
        # Compared without the prefix, or every name would be near to every other.
        names = {name.removeprefix(PREFIX): name for name in sorted(known)}
        near = difflib.get_close_matches(variable.removeprefix(PREFIX), names, n=1)
        hint = f"did you mean {names[near[0]]}?" if near else "`sonnette doctor` lists the settings"
        raise SettingsError(f"{variable} is not a setting of Sonnette; {hint}")


def _variable(name: str) -> str:
    # DATABASE_URL is what every host and container platform already calls it.
    return name.upper() if name == "database_url" else f"{PREFIX}{name.upper()}"


def _default_home(environ: Mapping[str, str]) -> Path:
    data = environ.get("XDG_DATA_HOME", "")
    # The XDG base directory specification: a relative path there is invalid and ignored.
    base = Path(data) if data.startswith("/") else _share()
    return base / "sonnette"


def _share() -> Path:
    try:
        return Path.home() / ".local" / "share"
    except RuntimeError:  # an account without a home, such as that of systemd's DynamicUser
        return Path("/var/lib")


def _shown(name: str, settings: Settings) -> str:
    value: object = getattr(settings, name)
    if value is None or value == ():
        return "not set"
    if name == "jwt_secret":
        return "***"
    if name == "jwks_url":
        return values.without_query(str(value))
    if name == "database_url":
        return values.without_password(str(value))
    return ",".join(value) if isinstance(value, tuple) else str(value)
