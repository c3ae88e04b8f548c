"""All that a process needs to know whose token it was shown: a verifier, and what keeps it current.

`run` belongs into the process's TaskGroup and `rung` to its listener, which also listens on
REVOKED. Nothing is verified before keys and revocations have been read once; `problems` says so.
"""

import asyncio
from datetime import UTC, datetime

from process.jwks import Jwks
from process.keys import KeyRing
from process.revocation_reader import REVOKED, RevocationReader
from process.revocations import Revocations
from process.settings import Settings, SettingsError
from process.tokens import Identity, UnknownKey, Verifier

__all__ = ["REVOKED", "Guard"]


class Guard:
    """Verifies by SONNETTE_JWT_SECRET, SONNETTE_JWKS_URL or both; SettingsError with neither.

    `dsn` is where the revocations are, `application_name` what the connection to it is called.
    """

    def __init__(self, settings: Settings, dsn: str, *, application_name: str) -> None:
        if settings.jwt_secret is None and settings.jwks_url is None:
            raise SettingsError(
                "SONNETTE_JWT_SECRET is not set, nor is SONNETTE_JWKS_URL; one of them verifies "
                "the users' tokens"
            )
        ring = KeyRing() if settings.jwks_url else None
        self._jwks = Jwks(settings.jwks_url, ring, _now) if settings.jwks_url and ring else None
        self.revocations = Revocations()
        self._reader = RevocationReader(
            dsn, self.revocations, application_name=f"{application_name} revocations"
        )
        self.verifier = Verifier(settings.jwt_secret, ring, self.revocations)

    async def run(self) -> None:
        """Keep keys and revocations current until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._reader.run())
            if self._jwks is not None:
                tasks.create_task(self._jwks.run())

    def rung(self) -> None:
        """A notification on REVOKED: somebody's tokens were revoked."""
        self._reader.ring()

    def problems(self) -> list[str]:
        """What keeps tokens from being verified as they should, a sentence each."""
        found = [self._reader.problem, self._jwks.problem if self._jwks else None]
        return [problem for problem in found if problem is not None]

    async def newer_keys(self) -> None:
        """After an UnknownKey: return once the keys have been asked for again, in 4 s at most."""
        if self._jwks is not None:
            await self._jwks.newer()

    async def identity(self, token: str) -> Identity:
        """The identity that `token` proves now, or TokenRefused; an unknown key is asked for."""
        while True:
            try:
                return self.verifier.verify(token, _now())
            except UnknownKey:
                await self.newer_keys()


def _now() -> datetime:
    return datetime.now(UTC)
