"""Settings: what an administrator writes becomes a value, or a sentence that names the variable."""

from pathlib import Path

import pytest

from process.settings import Address, SettingsError, describe, load
from process.values import without_password

SECRET = "s" * 31 + "!"


def refusal(**environ: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(environ)
    return str(refused.value)


def test_nothing_set_gives_the_documented_defaults() -> None:
    settings = load({})
    assert settings.database_url is None
    assert settings.jwt_secret is None
    listens = (
        settings.service_listen,
        settings.gateway_listen,
        settings.simulator_listen,
        settings.poller_listen,
    )
    assert [str(listen) for listen in listens] == [
        f"127.0.0.1:{port}" for port in range(8000, 8004)
    ]
    assert settings.currency == "USD"
    assert settings.cors_origins == ()
    assert (settings.retention_hours, settings.retention_rows) == (72, 50_000_000)
    assert settings.log_level == "INFO"


def test_each_setting_is_read_from_its_own_variable() -> None:
    settings = load(
        {
            "DATABASE_URL": "postgresql://sonnette@db/sonnette",
            "SONNETTE_HOME": "/srv/sonnette",
            "SONNETTE_SERVICE_LISTEN": "0.0.0.0:80",
            "SONNETTE_GATEWAY_LISTEN": "[::1]:81",
            "SONNETTE_GATEWAY_REUSE_PORT": "1",
            "SONNETTE_SIMULATOR_LISTEN": "localhost:82",
            "SONNETTE_POLLER_LISTEN": "127.0.0.2:83",
            "SONNETTE_JWT_SECRET": SECRET,
            "SONNETTE_JWKS_URL": "https://auth.example/.well-known/jwks.json",
            "SONNETTE_GATEWAY_URL": "wss://sms.example.org",
            "SONNETTE_PROVIDERS": "/etc/sonnette/providers.toml",
            "SONNETTE_PG_BINDIR": "/usr/lib/postgresql/15/bin",
            "SONNETTE_CURRENCY": "EUR",
            "SONNETTE_CORS_ORIGINS": "https://a.example, http://localhost:5173",
            "SONNETTE_RETENTION_HOURS": "24",
            "SONNETTE_RETENTION_ROWS": "1000",
            "SONNETTE_LOG_LEVEL": "debug",
            "SONNETTE_MAX_FRAME_BYTES": "1000",
            "SONNETTE_MAX_BUFFER_BYTES": "2000",
            "SONNETTE_MAX_BUFFERED_BYTES": "3000",
            "SONNETTE_MAX_CHANNELS": "3",
            "SONNETTE_MAX_BINDINGS": "4",
            "SONNETTE_MAX_SOCKETS": "7",
            "SONNETTE_MAX_SOCKETS_PER_USER": "8",
            "SONNETTE_MAX_SOCKETS_PER_ADDRESS": "9",
            "SONNETTE_SOCKET_FRAMES_PER_S": "10",
            "SONNETTE_SOCKET_JOINS_PER_S": "11",
            "SONNETTE_TRUSTED_PROXIES": "10.0.0.1, 2001:db8::/32",
            "SONNETTE_USER_REQUESTS_PER_S": "5",
            "SONNETTE_ADDRESS_REQUESTS_PER_S": "6",
            "PATH": "/usr/bin",
        }
    )
    assert settings.database_url == "postgresql://sonnette@db/sonnette"
    assert settings.home == Path("/srv/sonnette")
    assert settings.service_listen == Address("0.0.0.0", 80)
    assert settings.gateway_listen == Address("::1", 81)
    assert settings.gateway_reuse_port
    assert settings.simulator_listen == Address("localhost", 82)
    assert settings.poller_listen == Address("127.0.0.2", 83)
    assert settings.jwt_secret == SECRET
    assert settings.jwks_url == "https://auth.example/.well-known/jwks.json"
    assert settings.gateway_url == "wss://sms.example.org"
    assert settings.providers == Path("/etc/sonnette/providers.toml")
    assert settings.pg_bindir == Path("/usr/lib/postgresql/15/bin")
    assert settings.currency == "EUR"
    assert settings.cors_origins == ("https://a.example", "http://localhost:5173")
    assert (settings.retention_hours, settings.retention_rows) == (24, 1000)
    assert settings.log_level == "DEBUG"
    assert (settings.max_frame_bytes, settings.max_buffer_bytes) == (1000, 2000)
    assert settings.max_buffered_bytes == 3000
    assert (settings.max_channels, settings.max_bindings) == (3, 4)
    assert (settings.max_sockets, settings.max_sockets_per_user) == (7, 8)
    assert settings.max_sockets_per_address == 9
    assert (settings.socket_frames_per_s, settings.socket_joins_per_s) == (10, 11)
    assert settings.trusted_proxies == ("10.0.0.1/32", "2001:db8::/32")
    assert (settings.user_requests_per_s, settings.address_requests_per_s) == (5, 6)


def test_no_proxy_at_all_is_trusted_where_the_setting_says_none() -> None:
    assert load({"SONNETTE_TRUSTED_PROXIES": "none"}).trusted_proxies == ()
    assert load({}).trusted_proxies == ("127.0.0.0/8", "::1/128")


def test_home_follows_the_xdg_data_folder_unless_that_is_relative() -> None:
    assert load({"XDG_DATA_HOME": "/data"}).home == Path("/data/sonnette")
    assert load({"XDG_DATA_HOME": "data"}).home == Path.home() / ".local/share/sonnette"


def test_a_relative_path_is_made_absolute_at_once() -> None:
    assert load({"SONNETTE_HOME": "here"}).home == Path.cwd() / "here"


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("SONNETTE_SERVICE_LISTEN", "8000", "must be host:port, such as 127.0.0.1:8000"),
        ("SONNETTE_SERVICE_LISTEN", "a..b:8000", "must be host:port"),
        ("SONNETTE_SERVICE_LISTEN", "127.0.0.1:http", "must end in a port from 1 to 65535"),
        ("SONNETTE_SERVICE_LISTEN", "127.0.0.1:0", "must end in a port from 1 to 65535"),
        ("SONNETTE_SERVICE_LISTEN", "127.0.0.1:65536", "must end in a port from 1 to 65535"),
        ("SONNETTE_GATEWAY_LISTEN", "[::zz]:8001", "must be host:port"),
        ("SONNETTE_GATEWAY_LISTEN", "::1:8001", "must be host:port"),
        ("SONNETTE_CURRENCY", "usd", "must be three capital letters"),
        ("SONNETTE_CORS_ORIGINS", "https://a.example/path", "must list origins such as"),
        ("SONNETTE_RETENTION_HOURS", "0", "must be a whole number from 1 up"),
        ("SONNETTE_MAX_CHANNELS", "many", "must be a whole number from 1 up"),
        ("SONNETTE_TRUSTED_PROXIES", "proxy.example", "must list addresses or networks"),
        ("SONNETTE_DEMO", "perhaps", "must be 1 or 0"),
        ("SONNETTE_LOG_LEVEL", "loud", "must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
    ],
)
def test_a_wrong_value_is_refused_by_name(variable: str, text: str, sentence: str) -> None:
    said = refusal(**{variable: text})
    assert said.startswith(f"{variable} ")
    assert sentence in said


def test_an_unknown_setting_is_refused_with_the_nearest_known_one() -> None:
    said = refusal(SONNETTE_GATWAY_LISTEN="127.0.0.1:1")
    assert said == (
        "SONNETTE_GATWAY_LISTEN is not a setting of Sonnette; did you mean SONNETTE_GATEWAY_LISTEN?"
    )


def test_an_unknown_setting_like_no_other_points_to_doctor() -> None:
    assert refusal(SONNETTE_XYZZY="1").endswith("`sonnette doctor` lists the settings")


def test_a_short_secret_is_refused_and_not_repeated() -> None:
    said = refusal(SONNETTE_JWT_SECRET="hunter2")
    assert said.startswith("SONNETTE_JWT_SECRET must be at least 32 bytes")
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "key", ["-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n", "ssh-rsa " + "A" * 99]
)
def test_a_key_that_anybody_may_know_is_no_secret(key: str) -> None:
    said = refusal(SONNETTE_JWT_SECRET=key)
    assert said.startswith("SONNETTE_JWT_SECRET is no secret but a key; SONNETTE_JWKS_URL names")


@pytest.mark.parametrize(
    "url",
    [
        "https://auth.example/keys",
        "https://auth.example:8443/keys?apikey=hunter2",
        "https://10.0.0.1/keys",
        "http://127.0.0.1:9999/keys",
        "http://[::1]:9999/keys",
        "http://localhost/keys",
    ],
)
def test_published_keys_come_by_https_or_from_this_machine(url: str) -> None:
    assert load({"SONNETTE_JWKS_URL": url}).jwks_url == url


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://auth.example/keys", "must begin with https://"),
        ("http://10.0.0.1/keys", "must begin with https://"),
        ("http://localhost.example/keys", "must begin with https://"),
        ("file://localhost/etc/passwd", "must begin with https://"),
        ("auth.example/keys", "is not a URL such as https://auth.example/"),
        ("/etc/passwd", "is not a URL such as"),
        ("https://", "is not a URL such as"),
        ("https://auth.example:port/keys", "is not a URL such as"),
        ("https://[::1/keys", "is not a URL such as"),
        ("https://user:hunter2@auth.example/keys", "is not a URL such as"),
        ("https://auth example/keys", "is not a URL such as"),
    ],
)
def test_a_url_of_keys_that_cannot_be_is_refused_and_not_repeated(url: str, sentence: str) -> None:
    said = refusal(SONNETTE_JWKS_URL=url)
    assert said.startswith(f"SONNETTE_JWKS_URL {sentence}")
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "url", ["https://sms.example", "wss://", "wss://a/b", "ws://a; script-src *"]
)
def test_where_browsers_reach_the_gateway_is_a_socket_and_a_host(url: str) -> None:
    said = refusal(SONNETTE_GATEWAY_URL=url)
    assert said.startswith("SONNETTE_GATEWAY_URL must be ws:// or wss:// and a host")


def test_a_malformed_database_url_is_refused_and_its_password_not_repeated() -> None:
    said = refusal(DATABASE_URL="postgresql://sonnette:hunter2@[db/name")
    assert said.startswith("DATABASE_URL is not a connection string")
    assert "hunter2" not in said


def test_set_to_nothing_is_not_set() -> None:
    settings = load({"SONNETTE_CURRENCY": "", "SONNETTE_JWT_SECRET": "", "DATABASE_URL": ""})
    assert (settings.currency, settings.jwt_secret, settings.database_url) == ("USD", None, None)


@pytest.mark.parametrize(("text", "demo"), [("1", True), ("true", True), ("0", False), ("", False)])
def test_the_demo_is_on_only_where_it_is_said(text: str, demo: bool) -> None:
    assert load({"SONNETTE_DEMO": text}).demo is demo


def test_a_secret_may_come_as_a_file(tmp_path: Path) -> None:
    held = tmp_path / "secret"
    held.write_text(f"{SECRET}\n")
    settings = load({"SONNETTE_JWT_SECRET_FILE": str(held)})
    assert settings.jwt_secret == SECRET
    assert ("SONNETTE_JWT_SECRET", "***", f"file {held}") in describe(settings)


def test_the_database_url_may_come_as_a_file(tmp_path: Path) -> None:
    held = tmp_path / "dsn"
    held.write_text("host=db dbname=sonnette\n")
    assert load({"DATABASE_URL_FILE": str(held)}).database_url == "host=db dbname=sonnette"


def test_a_setting_that_is_no_secret_has_no_file(tmp_path: Path) -> None:
    assert "is not a setting" in refusal(SONNETTE_CURRENCY_FILE=str(tmp_path / "currency"))


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    said = refusal(SONNETTE_JWT_SECRET=SECRET, SONNETTE_JWT_SECRET_FILE=str(tmp_path / "secret"))
    assert said == (
        "SONNETTE_JWT_SECRET and SONNETTE_JWT_SECRET_FILE are both set; unset one of them"
    )


def test_an_unreadable_or_empty_secret_file_is_named(tmp_path: Path) -> None:
    missing, empty, binary = tmp_path / "missing", tmp_path / "empty", tmp_path / "binary"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    assert "No such file" in refusal(SONNETTE_JWT_SECRET_FILE=str(missing))
    assert "which is empty" in refusal(SONNETTE_JWT_SECRET_FILE=str(empty))
    assert "not UTF-8" in refusal(SONNETTE_JWT_SECRET_FILE=str(binary))


def test_describe_lists_every_setting_and_redacts() -> None:
    settings = load(
        {
            "DATABASE_URL": "postgresql://sonnette:hunter2@db:5433/name?sslpassword=hunter3",
            "SONNETTE_JWT_SECRET": SECRET,
            "SONNETTE_JWKS_URL": "https://auth.example/keys?apikey=hunter2",
            "SONNETTE_CORS_ORIGINS": "https://a.example,https://b.example",
        }
    )
    listed = {variable: (value, source) for variable, value, source in describe(settings)}
    assert listed["SONNETTE_JWT_SECRET"] == ("***", "environment")
    assert listed["SONNETTE_CURRENCY"] == ("USD", "default")
    assert listed["SONNETTE_PROVIDERS"] == ("not set", "default")
    assert listed["SONNETTE_CORS_ORIGINS"][0] == "https://a.example,https://b.example"
    assert listed["SONNETTE_JWKS_URL"][0] == "https://auth.example/keys?***"
    shown = listed["DATABASE_URL"][0]
    assert "host=db" in shown
    assert "port=5433" in shown
    assert "hunter" not in f"{listed}"
    assert "SONNETTE_SOURCES" not in listed


def test_the_settings_print_without_their_secrets() -> None:
    settings = load({"DATABASE_URL": "password=hunter2", "SONNETTE_JWT_SECRET": SECRET})
    assert "hunter2" not in repr(settings)
    assert SECRET not in repr(settings)


def test_a_dsn_without_a_password_is_shown_as_it_means() -> None:
    assert without_password("postgresql://u@db/n") == "user=u dbname=n host=db"
    assert without_password("postgresql://u:p@[db/n") == "***"


def test_an_address_says_where_a_local_client_finds_it() -> None:
    assert Address("127.0.0.1", 8000).url() == "http://127.0.0.1:8000"
    assert Address("0.0.0.0", 8001).url("ws") == "ws://127.0.0.1:8001"
    assert Address("::", 8001).url() == "http://[::1]:8001"
