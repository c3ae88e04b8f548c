"""Another user's rows through every door, and secrets where none belong."""

import contextlib
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

from tests.facts import wait_until
from tests.fixtures.running import Running
from tests.unit.test_metrics_page import listed

ALICE = "a11ce000-0000-4000-8000-000000000001"
CHANNELS = ("sonnette", "sonnette_work", "sonnette_revoked")
CODE = "QVX-93-KLM"
PARTS = ("service", "gateway", "poller")


def token(running: Running, user: str) -> str:
    return running.verb("token", user).stdout.strip()


@pytest.fixture
def alice(running: Running) -> Iterator[httpx.Client]:
    with _client(running, token(running, "alice")) as client:
        yield client


@pytest.fixture
def bob(running: Running) -> Iterator[httpx.Client]:
    with _client(running, token(running, "bob")) as client:
        yield client


def received(running: Running, alice: httpx.Client) -> dict[str, object]:
    """A number of alice's with a code that nothing else can look like."""
    simulator = running.fact("simulator")
    script = {"never": True, "times": 1}
    assert httpx.post(f"{simulator}/sim/script", json=script).is_success
    bought = alice.post("/v1/activations", json={"service_code": "wa", "country_code": "6"}).json()
    sms = {"text": f"Hush, it is {CODE}", "code": CODE}
    assert httpx.post(f"{simulator}/sim/numbers/{bought['phone']}/sms", json=sms).is_success

    def there() -> dict[str, object]:
        row: dict[str, object] = alice.get(f"/v1/activations/{bought['id']}").json()
        return row if row["status"] == "received" else {}

    found = wait_until(there, 30)
    assert found["sms_code"] == CODE
    return found


def test_over_http_another_users_number_is_not_there(
    running: Running, alice: httpx.Client, bob: httpx.Client
) -> None:
    hers = received(running, alice)
    where = f"/v1/activations/{hers['id']}"
    answers = [bob.get(where)]
    answers += [
        bob.post(f"{where}/{verb}") for verb in ("check", "cancel", "finish", "another", "recover")
    ]
    for answer in answers:
        assert answer.status_code == 404, answer.url
    for page in ("/v1/activations", "/v1/changes?after=0"):
        answers.append(bob.get(page))
    for name, field in (
        ("check-sms-activate-status", "activationId"),
        ("update-activation-sms", "orderId"),
    ):
        for key in ("id", "order_id"):
            answers.append(bob.post(f"/functions/v1/{name}", json={field: hers[key]}))
    for answer in answers:
        assert str(hers["sms_code"]) not in answer.text, answer.url
        assert str(hers["phone"]) not in answer.text, answer.url


def test_over_the_stream_of_events_nothing_of_another_user_comes(
    running: Running, alice: httpx.Client, bob: httpx.Client
) -> None:
    hers = received(running, alice)
    assert bob.get(f"/v1/events?after=0&user_id={ALICE}").status_code == 400
    with bob.stream("GET", "/v1/events?after=0") as answer:
        assert alice.post(f"/v1/activations/{hers['id']}/finish").is_success
        assert running.verb("credit", "bob", "0.01").returncode == 0
        fence = f"id: {bob.get('/v1/me').json()['feed_seq']}"
        lines = answer.iter_lines()
        mine = [*itertools.takewhile(lambda line: line != fence, lines)]
        mine += itertools.takewhile(bool, lines)
    assert "wallets" in mine[-1] + mine[-2]
    for foreign in (str(hers["phone"]), str(hers["id"]), CODE, ALICE):
        assert not [line for line in mine if foreign in line]


def test_each_daemon_leaves_no_core_and_serves_what_the_page_lists(running: Running) -> None:
    for part in PARTS:
        pid = running.pid_of(part)
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE), part
        text = httpx.get(f"{running.fact(part)}/metrics").text
        for family in text_string_to_metric_families(text):
            if family.name.endswith("_created"):
                continue
            name = family.name + ("_total" if family.type == "counter" else "")
            kind, labels = dict(listed())[name]
            assert kind == family.type
            for sample in family.samples:
                assert sample.labels.keys() - {"le"} == set(labels), name


@pytest.mark.parametrize("column", ["user_id", "id"])
def test_over_the_websocket_no_filter_widens_a_feed(
    running: Running, alice: httpx.Client, bob: httpx.Client, column: str
) -> None:
    hers = received(running, alice)
    wanted = f"{column}=eq.{hers[column]}"
    bindings = [
        {"event": "*", "schema": "public", "table": "activations", "filter": wanted, "since": 0},
        {"event": "*", "schema": "public", "table": "wallets", "since": 0},
    ]
    payload = {"access_token": token(running, "bob"), "config": {"postgres_changes": bindings}}
    join = {"topic": "realtime:x", "event": "phx_join", "payload": payload, "ref": "1"}
    url = running.fact("gateway").replace("http", "ws", 1)
    with connect(f"{url}/realtime/v1/websocket", compression=None) as socket:
        socket.send(json.dumps(join))
        mine: list[str] = []
        while not any('"wallets"' in text for text in mine):  # bob's own, which is the fence
            mine.append(str(socket.recv(timeout=20)))
        alice.post(f"/v1/activations/{hers['id']}/finish")
        heard = running.verb("credit", "bob", "0.01")
        assert heard.returncode == 0, heard.stderr
        while len([text for text in mine if '"wallets"' in text]) < 2:
            mine.append(str(socket.recv(timeout=20)))
    assert not [text for text in mine if str(hers["phone"]) in text]


def test_a_filter_is_no_way_into_sql(running: Running, alice: httpx.Client) -> None:
    hers = received(running, alice)
    hostile = (
        f"user_id=eq.{ALICE}' or '1'='1", "user_id=eq.x'; drop table activations; --",
        "status=in.(received) or user_id is not null", "1=1=eq.1", "user_id=or.(id.neq.x)",
        "phone=like.%' or true --", "sms_code=eq.(select sms_code from activations)",
        f"user_id)=eq.{ALICE}", 'phone"=eq.1', "phone=match.a' || pg_sleep(9) || '",
    )  # fmt: skip
    url = running.fact("gateway").replace("http", "ws", 1)
    with connect(f"{url}/realtime/v1/websocket", compression=None) as socket:
        for number, wanted in enumerate(hostile):
            binding = {"event": "*", "schema": "public", "table": "activations", "since": 0}
            config = {"postgres_changes": [binding | {"filter": wanted}]}
            payload = {"access_token": token(running, "bob"), "config": config}
            join = {"topic": f"realtime:{number}", "event": "phx_join", "payload": payload}
            socket.send(json.dumps(join | {"ref": str(number)}))
        heard: list[str] = []
        while len([text for text in heard if "phx_reply" in text]) < len(hostile):
            heard.append(str(socket.recv(timeout=20)))
        alice.post(f"/v1/activations/{hers['id']}/finish")
        beat = {"topic": "phoenix", "event": "heartbeat", "payload": {}, "ref": "h"}
        socket.send(json.dumps(beat))
        while '"phoenix"' not in heard[-1]:
            heard.append(str(socket.recv(timeout=20)))
    assert not [text for text in heard if str(hers["phone"]) in text or CODE in text]
    assert alice.get(f"/v1/activations/{hers['id']}").json()["sms_code"] == CODE


def test_no_code_and_no_token_is_in_logs_metrics_rings_errors_or_status(
    running: Running, alice: httpx.Client
) -> None:
    mine = token(running, "alice")
    with psycopg.connect(running.fact("database"), autocommit=True) as db:
        for channel in CHANNELS:
            db.execute(f"listen {channel}".encode())
        hers = received(running, alice)
        row = db.execute("select sms_text from activations where id = %s", (hers["id"],)).fetchone()
        assert row is not None
        with pytest.raises(psycopg.Error) as refused:
            db.execute("update activations set status = 'requested' where id = %s", (hers["id"],))
        rings = " ".join(ring.payload for ring in db.notifies(timeout=1))
        told = db.execute("select array_agg(p::text) from sonnette.processes p").fetchone()
        requests = db.execute("select array_agg(r::text) from sonnette.requests r").fetchone()
    wrong = httpx.get(
        f"{running.fact('service')}/v1/me", headers={"Authorization": f"Bearer {mine}x"}
    )
    with contextlib.suppress(OSError, Exception):
        connect(f"{running.fact('gateway').replace('http', 'ws', 1)}/nowhere?apikey={mine}")
    assert wrong.status_code == 401
    assert ALICE in rings
    places = {
        f"metrics of {part}": httpx.get(f"{running.fact(part)}/metrics").text for part in PARTS
    }
    places |= {
        f"readiness of {part}": httpx.get(f"{running.fact(part)}/readyz").text for part in PARTS
    }
    places |= {
        "log": running.err,
        "rings": rings,
        "a refusal of the database": str(refused.value),
        "a refusal of the service": wrong.text,
        "processes": str(told),
        "requests": str(requests),
        "doctor": running.verb("doctor").stdout,
    }
    for secret in (str(hers["sms_code"]), row[0], mine, mine.rpartition(".")[2]):
        assert secret
        for place, text in places.items():
            assert secret not in text, f"a secret in {place}"


def _client(running: Running, key: str) -> httpx.Client:
    return httpx.Client(
        base_url=running.fact("service"), headers={"Authorization": f"Bearer {key}"}, timeout=30
    )
