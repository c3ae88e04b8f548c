"""An idle tab asks for nothing: the benchmark's short version, on all of `sonnette run`."""

from bench.idle_tab import measure, report
from tests.fixtures.running import Running
from tests.needs import needs_chromium

pytestmark = needs_chromium
SECONDS = 10


async def test_the_page_waits_on_its_socket_while_another_polls(running: Running) -> None:
    bearer = running.verb("token", "alice").stdout.strip()
    costs = await measure(f"{running.fact('service')}/#access_token={bearer}", SECONDS)
    push, polling = costs["push"], costs["polling"]
    assert push.requests == 0
    assert polling.requests >= 2
    assert push.sent_bytes + push.received_bytes < polling.sent_bytes + polling.received_bytes
    assert push.wakes < polling.wakes
    assert "| requests | 0 |" in report(costs)
