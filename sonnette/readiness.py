"""Whether a process answers on its health page, for `run` before it says ready, and for doctor."""

import asyncio
from dataclasses import dataclass

import httpx

from db.errors import SonnetteError
from sonnette.parts import Part

READY_TIMEOUT_S = 60
_POLL_S = 0.05
_ANSWER_TIMEOUT_S = 5
_LONGEST_QUOTE = 200


class NotReady(SonnetteError):
    """Not every process became ready in time; the sentence says which, and what it answered."""


@dataclass(frozen=True)
class Answer:
    """What a health page said: `status` None where nobody listens."""

    status: int | None
    text: str

    @property
    def ready(self) -> bool:
        """Whether the process can do its work."""
        return self.status == 200


def client() -> httpx.AsyncClient:
    """For health pages on this machine: straight there, whatever proxy the environment names."""
    return httpx.AsyncClient(trust_env=False, timeout=_ANSWER_TIMEOUT_S)


async def ask(http: httpx.AsyncClient, part: Part) -> Answer:
    """What the health page of `part` says now."""
    try:
        answer = await http.get(f"{part.url}{part.health}")
    except httpx.ConnectError:
        return Answer(None, "nobody listens there")
    except httpx.HTTPError as error:
        return Answer(0, f"no answer: {type(error).__name__}")
    text = " ".join(answer.text[:_LONGEST_QUOTE].split())
    return Answer(answer.status_code, f"{answer.status_code} {text}")


async def all_ready(parts: tuple[Part, ...], timeout_s: float = READY_TIMEOUT_S) -> None:
    """Return once each of `parts` is ready. NotReady when the time is up."""
    last: dict[str, Answer] = {}
    try:
        async with asyncio.timeout(timeout_s), client() as http:
            for part in parts:
                while not (answer := await ask(http, part)).ready:
                    last[part.name] = answer
                    await asyncio.sleep(_POLL_S)
                last.pop(part.name, None)
    except TimeoutError:
        said = "; ".join(f"{name}: {answer.text}" for name, answer in last.items())
        raise NotReady(f"not ready within {timeout_s:g} s: {said}") from None
