"""Push, fallback and coming back: what happened meanwhile is there, and each event is told once."""

import asyncio

from playwright.async_api import Browser, expect

from tests.browser.tab import link, new_tab, open_tab
from tests.facts import eventually
from tests.gateway_process import GatewayProcess
from tests.interop.conftest import User
from tests.market import Market
from tests.needs import needs_chromium

pytestmark = needs_chromium

RECEIVED = "SMS received!"


async def test_fault_1_the_wallet_is_refreshed_by_push(
    browser: Browser, site: str, market: Market, alice: User
) -> None:
    """The wallet refresh was promised and was an empty function."""
    async with open_tab(browser, site, alice.token) as tab:
        await tab.is_live()
        await expect(tab.page.locator("#available")).to_have_text("10.00 USD")
        await market.credit(alice.id, "5.00")
        await expect(tab.page.locator("#available")).to_have_text("15.00 USD")
        activation = await market.pending(alice.id)
        await expect(tab.page.locator("#frozen")).to_have_text("0.50 USD")
        await market.end(activation, "cancelled")
        await expect(tab.page.locator("#frozen")).to_have_text("0.00 USD")
        assert not tab.asked_by_fallback()


async def test_a_later_change_of_a_received_row_is_not_told_again_and_a_second_sms_is(
    browser: Browser, site: str, market: Market, alice: User
) -> None:
    async with open_tab(browser, site, alice.token) as tab:
        activation = await market.pending(alice.id)
        await tab.is_live()
        await market.bring_code(activation, "112233")
        assert await tab.toast(RECEIVED)
        await market.note(activation, "any")
        await market.bring_code(activation, "445566")
        assert await tab.toast(RECEIVED, "445566")
        assert len(await tab.toasts(RECEIVED)) == 2
        await expect(tab.page.locator(".messages li")).to_have_count(2)
        await expect(tab.code).to_have_text("445566")
        assert len([line for line in tab.lines if "SMS reçu en temps réel" in line]) == 2


async def test_a_gateway_killed_and_started_again_under_an_open_tab(
    browser: Browser, site: str, gateway: GatewayProcess, market: Market, alice: User
) -> None:
    activation = await market.pending(alice.id)
    async with open_tab(browser, site, alice.token) as tab:
        await tab.is_live()
        for code in ("101010", "202020"):
            gateway.kill()
            await expect(tab.page.locator("#connection")).not_to_have_text("Live")
            await market.bring_code(activation, code)
            await gateway.start()
            await tab.is_live()
            await expect(tab.code).to_have_text(code)
        await market.bring_code(activation, "303030")
        for code in ("101010", "202020", "303030"):
            assert await tab.toast(RECEIVED, code)
        assert len(await tab.toasts(RECEIVED)) == 3


async def test_without_a_network_it_says_offline_and_what_came_meanwhile_is_told_once(
    browser: Browser, site: str, market: Market, alice: User
) -> None:
    activation = await market.pending(alice.id)
    async with open_tab(browser, site, alice.token) as tab:
        await tab.is_live()
        await tab.page.context.set_offline(True)
        await expect(tab.page.locator("#connection")).to_have_text("Offline, trying again")
        await market.bring_code(activation, "112233")
        await tab.page.context.set_offline(False)
        await tab.is_live()
        await expect(tab.code).to_have_text("112233")
        assert await tab.toast(RECEIVED)


async def test_an_hour_of_sleep(
    browser: Browser, site: str, gateway: GatewayProcess, market: Market, alice: User
) -> None:
    """Its clock jumps, its socket is dead, and much has happened: all of it is there, told once."""
    first, second = await market.pending(alice.id), await market.pending(alice.id)
    async with open_tab(browser, site, alice.token) as tab:
        await tab.page.clock.install()
        await tab.page.reload()
        await tab.is_live()
        await tab.page.clock.pause_at(await tab.page.evaluate("Date.now() + 1000"))
        gateway.kill()
        await market.bring_code(first, "112233")
        await market.end(second, "timeout")
        await market.credit(alice.id, "7.00")
        await gateway.start()
        await tab.page.clock.fast_forward("01:00:00")
        await tab.page.clock.resume()
        await tab.is_live()
        await expect(tab.code).to_have_text("112233")
        await expect(tab.page.locator("#balance")).to_have_text("16.50 USD")
        assert await tab.toast(RECEIVED)
        assert await tab.toast("Activation expired")


async def test_fault_8_a_received_code_does_not_hide_itself(
    browser: Browser, site: str, market: Market, alice: User
) -> None:
    """A received code hid itself after 20 s."""
    await market.received(alice.id, "112233")
    async with open_tab(browser, site, alice.token) as tab:
        await tab.page.clock.install()
        await tab.page.reload()
        await tab.is_live()
        await expect(tab.code).to_have_text("112233")
        await tab.page.clock.fast_forward("02:00")
        await market.credit(alice.id, "5.00")  # the fence: the page has drawn itself again since
        await expect(tab.page.locator("#available")).to_have_text("14.50 USD")
        await expect(tab.code).to_have_text("112233")


async def test_two_tabs_tell_an_event_once_however_it_came_to_them(
    browser: Browser, site: str, gateway: GatewayProcess, market: Market, alice: User
) -> None:
    activation = await market.pending(alice.id)
    context = await browser.new_context(locale="en-US")
    tabs = [await new_tab(context, link(site, alice.token)) for _ in range(2)]
    for tab in tabs:
        await tab.is_live()

    async def told(code: str) -> int:
        for tab in tabs:
            await expect(tab.code).to_have_text(code)
        return sum([len(await tab.toasts(RECEIVED, code)) for tab in tabs])

    await market.bring_code(activation, "112233")
    await expect(tabs[1].code).to_have_text("112233")
    await asyncio.gather(*(tab.page.wait_for_function(CLAIMED, arg="sms 1") for tab in tabs))
    assert await eventually(lambda: told("112233")) == 1
    gateway.kill()
    await market.bring_code(activation, "445566")
    await asyncio.gather(*(tab.page.wait_for_function(CLAIMED, arg="sms 2") for tab in tabs))
    await gateway.start()
    for tab in tabs:
        await tab.is_live()
    assert await eventually(lambda: told("445566")) == 1
    await context.close()


# Nobody writes the list or waits to, and the event is in it: whoever was to tell it has.
CLAIMED = """async (key) => {
    const { held, pending } = await navigator.locks.query();
    const written = !pending.length && held.every(({ name }) => name !== "sonnette.told");
    return written && localStorage["sonnette.told"]?.includes(key);
}"""


async def test_another_history_is_read_anew_and_followed(
    browser: Browser, site: str, gateway: GatewayProcess, market: Market, alice: User
) -> None:
    activation = await market.pending(alice.id)
    async with open_tab(browser, site, alice.token) as tab:
        await tab.is_live()
        gateway.kill()
        await market.renew_history()
        await gateway.start()
        await tab.is_live()
        await market.bring_code(activation, "112233")
        await expect(tab.code).to_have_text("112233")
        assert await tab.toast(RECEIVED)
