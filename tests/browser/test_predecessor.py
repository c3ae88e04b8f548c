"""What the predecessor's users tested and saw, on all of `sonnette run`: its three tests with their
console lines, its three scenarios, its toasts in French.
"""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta

import httpx
from playwright.async_api import Browser, expect
from psycopg import AsyncConnection

from tests.browser.tab import Tab, new_tab, open_tab
from tests.facts import eventually
from tests.fixtures.running import Running
from tests.needs import needs_chromium

pytestmark = needs_chromium

ALICE = "a11ce000-0000-4000-8000-000000000001"
CONNECTING = f"🔌 [REALTIME] Connexion WebSocket pour user: {ALICE}"
SUBSCRIBED = "🔌 [REALTIME] Status: SUBSCRIBED"
CONNECTED = "✅ [REALTIME] WebSocket connecté avec succès"
CHANGE = "📨 [REALTIME] Changement détecté: {phone: "
RECEIVED = "✅ [REALTIME] SMS reçu en temps réel! {phone: "
RELOAD = "⚡ [REALTIME] SMS reçu, rechargement des activations..."
CODE_LIMIT_MS = 30_000
PROMISED = timedelta(seconds=10)
SLOW_3G = {
    "offline": False,
    "latency": 2000,
    "downloadThroughput": 50_000,
    "uploadThroughput": 50_000,
}
NO_LIMIT = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
NOTIFICATIONS = """
    window.notified = [];
    window.Notification = class {
        static permission = "granted";
        constructor(title, { body, tag }) { window.notified.push({ title, body, tag }); }
    };
"""


def alice(running: Running) -> str:
    return running.verb("token", "alice").stdout.strip()


@asynccontextmanager
async def french(browser: Browser, running: Running) -> AsyncIterator[Tab]:
    """Alice's tab, live, in a French browser."""
    async with open_tab(browser, running.fact("service"), alice(running), "fr-FR") as tab:
        await tab.is_live()
        yield tab


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process that is there and does nothing, for the length of a block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def script(running: Running, **next_number: object) -> None:
    """What the provider does with the next number."""
    await steer(running, "script", {"times": 1, **next_number})


async def deliver(running: Running, phone: str, code: str) -> None:
    """The provider receives an SMS for that number now."""
    await steer(running, f"numbers/{phone}/sms", {"text": f"Your code is {code}", "code": code})


async def steer(running: Running, path: str, asked: dict[str, object]) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{running.fact('simulator')}/sim/{path}", json=asked)
    assert answer.is_success, answer.text


async def buy(tab: Tab) -> str:
    """Buy a number; its phone once it is there."""
    known = await tab.page.locator("#numbers .number").count()
    await tab.button("Acheter WhatsApp, Indonésie").click()
    await expect(tab.page.locator("#numbers .number")).to_have_count(known + 1)
    phone = tab.page.locator("#numbers .number").first.locator(".phone")
    await expect(phone).to_contain_text("+")
    return (await phone.inner_text()).removeprefix("+")


async def code_of(tab: Tab, phone: str, limit_ms: int = CODE_LIMIT_MS) -> str:
    """The code on that number's card, once it stands there."""
    card = tab.page.locator(".number", has_text=phone)
    await expect(card.locator(".code")).to_be_visible(timeout=limit_ms)
    return await card.locator(".code").inner_text()


async def committed_at(running: Running, code: str) -> datetime:
    """When the transaction that brought this code began: no later than it was in the database."""
    async with await AsyncConnection.connect(running.fact("database")) as connection:
        found = await connection.execute(
            "select min(at) from sonnette.changes"
            " where table_name = 'activations' and record ->> 'sms_code' = %s",
            (code,),
        )
        row = await found.fetchone()
    assert row is not None
    assert isinstance(row[0], datetime)
    return row[0]


async def test_1_connected_bought_and_shown_at_once_with_its_notification(
    browser: Browser, running: Running
) -> None:
    context = await browser.new_context(locale="fr-FR")
    await context.add_init_script(NOTIFICATIONS)
    tab = await new_tab(context, f"{running.fact('service')}/#access_token={alice(running)}")
    await tab.is_live()
    assert tab.lines[:3] == [CONNECTING, SUBSCRIBED, CONNECTED]
    phone = await buy(tab)
    code = await code_of(tab, phone)
    change = f"{phone}, oldStatus: pending, newStatus: received, smsCode: {code}"
    assert await tab.line(f"{CHANGE}{change}")
    assert await tab.line(f"{RECEIVED}{phone}, code: {code}")
    assert await tab.line(RELOAD)
    assert await tab.toast("SMS reçu !") == f"Code: {code} - +{phone}"
    [notified] = await eventually(lambda: tab.page.evaluate("window.notified"))
    assert (notified["title"], notified["body"]) == ("SMS reçu !", f"Code: {code} - +{phone}")
    card = tab.page.locator(".number", has_text=phone)
    assert notified["tag"] == await card.get_attribute("data-id")
    assert tab.complaints == []
    await context.close()


async def test_2_and_scenario_3_the_tab_is_closed_after_the_purchase(
    browser: Browser, running: Running
) -> None:
    async with french(browser, running) as tab:
        phone = await buy(tab)
    async with httpx.AsyncClient() as client:  # nobody looks; the server does

        async def arrived() -> bool:
            answer = await client.get(
                f"{running.fact('service')}/v1/activations?status=received",
                headers={"Authorization": f"Bearer {alice(running)}"},
            )
            return phone in answer.text

        await eventually(arrived, CODE_LIMIT_MS / 1000)
    async with french(browser, running) as tab:
        assert await code_of(tab, phone)


async def test_3_on_slow_3g_the_fallback_finds_it_and_the_socket_agrees_later(
    browser: Browser, running: Running
) -> None:
    """The socket is held up as well as slow: what shows the SMS is the fallback alone."""
    async with french(browser, running) as tab:
        network = await tab.page.context.new_cdp_session(tab.page)
        await script(running, never=True)
        phone = await buy(tab)
        gateway = running.pid_of("gateway")
        assert gateway is not None
        with frozen(gateway):
            await network.send("Network.enable")
            await network.send("Network.emulateNetworkConditions", SLOW_3G)
            await tab.page.evaluate("dispatchEvent(new Event('online'))")  # the radio has changed
            await expect(tab.page.locator("#connection")).to_have_text(
                "Interrogation", timeout=CODE_LIMIT_MS
            )
            await deliver(running, phone, "246810")
            assert await code_of(tab, phone) == "246810"
            assert await tab.line("🔁 [FALLBACK] Changement détecté")
            assert await tab.toast("SMS reçu !", phone)
            took = await tab.shown_at("246810") - await committed_at(running, "246810")
            assert took < PROMISED
        await network.send("Network.emulateNetworkConditions", NO_LIMIT)
        await tab.is_live()
        assert await code_of(tab, phone) == "246810"
        await buy(tab)  # the fence: what the socket brings now comes after all of that
        assert len(await tab.toasts("SMS reçu !", phone)) == 1
        assert not any(line.startswith(f"{RECEIVED}{phone}") for line in tab.lines)


async def test_scenario_1_within_3_s_and_scenario_2_later(
    browser: Browser, running: Running
) -> None:
    async with french(browser, running) as tab:
        await script(running, delay_s=1)
        soon = await buy(tab)
        assert await code_of(tab, soon)
        await script(running, delay_s=5)
        later = await buy(tab)
        await expect(tab.page.locator(".number", has_text=later).locator(".status")).to_have_text(
            "En attente du SMS"
        )
        assert await code_of(tab, later)
        for phone in (soon, later):
            assert await tab.toast("SMS reçu !", phone)
