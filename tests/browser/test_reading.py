"""What the page says and to whom: two languages, the keyboard, actions and their refusals."""

from datetime import UTC, datetime, timedelta
from functools import partial

from playwright.async_api import Browser, expect

from tests.browser.tab import open_tab
from tests.facts import eventually
from tests.interop.conftest import User
from tests.market import Market
from tests.needs import needs_chromium

pytestmark = needs_chromium

FIRST_PAGE = 50
CLIPBOARD_BEGINS = "async (text) => (await navigator.clipboard.readText()).startsWith(text)"
COUNT_SOUNDS = """
    window.sounds = 0;
    const Real = window.AudioContext;
    window.AudioContext = class extends Real { constructor() { super(); window.sounds++; } };
"""


async def test_a_cancel_is_refused_too_early_and_accepted_later(
    browser: Browser, site: str, market: Market, alice: User
) -> None:
    activation = await market.pending(alice.id)
    await possible_from(market, activation, datetime.now(UTC) + timedelta(minutes=2))
    async with open_tab(browser, site, alice.token) as tab:
        await tab.is_live()
        cancel = tab.button("Cancel")
        await expect(cancel).to_contain_text("from ")
        await cancel.click()
        notice = tab.page.get_by_role("alert")
        await expect(notice).to_contain_text(
            "The provider does not cancel a number this soon (from"
        )
        await possible_from(market, activation, datetime.now(UTC) - timedelta(minutes=1))
        await expect(cancel).to_have_text("Cancel")
        await cancel.click()
        await expect(tab.status).to_have_text("Cancelling")
        await expect(notice).to_have_count(0)
        await market.end(activation, "cancelled")
        await expect(tab.status).to_have_text("Cancelled, your money is back")
        assert (await tab.toast("Cancelled")).endswith(" - Activation cancelled")
        await expect(tab.page.locator("#available")).to_have_text("10.00 USD")
        await expect(cancel).to_have_count(0)


async def possible_from(market: Market, activation: object, when: datetime) -> None:
    await market.operator.execute(
        "update public.activations set cancel_after = %s where id = %s", (when, activation)
    )


async def test_a_timeout_gives_the_money_back_and_says_so(
    browser: Browser, site: str, market: Market, alice: User
) -> None:
    activation = await market.pending(alice.id)
    async with open_tab(browser, site, alice.token, "fr-FR") as tab:
        await tab.is_live()
        await expect(tab.page.locator("#frozen")).to_have_text("0.50 USD")
        await market.end(activation, "timeout")
        line = await tab.toast("Activation expirée")
        assert line.endswith(" - Aucun SMS reçu, fonds remboursés")
        await expect(tab.page.locator("#available")).to_have_text("10.00 USD")
        await expect(tab.page.locator("#history .status")).to_have_text(
            "Aucun SMS reçu, fonds remboursés"
        )


async def test_french_for_the_french_and_english_for_all_others(
    browser: Browser, site: str, alice: User
) -> None:
    for locale, language, pill, wallet, offer in (
        ("fr-CA", "fr", "En direct", "Portefeuille", "Acheter WhatsApp, Indonésie, 0.50 USD"),
        ("en-GB", "en", "Live", "Wallet", "Buy WhatsApp, Indonesia, 0.50 USD"),
        ("de-DE", "en", "Live", "Wallet", "Buy WhatsApp, Indonesia, 0.50 USD"),
    ):
        async with open_tab(browser, site, alice.token, locale) as tab:
            await tab.is_live()
            await expect(tab.page.locator("html")).to_have_attribute("lang", language)
            await expect(tab.page.locator("#connection")).to_have_text(pill)
            await expect(tab.page.get_by_role("heading", name=wallet)).to_be_visible()
            await expect(tab.page.get_by_role("button", name=offer, exact=True)).to_be_visible()


async def test_the_connection_is_closed_when_the_page_is_left(
    browser: Browser, site: str, market: Market, alice: User
) -> None:
    await market.received(alice.id, "358042")
    async with open_tab(browser, site, alice.token) as tab:
        await tab.is_live()
        assert tab.open_sockets == 1
        await tab.page.get_by_role("button", name="Sign out").click()
        assert await tab.line("🔌 [REALTIME] Déconnexion WebSocket")
        await eventually(lambda: tab.open_sockets == 0)
        await expect(tab.page.locator("#connection")).to_have_text("Signed out")
        assert "358042" not in await tab.page.content()
        assert await tab.page.evaluate("sessionStorage.length") == 0
        await tab.page.reload()
        await expect(tab.page.locator("#signed-out")).to_be_visible()


async def test_code_and_number_are_copied(
    browser: Browser, site: str, market: Market, alice: User
) -> None:
    await market.received(alice.id, "358042")
    async with open_tab(browser, site, alice.token) as tab:
        for name, copied in (
            ("Copy the code 358042", "358042"),
            (r"Copy the number \+628", "+628"),
        ):
            await tab.button(name).click()
            await tab.page.wait_for_function(CLIPBOARD_BEGINS, arg=copied)


async def test_what_is_older_is_shown_when_asked_for(
    browser: Browser, site: str, market: Market, alice: User
) -> None:
    for _ in range(FIRST_PAGE + 1):
        await market.end(await market.pending(alice.id), "cancelled")
    async with open_tab(browser, site, alice.token) as tab:
        await expect(tab.page.locator("#history .number")).to_have_count(FIRST_PAGE)
        await tab.button("Show older").click()
        await expect(tab.page.locator("#history .number")).to_have_count(FIRST_PAGE + 1)
        await expect(tab.page.get_by_role("button", name="Show older")).to_have_count(0)


async def test_what_is_asked_of_a_number_goes_to_the_service(
    browser: Browser, site: str, market: Market, alice: User
) -> None:
    activation = await market.received(alice.id, "358042")
    async with open_tab(browser, site, alice.token) as tab:
        await tab.is_live()
        await tab.button("Another SMS").click()
        await expect(tab.status).to_have_text("Waiting for another SMS")
        await expect(tab.code).to_have_text("358042")
        for name, kind in (("Check now", "check"), ("Recover", "recover"), ("Finish", "finish")):
            await tab.button(name).click()
            await eventually(partial(market.asked, activation, kind))


async def test_a_number_is_bought_by_the_keyboard_alone(
    browser: Browser, site: str, market: Market, alice: User
) -> None:
    async with open_tab(browser, site, alice.token) as tab:
        await tab.is_live()
        await expect(tab.button("Buy")).to_be_visible()
        keyboard = tab.page.keyboard
        await keyboard.press("Tab")
        await keyboard.type("indonesia")
        await keyboard.press("Tab")
        await expect(tab.button("Buy")).to_be_focused()
        await keyboard.press("Enter")
        await expect(tab.status).to_have_text("Getting a number")
        assert await market.feed_seq(alice.id) > 0


async def test_the_sound_can_be_switched_off(
    browser: Browser, site: str, market: Market, alice: User
) -> None:
    async with open_tab(browser, site, alice.token) as tab:
        await tab.page.add_init_script(COUNT_SOUNDS)
        await tab.page.reload()
        await tab.is_live()
        activation = await market.received(alice.id, "112233")
        assert await tab.toast("SMS received!", "112233")
        assert await eventually(lambda: tab.page.evaluate("window.sounds")) == 1
        await tab.page.get_by_label("Sound").uncheck()
        await market.bring_code(activation, "445566")
        assert await tab.toast("SMS received!", "445566")
        # The fence: a third, with the sound on again, is the second that is heard.
        await tab.page.get_by_label("Sound").check()
        await market.bring_code(activation, "778899")
        assert await tab.toast("SMS received!", "778899")
        assert await eventually(lambda: tab.page.evaluate("window.sounds - 1")) == 1
