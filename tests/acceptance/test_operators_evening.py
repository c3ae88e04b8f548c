"""An operator's evening, in psql alone: a user complains that no code came.

Find them, trace the number, see why, recover the SMS, give them something for the trouble; and the
user's socket, open all the while, shows all of it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tests.facts import wait_until
from tests.fixtures.running import Running

ALICE = "a11ce000-0000-4000-8000-000000000001"
SMS = "Your code is 730512"
TABLES = ("wallets", "activations", "messages")
FAILING = ("getActiveActivations", "getStatus", "getStatusV2")


@dataclass
class Socket:
    """The user's own socket; `rows` are what it was shown, a table and a row each."""

    connection: Connection
    rows: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def shows(self, table: str, **wanted: object) -> None:
        """Return once such a row was shown."""
        while not any(t == table and wanted.items() <= row.items() for t, row in self.rows):
            frame = json.loads(self.connection.recv(timeout=20))
            if frame["event"] == "postgres_changes":
                data = frame["payload"]["data"]
                self.rows.append((data["table"], data["record"]))


@contextmanager
def socket(running: Running, token: str) -> Iterator[Socket]:
    bindings = [{"event": "*", "schema": "public", "table": table} for table in TABLES]
    payload = {"access_token": token, "config": {"postgres_changes": bindings}}
    join = {"topic": "realtime:mine", "event": "phx_join", "payload": payload, "ref": "1"}
    url = running.fact("gateway").replace("http", "ws", 1)
    with connect(f"{url}/realtime/v1/websocket", compression=None) as connection:
        connection.send(json.dumps(join))
        while json.loads(connection.recv(timeout=20))["event"] != "system":
            pass
        yield Socket(connection)


def psql(running: Running, command: str) -> list[list[str]]:
    """The rows of one command typed in `sonnette psql`."""
    said = running.verb("psql", "-XAt", "-F", "|", "-v", "ON_ERROR_STOP=1", "-c", command)
    assert said.returncode == 0, said.stderr
    return [line.split("|") for line in said.stdout.splitlines()]


def simulator(running: Running, path: str, **said: object) -> None:
    answer = httpx.post(f"{running.fact('simulator')}{path}", json=said)
    assert answer.is_success, answer.text


def bought(running: Running, token: str) -> tuple[str, str]:
    """A number that will be told of no SMS: its activation and its phone."""
    simulator(running, "/sim/script", never=True, times=1)
    answer = httpx.post(
        f"{running.fact('service')}/v1/activations",
        headers={"Authorization": f"Bearer {token}"},
        json={"service_code": "go", "country_code": "6"},
        timeout=20,
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], answer.json()["phone"]


def test_a_user_complains_that_no_code_came(running: Running) -> None:
    token = running.verb("token", "alice").stdout.strip()
    with socket(running, token) as alice:
        activation, phone = bought(running, token)
        alice.shows("activations", id=activation, status="pending")
        for action in FAILING:
            simulator(running, "/sim/script", action=action, error="ERROR_SQL")
        wait_until(lambda: trouble(running, activation), 30)
        simulator(running, f"/sim/numbers/{phone}/sms", text=SMS)

        # Who is it, and what happened?
        found = psql(running, f"select activation, user_name, status from ops.find('+{phone}')")
        assert found == [[activation, "alice", "pending"]]
        about = psql(running, "select what, detail from ops.explain_user('alice')")
        assert ["user", f"{ALICE} alice"] in about
        steps = psql(running, f"select step, detail, feed_seq from ops.trace('{activation}')")
        assert [step for step, *_ in steps][:2] == ["asked for", "money"]
        assert any(step == "next look" and "ERROR_SQL" in detail for step, detail, _ in steps)

        # The provider answers again, and has it.
        httpx.delete(f"{running.fact('simulator')}/sim/script")
        assert psql(running, f"select count(*) from ops.recover_sms('{activation}')") == [["1"]]
        alice.shows("messages", activation_id=activation, text=SMS)
        alice.shows("activations", id=activation, status="received", sms_code="730512")
        psql(running, "select ops.credit('alice', 0.25, 'sorry for the wait')")
        alice.shows("wallets", user_id=ALICE, balance=9.75, frozen=0.0)

        # It is all written down, and no code among it.
        wait_until(lambda: answered(running, activation), 20)
        trace = psql(running, f"select * from ops.trace('{activation}')")
        assert not [line for line in trace if "730512" in "|".join(line)]
        audit = psql(running, "select who, what from ops.audit order by id")
        assert audit == [["sonnette_operator", "recover"], ["sonnette_operator", "credit"]]
        codes = psql(running, f"select code, delivered from ops.sms('{activation}')")
        assert codes == [["730512", "t"]]
        assert psql(running, "select * from ops.money_differences") == []


def test_the_doctor_finds_nothing_wrong_in_run(running: Running) -> None:
    def well() -> bool:
        return psql(running, "select what, finding from ops.doctor() where not well") == []

    wait_until(well, 30)


def test_rings_are_seen_by_whoever_listens(running: Running) -> None:
    said = psql(running, "listen sonnette; select ops.credit('bob', 1, 'a ring')")
    assert any("Asynchronous notification" in line and "b0b00000" in line for (line, *_) in said)


def trouble(running: Running, activation: str) -> bool:
    found = psql(running, f"select last_error from ops.live where activation = '{activation}'")
    return bool(found) and "ERROR_SQL" in found[0][0]


def answered(running: Running, activation: str) -> bool:
    steps = psql(running, f"select detail from ops.trace('{activation}') where step = 'answer'")
    return any("recover: found" in line[0] for line in steps)
