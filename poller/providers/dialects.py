"""How the providers differ: one line of facts for each dialect that an account can have.

Pure. Promised to the poller: whoever has to decide by what a provider can do reads it here and
nowhere else. Source: the providers' published documentation, as gathered in docs/providers.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

Family: TypeAlias = Literal["handler_api", "5sim"]


@dataclass(frozen=True)
class Dialect:
    """One provider's way of speaking.

    `url` None: nobody is to be assumed there. `has_list`: all active numbers can be asked for at
    once, in pages of `page_rows` where it is not None. `empty_list_is_doubtful`: it also sends an
    empty one when something of its own is broken. `has_order_id`: a purchase can carry our
    reference, by which a repeat of it is harmless. `cancel_after_s`: how old a number must be to be
    cancelled. `requests_per_s`: how fast an account may ask, on the safe side of what is published.
    `buys_by`: the action that buys (handler_api). `has_all_sms`: one action tells every SMS of a
    number (handler_api).
    """

    name: str
    family: Family
    url: str | None
    has_list: bool
    has_order_id: bool = False
    page_rows: int | None = None
    empty_list_is_doubtful: bool = False
    cancel_after_s: int = 120
    requests_per_s: float = 10.0
    buys_by: str = "getNumberV2"
    has_all_sms: bool = False

    @property
    def list_tells_more(self) -> bool:
        """Whether the list has every SMS of a number, and its status the newest alone."""
        return self.has_list and self.family == "handler_api"


_ALL = (
    Dialect("sms-activate", "handler_api", None, has_list=True, has_order_id=True),
    Dialect(
        "hero",
        "handler_api",
        "https://hero-sms.com/stubs/handler_api.php",
        has_list=True,
        page_rows=100,
        requests_per_s=5.0,  # 50 are published; probes were refused after some six in a row
        has_all_sms=True,
    ),
    Dialect(
        "tiger",
        "handler_api",
        "https://api.tiger-sms.com/stubs/handler_api.php",
        has_list=True,
        page_rows=100,
        empty_list_is_doubtful=True,
        requests_per_s=5.0,
    ),
    Dialect(
        "grizzly",
        "handler_api",
        "https://api.grizzlysms.com/stubs/handler_api.php",
        has_list=True,
    ),
    Dialect(
        "smsbower",
        "handler_api",
        "https://smsbower.page/stubs/handler_api.php",
        has_list=False,
    ),
    Dialect(
        "smshub",
        "handler_api",
        "https://smshub.org/stubs/handler_api.php",
        has_list=False,
        buys_by="getNumber",
    ),
    Dialect(
        "5sim",
        "5sim",
        "https://5sim.net/v1",
        has_list=True,
        page_rows=100,
        cancel_after_s=0,  # not published; a refusal says "you need to wait time"
        requests_per_s=20.0,  # 100 are published, and five excesses are a ban of ten minutes
    ),
)
DIALECTS: Mapping[str, Dialect] = MappingProxyType({dialect.name: dialect for dialect in _ALL})
