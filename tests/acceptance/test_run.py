"""`sonnette run` while it runs: its lines, its second terminals, and a process that dies."""

import json
import os
import re
import signal
import stat
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.facts import wait_until
from tests.fixtures.running import Running, free_ports, gone, listens, sonnette

ALICE = "a11ce000-0000-4000-8000-000000000001"
BOB = "b0b00000-0000-4000-8000-000000000002"


def me(running: Running, token: str) -> dict[str, object]:
    answer = httpx.get(
        f"{running.fact('service')}/v1/me", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


def token(running: Running, *words: str) -> str:
    said = running.verb("token", *words)
    assert (said.returncode, said.stderr) == (0, "")
    return said.stdout.removesuffix("\n")


def healthy(running: Running, part: str) -> bool:
    page = "/livez" if part == "simulator" else "/readyz"
    try:
        return httpx.get(running.fact(part) + page).status_code == 200
    except httpx.TransportError:
        return False


def test_standard_output_has_the_four_lines_and_nothing_else(running: Running) -> None:
    ports = running.ports
    dsn = running.fact("database")
    lines = running.out.splitlines()
    assert lines[:2] == [f"user alice {ALICE}", f"user bob {BOB}"]
    assert re.fullmatch(
        rf"open http://127\.0\.0\.1:{ports['service']}/#access_token=[\w-]+\.[\w-]+\.[\w-]+",
        lines[2],
    )
    assert lines[3:] == [
        f"ready database={dsn} service=http://127.0.0.1:{ports['service']} "
        f"gateway=http://127.0.0.1:{ports['gateway']} "
        f"simulator=http://127.0.0.1:{ports['simulator']} "
        f"poller=http://127.0.0.1:{ports['poller']}"
    ]


def test_every_health_page_is_green_once_it_is_ready(running: Running) -> None:
    assert {part for part in running.ports if healthy(running, part)} == set(running.ports)


def test_the_link_signs_alice_in_and_she_has_ten(running: Running) -> None:
    link = running.out.splitlines()[2]
    found = me(running, link.partition("access_token=")[2])
    assert (found["user_id"], found["available"]) == (ALICE, "10.00")


def test_a_second_terminal_gets_a_token_for_bob(running: Running) -> None:
    assert me(running, token(running, "bob", "--ttl", "1h"))["user_id"] == BOB


def test_a_second_terminal_needs_the_home_alone(running: Running) -> None:
    environ = {"SONNETTE_HOME": str(running.home), "PATH": os.environ["PATH"]}
    said = sonnette("psql", "-Atc", "select current_user", environ=environ)
    assert (said.stdout, said.returncode) == ("sonnette_operator\n", 0)
    made = sonnette("token", BOB, environ=environ)
    assert me(running, made.stdout.strip())["user_id"] == BOB


def test_a_token_for_nobody_is_refused(running: Running) -> None:
    said = running.verb("token", "carol")
    assert said.returncode == 1
    assert said.stdout == ""
    assert said.stderr == "there is no user 'carol': give a name or a uuid\n"


def test_psql_is_the_operator_and_moves_rows(running: Running) -> None:
    with psycopg.connect(running.fact("database"), autocommit=True) as superuser:
        superuser.execute("select sonnette.credit(%s, 5, 'test', 'psql test')", [BOB])
        superuser.execute(
            "insert into activations (user_id, provider, service_code, country_code, status, price)"
            " values (%s, 'by hand', 'wa', '6', 'requested', 0.50)",
            [BOB],
        )
    statement = "update activations set status = 'failed' where provider = 'by hand'"
    said = running.verb("psql", "-c", statement)
    assert (said.stdout, said.stderr, said.returncode) == ("UPDATE 1\n", "", 0)


def test_psql_may_not_touch_wallets(running: Running) -> None:
    said = running.verb("psql", "-c", "update wallets set balance = 1000000")
    assert said.returncode != 0
    assert "permission denied" in said.stderr


def test_credit_reaches_the_wallet(running: Running) -> None:
    someone = "00000000-0000-4000-8000-00000000002a"
    said = running.verb("credit", someone, "2.50", "--reason", "a test")
    assert said.stdout == f"{someone} now has 2.50 USD, 2.50 of it available\n"
    assert me(running, token(running, someone))["balance"] == "2.50"
    asked = "select kind, amount, user_id from ledger where reason = 'a test'"
    assert running.verb("psql", "-Atc", asked).stdout == f"credit|2.50|{someone}\n"


@pytest.mark.parametrize("amount", ["0", "-1", "1.005", "much"])
def test_an_amount_that_is_none_changes_nothing(running: Running, amount: str) -> None:
    said = running.verb("credit", "alice", "--", amount)
    assert said.returncode == 2
    assert "an amount is over zero and written 5 or 5.00" in said.stderr


def test_migrate_on_a_running_system_changes_nothing_and_says_where_it_is(running: Running) -> None:
    said = running.verb("migrate")
    assert said.returncode == 0
    assert re.fullmatch(r"the database is at \w+, the newest\n", said.stdout)


def test_doctor_finds_all_in_order_and_shows_no_secret(running: Running) -> None:
    secret = (running.home / "jwt-secret").read_text()
    said = running.verb("doctor", SONNETTE_JWT_SECRET=secret)
    assert said.returncode == 0, said.stdout
    assert "SONNETTE_JWT_SECRET=***  (environment)" in said.stdout
    assert secret not in said.stdout + said.stderr
    for name in ("database", "migrations", "triggers", "secret", *running.ports):
        assert re.search(rf"^ok +{name}: ", said.stdout, re.MULTILINE), name


def test_doctor_finds_a_trigger_that_was_disabled(running: Running) -> None:
    with psycopg.connect(running.fact("database"), autocommit=True) as superuser:
        superuser.execute("alter table activations disable trigger sonnette_log_update")
        try:
            said = running.verb("doctor")
        finally:
            superuser.execute("alter table activations enable always trigger sonnette_log_update")
    assert said.returncode == 1
    assert re.search(r"^FAILED +triggers: .*sonnette_log_update", said.stdout, re.MULTILINE)


def test_the_secret_and_the_dsn_are_for_their_owner_alone(running: Running) -> None:
    for name in ("jwt-secret", "run.json"):
        assert stat.S_IMODE((running.home / name).stat().st_mode) == 0o600


def test_no_process_carries_the_secret_in_its_environment(running: Running) -> None:
    secret = (running.home / "jwt-secret").read_bytes()
    for part in running.ports:
        pid = running.pid_of(part)
        assert pid is not None
        assert secret not in Path(f"/proc/{pid}/environ").read_bytes()


def test_each_process_is_in_the_database_under_its_own_role(running: Running) -> None:
    asked = "select distinct usename from pg_stat_activity where application_name like 'sonnette %'"
    with psycopg.connect(running.fact("database")) as superuser:
        found = {str(row[0]) for row in superuser.execute(asked)}
    assert {"sonnette_service", "sonnette_gateway", "sonnette_poller"} <= found
    assert "postgres" not in found


def test_a_second_run_on_this_home_is_refused(running: Running) -> None:
    said = running.verb("run")
    assert said.returncode == 1
    assert said.stderr == f"already running (pid {running.process.pid})\n"
    assert said.stdout == ""


def test_a_port_that_is_taken_is_named_with_its_setting(
    running: Running, home: Path, pg_bindir: Path
) -> None:
    others = free_ports(4)
    ports = [others[0], running.ports["gateway"], others[2], others[3]]
    refused = Running(home, pg_bindir, ports)
    assert refused.process.wait(30) == 1
    assert refused.err == f"port {ports[1]} is in use; set SONNETTE_GATEWAY_LISTEN\n"
    assert refused.out == ""


def test_another_home_on_other_ports_runs_beside_it(
    running: Running, home: Path, pg_bindir: Path
) -> None:
    with Running(home, pg_bindir) as other:
        other.ready()
        assert other.fact("database") != running.fact("database")
        assert healthy(other, "gateway")
        assert healthy(running, "gateway")
        other_token = token(other, "alice")
    refused = httpx.get(
        f"{running.fact('service')}/v1/me", headers={"Authorization": f"Bearer {other_token}"}
    )
    assert refused.status_code == 401  # every home has a secret of its own


@pytest.mark.parametrize("part", ["service", "gateway", "simulator", "poller"])
def test_a_process_that_dies_is_started_again_and_it_says_so(running: Running, part: str) -> None:
    before = running.pid_of(part)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: gone(before))
    wait_until(lambda: healthy(running, part), timeout_s=30)
    assert running.pid_of(part) != before
    assert f"{part} was killed by SIGKILL; starting it again in " in running.err


def test_postgres_that_dies_is_started_again_and_everything_recovers(running: Running) -> None:
    before = running.postmaster()
    assert before is not None
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: running.postmaster() not in (before, None), timeout_s=30)
    assert "postgres was killed by SIGKILL; starting it again" in running.err
    wait_until(lambda: all(healthy(running, part) for part in running.ports), timeout_s=30)
    assert me(running, token(running, "alice"))["user_id"] == ALICE


def test_what_it_logs_is_json_and_holds_no_token(running: Running) -> None:
    link = running.out.splitlines()[2].partition("access_token=")[2]
    logged = [line for line in running.err.splitlines() if line.startswith("{")]
    assert logged
    for line in logged:
        json.loads(line)
    assert link not in running.err


def test_all_listen_on_the_loopback_alone(running: Running) -> None:
    assert all(listens(port) for port in running.ports.values())
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    local = [line.split()[1].split(":") for line in table if line.split()[3] == "0A"]
    ours = {address for address, port in local if int(port, 16) in running.ports.values()}
    assert ours == {"0100007F"}
