"""The fields of an account in the accounts file: each from TOML to a value, or a sentence.

Every function raises ValueError with what is wrong, and never repeats a secret. A secret is written
in the file itself, in a file beside it (`..._file`), in a variable of the environment (`..._env`),
or is one of systemd's credentials (`..._credential`, a name in $CREDENTIALS_DIRECTORY).
"""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from urllib.parse import urlsplit

MAX_MARKUP = Decimal(999)
SMALLEST_MARKUP = Decimal("0.001")  # numeric(6,3), as sonnette.accounts has it
MAX_REQUESTS_PER_S = 10_000.0


@dataclass(frozen=True)
class Folders:
    """Where secrets lie: `beside` the accounts file, and systemd's `credentials`, if it has any."""

    beside: Path
    credentials: Path | None = None


def secret_fields(name: str) -> frozenset[str]:
    """The four ways to give the secret `name`."""
    return frozenset({name, f"{name}_file", f"{name}_env", f"{name}_credential"})


def secret(table: Mapping[str, object], name: str, folders: Folders) -> str | None:
    """The secret, None where no field gives it; printable, without spaces, 512 at most."""
    given = sorted(secret_fields(name) & set(table))
    if not given:
        return None
    if len(given) > 1:
        raise ValueError(f"give one of {' and '.join(given)}")
    value = table[given[0]]
    if given[0].endswith("_env"):
        value = _variable(given[0], value)
    elif given[0] != name:
        value = _file_text(given[0], _place(given[0], value, folders))
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,512}", value):
        raise ValueError(f"{name} must be printable and without spaces")
    return value


def webhook_secret(table: Mapping[str, object], folders: Folders) -> str | None:
    """The last part of the webhook's path: not to be guessed, and nothing that a URL changes."""
    found = secret(table, "webhook_secret", folders)
    if found is not None and not re.fullmatch(r"[A-Za-z0-9_.~-]{32,512}", found):
        raise ValueError("webhook_secret must be 32 or more letters, digits, -, _, . and ~")
    return found


def networks(name: str, value: object) -> tuple[str, ...]:
    """Addresses or networks such as 203.0.113.7 or 203.0.113.0/24; none: from anywhere."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{name} must be a list of addresses in quotes")
    try:
        return tuple(str(ipaddress.ip_network(each)) for each in value)
    except ValueError:
        raise ValueError(f"{name} must be addresses or networks like 203.0.113.0/24") from None


def _variable(field: str, value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise ValueError(f"{field} must be the name of a variable, in quotes")
    if value not in os.environ:
        raise ValueError(f"{field} names the variable {value}, which is not set")
    return os.environ[value]


def _place(field: str, value: object, folders: Folders) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{field} must be a name in quotes")
    if field.endswith("_file"):
        return folders.beside / value
    if folders.credentials is None:
        raise ValueError(
            f"{field} needs $CREDENTIALS_DIRECTORY, which systemd's LoadCredential sets"
        )
    if "/" in value:
        raise ValueError(f"{field} must be the name of a credential, not a path")
    return folders.credentials / value


def _file_text(field: str, path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise ValueError(f"{field} names {path}: {why}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{field} names {path}, which is not text") from None


def url(value: object, example: str) -> str:
    """An http(s) address without query and credentials."""
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"url must be the provider's http(s) address, such as {example}")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("url must have no query and no credentials; the key has its own field")
    return parts.geturl()


def markup(value: object) -> Decimal:
    """What prices are multiplied by: above 0, at most three decimals."""
    # A quoted "1.25" is exact; a bare 1.25 is taken by its shortest form, which is what was typed.
    plain = isinstance(value, str | int | float) and not isinstance(value, bool)
    try:
        found = Decimal(str(value)) if plain else Decimal("NaN")
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite() or not 0 < found <= MAX_MARKUP:
        raise ValueError(f"markup must be a number above 0 and up to {MAX_MARKUP}")
    if found != found.quantize(SMALLEST_MARKUP):
        raise ValueError("markup must have at most three decimals")
    return found


def seconds(name: str, value: object) -> int:
    """A whole number of seconds, up to a day."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 86_400:
        raise ValueError(f"{name} must be a whole number of seconds, 0 to 86400")
    return value


def rate(name: str, value: object) -> float:
    """Requests a second; a half is one every two seconds."""
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    if not plain or not 0.01 <= float(str(value)) <= MAX_REQUESTS_PER_S:
        raise ValueError(f"{name} must be a number from 0.01 to {MAX_REQUESTS_PER_S:.0f}")
    return float(str(value))
