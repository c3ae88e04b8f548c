"""The page through nginx and through Caddy on the files of deploy/: all of it at one origin.

What was there before is the page itself, as the last lines of both files say.
"""

from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Browser, expect

from service.page import FILES, policy
from tests.browser.tab import open_tab
from tests.fixtures.postgres import Database
from tests.fixtures.service import running_service
from tests.gateway_process import SECRET, GatewayProcess
from tests.interop.conftest import User
from tests.interop.proxies import PROXIES, Backends, Proxy
from tests.market import Market
from tests.needs import needs_chromium
from tests.served import free_address

pytestmark = needs_chromium


@pytest.mark.parametrize("proxy", PROXIES)
async def test_a_code_comes_by_push_and_the_policy_stands(
    proxy: Proxy, browser: Browser, database: Database, gateway: GatewayProcess, market: Market,
    alice: User, tmp_path: Path,
) -> None:  # fmt: skip
    at = free_address()
    outside = at.url("ws")
    async with running_service(database, jwt_secret=SECRET, gateway_url=outside) as service:
        behind = Backends(service.address, gateway.address, before=service.address)
        async with proxy(behind, tmp_path, at) as url:
            await _served_under_its_policy(url, outside)
            async with open_tab(browser, url, alice.token) as tab:
                await tab.is_live()
                activation = await market.pending(alice.id)
                await market.bring_code(activation, "445566")
                await expect(tab.code).to_have_text("445566")
                assert await tab.line("✅ [REALTIME] SMS reçu en temps réel!")
                await expect(tab.page.locator("#balance")).to_have_text("9.50 USD")
                assert {urlsplit(asked).netloc for asked in tab.asked} == {str(at)}
                assert not tab.asked_by_fallback()
                assert tab.complaints == []


async def _served_under_its_policy(url: str, gateway_url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        for path in FILES:
            answer = await client.get(path)
            assert answer.headers["content-security-policy"] == policy(gateway_url)
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["x-content-type-options"] == "nosniff"
