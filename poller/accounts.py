"""Which provider accounts this poller serves: the TOML file of SONNETTE_PROVIDERS, parsed once.

Promised to administrators: a wrong file is refused at start with a sentence that names the file,
the account and the field; secrets appear in no sentence. Without a file there is one account, the
simulator that `sonnette run` starts.
"""

import hashlib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from poller import account_fields
from poller.account_fields import Folders
from poller.providers.dialects import DIALECTS, Dialect
from process.settings import Settings, SettingsError

FIELDS = frozenset({"name", "dialect", "url", "markup", "cancel_after_s", "requests_per_s"})
FIELDS |= {"webhook_addresses"} | account_fields.secret_fields("webhook_secret")
FIELDS |= account_fields.secret_fields("api_key")
CANCEL_AFTER_S = 120  # what a refusal without a number of its own is taken to mean
EXAMPLES = {
    "handler_api": "https://provider.example/stubs/handler_api.php",
    "5sim": "https://provider.example/v1",
}
SIMULATOR_PATH = "/stubs/handler_api.php"
SIMULATOR_KEY = "demo"
SIMULATOR_REQUESTS_PER_S = 1000.0


@dataclass(frozen=True)
class Account:
    """One account at one provider. `markup` is what prices are multiplied by for users.

    `cancel_after_s`: how old a number must be before the provider lets it be cancelled.
    `requests_per_s`: how fast the provider is asked at most. `webhook_secret` None: it sends no
    webhooks; `webhook_addresses`: from where they may come, none: from anywhere.
    """

    name: str
    dialect: str
    url: str
    api_key: str = field(repr=False)
    markup: Decimal = Decimal(1)
    cancel_after_s: int = CANCEL_AFTER_S
    requests_per_s: float = 10.0
    webhook_secret: str | None = field(default=None, repr=False)
    webhook_addresses: tuple[str, ...] = ()

    @property
    def webhook_secret_sha256(self) -> bytes | None:
        """All that the service, which takes the webhooks, gets to know of the secret."""
        secret = self.webhook_secret
        return None if secret is None else hashlib.sha256(secret.encode()).digest()

    @property
    def speaks(self) -> Dialect:
        """What this provider can do, and how it is asked."""
        return DIALECTS[self.dialect]


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
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")  # systemd's, so no setting of ours
    folders = Folders(settings.providers.parent, Path(credentials) if credentials else None)
    try:
        return parse(document, folders)
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
        requests_per_s=SIMULATOR_REQUESTS_PER_S,
    )


def parse(document: Mapping[str, object], folders: Folders) -> tuple[Account, ...]:
    """The `[[account]]` tables. ValueError otherwise."""
    unknown = sorted(set(document) - {"account"})
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not known here; write [[account]] tables")
    tables = document.get("account")
    if not isinstance(tables, list) or not tables:
        raise ValueError("there is no [[account]] table in it")
    accounts = tuple(_account(table, folders) for table in tables)
    names = [account.name for account in accounts]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two accounts are named {name}")
    return accounts


def _account(table: object, folders: Folders) -> Account:
    if not isinstance(table, dict):
        raise ValueError("account must be written as [[account]]")
    name = table.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
        raise ValueError("each account needs a name of small letters, digits, - and _")
    try:
        return _named(name, table, folders)
    except ValueError as error:
        raise ValueError(f"account {name}: {error}") from None


def _named(name: str, table: Mapping[str, object], folders: Folders) -> Account:
    unknown = sorted(set(table) - FIELDS)
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not known; there are {', '.join(sorted(FIELDS))}")
    dialect = DIALECTS.get(str(table.get("dialect")))
    if dialect is None:
        raise ValueError(f"dialect must be one of {', '.join(DIALECTS)}")
    api_key = account_fields.secret(table, "api_key", folders)
    if api_key is None:
        raise ValueError("give one of api_key, api_key_file, api_key_env and api_key_credential")
    cancel_after_s = table.get("cancel_after_s", dialect.cancel_after_s)
    requests_per_s = table.get("requests_per_s", dialect.requests_per_s)
    return Account(
        name=name,
        dialect=dialect.name,
        url=account_fields.url(table.get("url", dialect.url), EXAMPLES[dialect.family]),
        api_key=api_key,
        markup=account_fields.markup(table.get("markup", 1)),
        cancel_after_s=account_fields.seconds("cancel_after_s", cancel_after_s),
        requests_per_s=account_fields.rate("requests_per_s", requests_per_s),
        webhook_secret=account_fields.webhook_secret(table, folders),
        webhook_addresses=account_fields.networks(
            "webhook_addresses", table.get("webhook_addresses", [])
        ),
    )
