"""The page as it looks: desktop, phone, dark. axe finds nothing serious, nothing is too wide.

PICTURES=docs/images puts what was looked at there (`make pictures`), for people to look at too.
"""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from playwright.async_api import Browser, expect

from tests.browser.tab import DESKTOP, Tab, open_tab
from tests.gateway_process import token
from tests.market import ACCOUNT, Market
from tests.needs import WEB, needs_chromium, needs_web

pytestmark = [needs_chromium, needs_web]

RUN_AXE = """async () => (await axe.run({ resultTypes: ["violations"] })).violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => id + ": " + nodes.map((node) => node.html).join(" "))"""
STILL = "document.getAnimations().every(({ playState }) => playState === 'finished')"
OFFERS = [("tg", "0"), ("tg", "6"), ("wa", "0"), ("go", "0"), ("ig", "187"), ("fb", "78")]


@dataclass(frozen=True)
class Look:
    """One picture."""

    name: str
    size: tuple[int, int]
    locale: str
    dark: bool


LOOKS = [
    Look("desktop", DESKTOP, "en-US", dark=False),
    Look("phone", (390, 844), "fr-FR", dark=False),
    Look("dark", DESKTOP, "en-US", dark=True),
]


async def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_screen(
    browser: Browser, site: str, market: Market, tmp_path: Path
) -> None:
    pictures = Path(os.environ.get("PICTURES", tmp_path))
    await offer_more(market)
    for look in LOOKS:
        user = await market.new_user()
        expects = await past_waiting_and_expecting(market, user)
        async with open_tab(
            browser, site, token(user), look.locale, look.size, dark=look.dark
        ) as tab:
            await tab.is_live()
            await market.bring_code(expects, "358042")
            await expect(tab.code.first).to_have_text("358042")
            await expect(tab.page.locator("[data-sonner-toast]")).to_be_visible()
            await tab.page.wait_for_function(STILL)
            await tab.page.screenshot(path=pictures / f"{look.name}.png")
            await tab.page.locator("button.cancel").click()  # what a refusal looks like counts, too
            await expect(tab.page.locator("#notice")).to_be_visible()
            await nothing_is_wrong(tab, look)


async def nothing_is_wrong(tab: Tab, look: Look) -> None:
    # The policy lets no script in, so the browser's own debugger puts it there.
    await tab.page.evaluate((WEB / "node_modules" / "axe-core" / "axe.min.js").read_text())
    findings = await tab.page.evaluate(RUN_AXE)
    assert findings == [], f"{look}: {json.dumps(findings, indent=1)}"
    assert await tab.page.evaluate("document.documentElement.scrollWidth") <= look.size[0]


async def past_waiting_and_expecting(market: Market, user: UUID) -> UUID:
    """A history, a number that waits, and another one, which is returned."""
    await market.end(await market.pending(user), "timeout")
    await market.end(await market.received(user, "419635"), "completed")
    waiting = await market.pending(user)
    await market.operator.execute(
        "update public.activations set cancel_after = %s where id = %s",
        (datetime.now(UTC) + timedelta(minutes=2), waiting),
    )
    return await market.pending(user)


async def offer_more(market: Market) -> None:
    for service, country in OFFERS:
        await market.owner.execute(
            "insert into sonnette.offers"
            " (account, service_code, country_code, provider_price, price, stock)"
            " values (%s, %s, %s, 0.5, 0.5, 1000)",
            (ACCOUNT, service, country),
        )
