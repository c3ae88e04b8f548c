"""`sonnette doctor` and the keys of another issuer: asked for and counted, the URL's key unsaid."""

import asyncio
from pathlib import Path

import pytest

from tests.fixtures.running import clean_environ, free_ports, sonnette
from tests.issuer import issuer, signing_key


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Nothing runs and nothing is there."""
    parts = ("SERVICE", "GATEWAY", "SIMULATOR", "POLLER")
    listen = {
        f"SONNETTE_{part}_LISTEN": f"127.0.0.1:{port}"
        for part, port in zip(parts, free_ports(len(parts)), strict=True)
    }
    return clean_environ() | listen | {"SONNETTE_HOME": str(tmp_path / "home")}


async def doctor(environ: dict[str, str]) -> str:
    """What it prints."""
    said = await asyncio.to_thread(sonnette, "doctor", environ=environ)
    assert said.stderr == ""
    return said.stdout


async def test_the_published_keys_are_asked_for(environ: dict[str, str]) -> None:
    async with issuer(signing_key("one"), signing_key("two")) as source:
        url = f"{source.url}?apikey=hunter2"
        said = await doctor(environ | {"SONNETTE_JWKS_URL": url})
        assert "ok      keys: 2 published\n" in said
        assert "-       secret: none: tokens are verified by SONNETTE_JWKS_URL alone\n" in said
        assert f"SONNETTE_JWKS_URL={source.url}?***  (environment)\n" in said
        assert "hunter2" not in said
        source.status = 404
        said = await doctor(environ | {"SONNETTE_JWKS_URL": url})
        assert "FAILED  keys: their issuer answered 404\n" in said


async def test_without_an_issuer_nobody_is_asked(environ: dict[str, str]) -> None:
    assert "keys:" not in await doctor(environ)
