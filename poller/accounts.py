"""Which provider accounts this poller serves: the TOML file of SONNETTE_PROVIDERS, parsed once.

Promised to administrators: a wrong file is refused at start with a sentence that names the file,
the account and the field; api keys appear in no sentence. Without a file there is one account, the
simulator that `sonnette run` starts.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import urlsplit

from process.settings import Settings, SettingsError

DIALECTS = ("sms-activate",)
FIELDS = frozenset({"name", "dialect", "url", "api_key", "api_key_file"})
FIELDS |= {"markup", "cancel_after_s"}
CANCEL_AFTER_S = 120  # every provider of this dialect refuses a cancel in the first two minutes
MAX_MARKUP = Decimal(999)
SMALLEST_MARKUP = Decimal("0.001")  # numeric(6,3), as sonnette.accounts has it
SIMULATOR_PATH = "/stubs/handler_api.php"
SIMULATOR_KEY = "demo"


@dataclass(frozen=True)
class Account:
    """One account at one provider. `markup` is what prices are multiplied by for users.

    `cancel_after_s`: how old a number must be before the provider lets it be cancelled.
    """

    name: str
    dialect: str
    url: str
    api_key: str = field(repr=False)
    markup: Decimal = Decimal(1)
    cancel_after_s: int = CANCEL_AFTER_S


def load(settings: Settings) -> tuple[Account, ...]:
    """The accounts of the file that the settings name, or the simulator's. SettingsError."""
    if settings.providers is None:
        return (simulator(settings),)
    try:
        text = settings.providers.read_text("utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise SettingsError(f"SONNETTE_PROVIDERS names {settings.providers}: {why}") from None
    except ValueError as error:
        # tomllib says where, and not what stands there.
        raise SettingsError(f"{settings.providers} is not TOML: {error}") from None
    try:
        return parse(document, settings.providers.parent)
    except ValueError as error:
        raise SettingsError(f"{settings.providers}: {error}") from None


def simulator(settings: Settings) -> Account:
    """The account of `sonnette simulator` on this machine."""
    return Account(
        name="simulator",
        dialect="sms-activate",
        url=settings.simulator_listen.url() + SIMULATOR_PATH,
        api_key=SIMULATOR_KEY,
        cancel_after_s=0,
    )


def parse(document: Mapping[str, object], folder: Path) -> tuple[Account, ...]:
    """The `[[account]]` tables; api_key_file is relative to `folder`. ValueError otherwise."""
    unknown = sorted(set(document) - {"account"})
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not known here; write [[account]] tables")
    tables = document.get("account")
    if not isinstance(tables, list) or not tables:
        raise ValueError("there is no [[account]] table in it")
    accounts = tuple(_account(table, folder) for table in tables)
    names = [account.name for account in accounts]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two accounts are named {name}")
    return accounts


def _account(table: object, folder: Path) -> Account:
    if not isinstance(table, dict):
        raise ValueError("account must be written as [[account]]")
    name = table.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
        raise ValueError("each account needs a name of small letters, digits, - and _")
    try:
        return _named(name, table, folder)
    except ValueError as error:
        raise ValueError(f"account {name}: {error}") from None


def _named(name: str, table: Mapping[str, object], folder: Path) -> Account:
    unknown = sorted(set(table) - FIELDS)
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not known; there are {', '.join(sorted(FIELDS))}")
    dialect = table.get("dialect")
    if dialect not in DIALECTS:
        raise ValueError(f"dialect must be one of {', '.join(DIALECTS)}")
    return Account(
        name=name,
        dialect=str(dialect),
        url=_url(table.get("url")),
        api_key=_api_key(table, folder),
        markup=_markup(table.get("markup", 1)),
        cancel_after_s=_seconds(table.get("cancel_after_s", CANCEL_AFTER_S)),
    )


def _url(value: object) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("url must be the provider's http(s) address of handler_api.php")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("url must have no query and no credentials; the key has its own field")
    return parts.geturl()


def _api_key(table: Mapping[str, object], folder: Path) -> str:
    key, path = table.get("api_key"), table.get("api_key_file")
    if (key is None) == (path is None):
        raise ValueError("give one of api_key and api_key_file")
    if isinstance(path, str):
        key = _file_text(folder / path)
    if not isinstance(key, str) or not re.fullmatch(r"[!-~]{1,512}", key):
        raise ValueError("the api key must be printable and without spaces")
    return key


def _file_text(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise ValueError(f"api_key_file names {path}: {why}") from None
    except UnicodeDecodeError:
        raise ValueError(f"api_key_file names {path}, which is not text") from None


def _markup(value: object) -> Decimal:
    # A quoted "1.25" is exact; a bare 1.25 is taken by its shortest form, which is what was typed.
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    try:
        markup = Decimal(str(value)) if plain else Decimal("NaN")
    except InvalidOperation:
        markup = Decimal("NaN")
    if not markup.is_finite() or not 0 < markup <= MAX_MARKUP:
        raise ValueError(f"markup must be a number above 0 and up to {MAX_MARKUP}")
    if markup != markup.quantize(SMALLEST_MARKUP):
        raise ValueError("markup must have at most three decimals")
    return markup


def _seconds(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 86_400:
        raise ValueError("cancel_after_s must be a whole number of seconds, 0 to 86400")
    return value
