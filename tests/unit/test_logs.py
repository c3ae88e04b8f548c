"""Logs: one sentence with fields, from structlog and the standard library alike, and no secrets."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from process import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """configure() changes what the whole interpreter logs to; give it back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.TALKATIVE}
    yield
    root.handlers, root.level = handlers, level
    for name, quiet in levels.items():
        logging.getLogger(name).setLevel(quiet)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_a_structlog_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", json=True)
    structlog.get_logger("gateway.relay").info("caught up", users=3)
    [line] = said(capsys)
    assert line["event"] == "caught up"
    assert line["users"] == 3
    assert line["level"] == "info"
    assert line["logger"] == "gateway.relay"
    assert str(line["timestamp"]).endswith("Z")


def test_a_stdlib_line_with_extra_fields_looks_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", json=True)
    logging.getLogger("db.listener").warning("lost the %s", "connection", extra={"attempt": 2})
    [line] = said(capsys)
    assert (line["event"], line["attempt"]) == ("lost the connection", 2)
    assert (line["level"], line["logger"]) == ("warning", "db.listener")


def test_what_is_under_the_level_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("WARNING", json=True)
    structlog.get_logger("x").info("not this")
    logging.getLogger("x").info("nor this")
    structlog.get_logger("x").warning("but this")
    assert [line["event"] for line in said(capsys)] == ["but this"]


def test_the_last_configure_counts(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("ERROR", json=False)
    logs.configure("INFO", json=True)
    logging.getLogger("x").info("once")
    assert [line["event"] for line in said(capsys)] == ["once"]


@pytest.mark.parametrize("as_json", [True, False])
def test_fields_that_can_hold_a_secret_are_blanked(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    logs.configure("INFO", json=as_json)
    for name in sorted(logs.BLANKED):
        structlog.get_logger("x").info("slip", **{name: "358042"})
        logging.getLogger("x").info("slip", extra={name: "358042"})
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 2 * len(logs.BLANKED)
    assert "358042" not in err


@pytest.mark.parametrize("as_json", [True, False])
def test_a_traceback_shows_no_local_variables(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    logs.configure("INFO", json=as_json)
    try:
        held = "".join(["358", "042"])
        raise LookupError(len(held))
    except LookupError:
        structlog.get_logger("x").exception("failed")
        logging.getLogger("x").exception("failed")
    err = capsys.readouterr().err
    assert err.count("LookupError: 6") == 2
    assert "358042" not in err


def test_libraries_that_log_urls_and_frames_stay_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("DEBUG", json=True)
    logging.getLogger("httpx").info("HTTP Request: GET http://provider/?api_key=hunter2")
    logging.getLogger("httpcore.http11").debug("send_request_headers hunter2")
    logging.getLogger("websockets.server").debug("> TEXT 358042")
    logging.getLogger("x").debug("heard")
    assert [line["event"] for line in said(capsys)] == ["heard"]


def test_in_a_terminal_a_line_is_readable(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", json=False)
    structlog.get_logger("x").info("caught up", users=3)
    err = capsys.readouterr().err
    assert "caught up" in err
    assert "users" in err
    assert not err.startswith("{")


def test_an_event_has_one_name_whatever_it_tells(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", json=True)
    for reason in ("refused", "timed out"):
        logging.getLogger("x").warning("not listening: %s", reason)
        structlog.get_logger("x").info("handshake refused", limit=reason)
    found = [(line["name"], line["event"]) for line in said(capsys)]
    assert found[:2] == [
        ("not_listening", "not listening: refused"),
        ("handshake_refused", "handshake refused"),
    ]
    assert [name for name, _ in found[2:]] == [name for name, _ in found[:2]]


def test_a_terminal_shows_the_sentence_alone(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", json=False)
    logging.getLogger("x").warning("not listening: %s", "refused")
    assert "not_listening" not in capsys.readouterr().err
