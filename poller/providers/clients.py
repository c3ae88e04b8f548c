"""The client for an account, by its dialect."""

import httpx

from poller.providers.base import Provider
from poller.providers.client import HandlerApiClient
from poller.providers.dialects import Dialect
from poller.providers.five_sim_client import FiveSimClient
from poller.providers.http import Observer


def client_for(
    dialect: Dialect, http: httpx.AsyncClient, *, url: str, api_key: str, observe: Observer
) -> Provider:
    """A Provider that speaks `dialect` at `url` with `api_key`."""
    if dialect.family == "5sim":
        return FiveSimClient(http, url=url, api_key=api_key, observe=observe)
    return HandlerApiClient(http, dialect=dialect, url=url, api_key=api_key, observe=observe)
