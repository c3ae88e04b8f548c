"""What `run` runs: four processes, each with the environment and the health page of its own.

Pure. A child gets its settings by environment, as under systemd; the secret that signs tokens only
as the path of its file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from process.settings import Address, Settings

_DATABASE_VARIABLES = frozenset({"DATABASE_URL", "DATABASE_URL_FILE"})


@dataclass(frozen=True)
class Part:
    """One process: `name` is its verb, `role` its database role (None: it has no database)."""

    name: str
    setting: str
    address: Address
    role: str | None
    health: str

    @property
    def url(self) -> str:
        """Where a client on this machine reaches it."""
        return self.address.url()


def parts(settings: Settings) -> tuple[Part, ...]:
    """The processes in the order of the `ready` line."""
    return (
        _part("service", settings.service_listen),
        _part("gateway", settings.gateway_listen),
        Part("simulator", "SONNETTE_SIMULATOR_LISTEN", settings.simulator_listen, None, "/livez"),
        _part("poller", settings.poller_listen),
    )


def environ_of(
    part: Part,
    ours: Mapping[str, str],
    *,
    home: Path,
    secret_file: Path,
    private_database: bool,
    dsn: Callable[[str], str],
) -> dict[str, str]:
    """The environment of one child, from `run`'s own."""
    kept = {name: value for name, value in ours.items() if name not in _DATABASE_VARIABLES}
    if private_database:  # a PGHOST or PGOPTIONS is meant for some other server
        kept = {name: value for name, value in kept.items() if not name.startswith("PG")}
    kept["SONNETTE_HOME"] = str(home)
    if not kept.get("SONNETTE_JWT_SECRET") and not kept.get("SONNETTE_JWT_SECRET_FILE"):
        kept["SONNETTE_JWT_SECRET_FILE"] = str(secret_file)
    if part.name == "service":
        kept["SONNETTE_DEMO"] = "1"
    if part.role is not None:
        kept["DATABASE_URL"] = dsn(part.role)
    return kept


def ready_line(database: str, all_parts: tuple[Part, ...]) -> str:
    """The line that says that everything answers."""
    urls = " ".join(f"{part.name}={part.url}" for part in all_parts)
    return f"ready database={database} {urls}"


def _part(name: str, address: Address) -> Part:
    return Part(name, f"SONNETTE_{name.upper()}_LISTEN", address, f"sonnette_{name}", "/readyz")
