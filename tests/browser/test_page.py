"""The page in a real Chromium: a code on the screen the moment it is in the database."""

import re
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from playwright.async_api import Browser, expect

from tests.browser.tab import link, new_tab, open_tab
from tests.facts import eventually
from tests.gateway_process import GatewayProcess, token
from tests.interop.conftest import User
from tests.market import Market
from tests.needs import needs_chromium

pytestmark = needs_chromium

FALLBACK_LIMIT_MS = 10_000
# The largest of each class of a card.
FONT_SIZES = """elements => Object.fromEntries(elements.map((element) =>
    [element.className, parseFloat(getComputedStyle(element).fontSize)]))"""


async def bought(market: Market, user: User) -> UUID:
    """The activation that the page has asked for."""

    async def find() -> UUID | None:
        cursor = await market.operator.execute(
            "select id from public.activations where user_id = %s and status = 'requested'",
            (user.id,),
        )
        row = await cursor.fetchone()
        return row[0] if row else None

    found = await eventually(find)
    assert found is not None
    return found


async def test_a_user_buys_and_the_code_appears_large(
    browser: Browser, site: str, market: Market, alice: User, tmp_path: Path
) -> None:
    async with open_tab(browser, site, alice.token) as tab:
        await tab.is_live()
        page = tab.page
        assert page.url == f"{site}/"
        await expect(page.locator("#available")).to_have_text("10.00 USD")
        await page.get_by_role("searchbox").fill("whats indo")
        buy = tab.button("Buy WhatsApp, Indonesia, 0.50 USD")
        await buy.click()
        activation = await bought(market, alice)
        await expect(buy).to_have_attribute("aria-busy", "true")  # as long as it takes
        await expect(page.locator(".number .status")).to_have_text("Getting a number")
        await expect(page.locator("#frozen")).to_have_text("0.50 USD")
        phone = await market.bring_number(activation)
        await expect(page.locator(".number .phone")).to_have_text(f"+{phone}")
        await expect(page.get_by_role("button", name=f"Cancel +{phone}")).to_be_visible()
        await expect(buy).to_have_attribute("aria-busy", "false")
        await expect(page.get_by_role("timer")).to_have_text(re.compile(r"^(19|20):\d\d left$"))
        await market.bring_code(activation, "358042")
        code = tab.code
        await expect(code).to_have_text("358042")
        sizes = await page.locator(".number *").evaluate_all(FONT_SIZES)
        assert sizes.pop("code") >= 40
        assert max(sizes.values()) < 20
        await expect(page.locator("#announcement")).to_have_text(f"Code 358042 for {phone}")
        await expect(page.locator("#balance")).to_have_text("9.50 USD")
        await expect(page.locator("#frozen")).to_have_text("0.00 USD")
        await page.screenshot(path=tmp_path / "code.png")
        assert tab.complaints == []


async def test_it_speaks_with_its_service_and_its_gateway_alone_and_shows_no_token(
    browser: Browser, site: str, gateway: GatewayProcess, alice: User
) -> None:
    async with open_tab(browser, site, alice.token) as tab:
        await tab.is_live()
        hosts = {urlsplit(url).netloc for url in tab.asked}
        assert hosts == {urlsplit(site).netloc, urlsplit(gateway.url).netloc}
        # The first is the fragment, which browsers do not send.
        assert not any(alice.token in url for url in tab.asked[1:])
        assert alice.token not in await tab.page.content()
        refused = await tab.page.evaluate(
            "fetch('http://127.0.0.1:1/').then(() => 'reached', error => error.name)"
        )
        assert refused == "TypeError"
        assert any("Content Security Policy" in line for line in tab.complaints)


async def test_a_code_that_came_while_the_tab_was_closed_is_there(
    browser: Browser, site: str, market: Market, alice: User
) -> None:
    await market.received(alice.id, "112233")
    async with open_tab(browser, site, alice.token) as tab:
        await expect(tab.code).to_have_text("112233")


async def test_fault_5_without_the_gateway_it_shows_the_code_by_http_and_tells_it_once(
    browser: Browser,
    site: str,
    gateway: GatewayProcess,
    market: Market,
    alice: User,
) -> None:
    """The fallback read a field that the answer does not have ("Code: N/A"), and toasted what the
    socket had toasted."""
    first, second = await market.pending(alice.id), await market.pending(alice.id)
    async with open_tab(browser, site, alice.token) as tab:
        await tab.is_live()
        assert not tab.asked_by_fallback()
        async with tab.page.expect_request(lambda asked: asked.url.endswith(f"{second}/check")):
            gateway.kill()
            await expect(tab.page.locator("#connection")).to_have_text("Polling")
            await market.bring_code(first, "445566")
        await expect(tab.code).to_have_text("445566", timeout=FALLBACK_LIMIT_MS)
        await gateway.start()
        await tab.is_live()
        asked = len(tab.asked_by_fallback())
        await market.bring_code(second, "778899")
        await expect(tab.page.locator(".number", has_text="778899")).to_have_count(1)
        assert (await tab.toast("SMS received!", "445566")).startswith("Code: 445566")
        assert (await tab.toast("SMS received!", "778899")).startswith("Code: 778899")
        assert len(tab.asked_by_fallback()) == asked  # silent again


async def test_it_shows_that_it_loads_and_asks_again_where_it_is_not_answered(
    browser: Browser, site: str, alice: User
) -> None:
    context = await browser.new_context(locale="en-US")
    await context.route("**/config.json", lambda route: route.abort(), times=1)
    tab = await new_tab(context, link(site, alice.token))
    await expect(tab.page.locator(".loading")).to_be_visible()
    await tab.is_live()
    await expect(tab.page.locator(".loading")).to_have_count(0)


async def test_bob_sees_nothing_of_alice(
    browser: Browser, site: str, market: Market, alice: User, bob: User
) -> None:
    async with open_tab(browser, site, bob.token) as tab:
        await tab.is_live()
        await market.received(alice.id, "358042")
        # The fence: what is bob's own comes after, and is all that comes.
        await market.received(bob.id, "999111")
        await expect(tab.code).to_have_text("999111")
        await expect(tab.page.locator(".number")).to_have_count(1)
        assert "358042" not in await tab.page.content()


async def test_without_a_valid_token_it_says_what_to_do(
    browser: Browser, site: str, alice: User
) -> None:
    expired = token(alice.id, -60)
    for bearer in (None, expired, "junk"):
        async with open_tab(browser, site, bearer) as tab:
            await expect(tab.page.locator("#signed-out")).to_be_visible()
            await expect(tab.page.locator("#signed-in")).to_be_hidden()
            await expect(tab.page.locator("#connection")).to_have_text("Signed out")
            if bearer == expired:
                await expect(tab.page.locator("#notice")).to_contain_text("Token has expired")


async def test_an_error_of_the_api_is_said_in_its_words(
    browser: Browser, site: str, market: Market
) -> None:
    poor = await market.new_user("0.10")
    async with open_tab(browser, site, token(poor)) as tab:
        await tab.is_live()
        await tab.button("Buy").click()
        notice = tab.page.get_by_role("alert")
        await expect(notice).to_contain_text("Not enough money: 0.50 needed, 0.10 available")
