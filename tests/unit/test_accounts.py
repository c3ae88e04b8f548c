"""The accounts file: what it may say, and the sentence for each thing that it may not."""

import hashlib
from decimal import Decimal
from pathlib import Path

import pytest

from poller import accounts
from process.settings import Settings, SettingsError

GOOD = """
[[account]]
name = "first"
dialect = "sms-activate"
url = "https://provider.example/stubs/handler_api.php"
api_key = "a-secret-key"
markup = "1.25"
"""


def load(folder: Path, text: str) -> tuple[accounts.Account, ...]:
    file = folder / "accounts.toml"
    file.write_text(text, "utf-8")
    return accounts.load(Settings(home=folder, providers=file))


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(SettingsError) as refused:
        load(folder, text)
    sentence = str(refused.value)
    assert "accounts.toml" in sentence
    assert "a-secret-key" not in sentence
    return sentence


def test_an_account_with_its_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD) == (
        accounts.Account(
            name="first",
            dialect="sms-activate",
            url="https://provider.example/stubs/handler_api.php",
            api_key="a-secret-key",
            markup=Decimal("1.25"),
            cancel_after_s=120,
            requests_per_s=10.0,
        ),
    )


def test_the_key_may_stand_in_a_file_beside(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-the-file\n")
    (account,) = load(tmp_path, GOOD.replace('api_key = "a-secret-key"', 'api_key_file = "key"'))
    assert account.api_key == "from-the-file"


def test_the_key_may_be_one_of_systemd_s_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "first.key").write_text("from-systemd\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    said = GOOD.replace('api_key = "a-secret-key"', 'api_key_credential = "first.key"')
    (account,) = load(tmp_path, said)
    assert account.api_key == "from-systemd"
    outside = said.replace("first.key", "../accounts.toml")
    assert "must be the name of a credential, not a path" in refusal(tmp_path, outside)


def test_the_key_may_stand_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRST_KEY", "from-the-environment")
    said = GOOD.replace('api_key = "a-secret-key"', 'api_key_env = "FIRST_KEY"')
    (account,) = load(tmp_path, said)
    assert account.api_key == "from-the-environment"
    monkeypatch.setenv("FIRST_KEY", "a secret")
    assert refusal(tmp_path, said).endswith("api_key must be printable and without spaces")


@pytest.mark.parametrize(
    ("dialect", "url", "cancel_after_s", "requests_per_s"),
    [
        ("hero", "https://hero-sms.com/stubs/handler_api.php", 120, 5.0),
        ("tiger", "https://api.tiger-sms.com/stubs/handler_api.php", 120, 5.0),
        ("grizzly", "https://api.grizzlysms.com/stubs/handler_api.php", 120, 10.0),
        ("smsbower", "https://smsbower.page/stubs/handler_api.php", 120, 10.0),
        ("smshub", "https://smshub.org/stubs/handler_api.php", 120, 10.0),
        ("5sim", "https://5sim.net/v1", 0, 20.0),
    ],
)
def test_a_dialect_knows_its_provider_s_address_and_limits(
    tmp_path: Path, dialect: str, url: str, cancel_after_s: int, requests_per_s: float
) -> None:
    said = f'[[account]]\nname = "a"\ndialect = "{dialect}"\napi_key = "k"\n'
    (account,) = load(tmp_path, said)
    assert account.url == url
    assert account.cancel_after_s == cancel_after_s
    assert account.requests_per_s == requests_per_s


def test_limits_can_be_set(tmp_path: Path) -> None:
    (account,) = load(tmp_path, GOOD + "cancel_after_s = 60\nrequests_per_s = 0.5\n")
    assert account.cancel_after_s == 60
    assert account.requests_per_s == 0.5


def test_no_repr_shows_the_key(tmp_path: Path) -> None:
    assert "a-secret-key" not in repr(load(tmp_path, GOOD))


def test_without_a_file_there_is_the_simulator_where_it_listens(tmp_path: Path) -> None:
    assert accounts.load(Settings(home=tmp_path)) == (
        accounts.Account(
            name="simulator",
            dialect="sms-activate",
            url="http://127.0.0.1:8002/stubs/handler_api.php",
            api_key="demo",
            markup=Decimal(1),
            cancel_after_s=0,
            requests_per_s=1000.0,
        ),
    )


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[[account]]", "[account]", "there is no [[account]] table"),
        ("[[account]]", "[[acount]]", "'acount' is not known"),
        ("[[account]]", "[[account", "is not TOML"),
        ('name = "first"', "", "needs a name"),
        ('"first"', '"First Account"', "needs a name"),
        (
            "sms-activate",
            "carrier-pigeon",
            "account first: dialect must be one of sms-activate, hero",
        ),
        ("https://", "ftp://", "account first: url must be"),
        ('url = "https://provider.example/stubs/handler_api.php"', "", "url must be"),
        ("handler_api.php", "handler_api.php?api_key=x", "must have no query"),
        ("https://", "https://user:pass@", "must have no query and no credentials"),
        (
            'api_key = "a-secret-key"',
            "",
            "give one of api_key, api_key_file, api_key_env and api_key_credential",
        ),
        (
            'api_key = "a-secret-key"',
            'api_key_env = "NO_SUCH_KEY"',
            "api_key_env names the variable NO_SUCH_KEY, which is not set",
        ),
        ('api_key = "a-secret-key"', 'api_key_env = "a b"', "must be the name of a variable"),
        ("a-secret-key", "a-secret-key and more", "must be printable and without spaces"),
        ('api_key = "a-secret-key"', 'api_key_file = "none"', "No such file"),
        ('markup = "1.25"', 'api_key_file = "k"', "give one of api_key and api_key_file"),
        ('api_key = "a-secret-key"', "api_key_file = 7", "api_key_file must be a name in quotes"),
        (
            'api_key = "a-secret-key"',
            'api_key_credential = "main"',
            "api_key_credential needs $CREDENTIALS_DIRECTORY",
        ),
        ('markup = "1.25"', "requests_per_s = 0", "requests_per_s must be a number from 0.01"),
        ('markup = "1.25"', 'requests_per_s = "fast"', "requests_per_s must be a number"),
        ('"1.25"', "0", "markup must be a number above 0"),
        ('"1.25"', '"much"', "markup must be a number above 0"),
        ('"1.25"', "1.2345", "at most three decimals"),
        ('"1.25"', "true", "markup must be a number above 0"),
        ('markup = "1.25"', "cancel_after_s = -1", "cancel_after_s must be"),
        ('markup = "1.25"', "mark_up = 2", "'mark_up' is not known"),
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    assert sentence in refusal(tmp_path, GOOD.replace(old, new))


def test_two_accounts_of_one_name_are_refused(tmp_path: Path) -> None:
    assert "two accounts are named first" in refusal(tmp_path, GOOD + GOOD)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"SONNETTE_PROVIDERS names .*: No such file"):
        accounts.load(Settings(home=tmp_path, providers=tmp_path / "nowhere.toml"))


def webhooks(folder: Path, *lines: str) -> accounts.Account:
    (account,) = load(folder, "\n".join([GOOD, *lines]))
    return account


def test_webhooks_are_taken_where_there_is_a_secret(tmp_path: Path) -> None:
    assert webhooks(tmp_path).webhook_secret_sha256 is None
    secret = "an-unguessable-path-of-32-letters"
    account = webhooks(tmp_path, f'webhook_secret = "{secret}"')
    assert account.webhook_secret_sha256 == hashlib.sha256(secret.encode()).digest()
    assert account.webhook_addresses == ()
    assert secret not in repr(account)
    (tmp_path / "hook").write_text(f"{secret}\n")
    assert webhooks(tmp_path, 'webhook_secret_file = "hook"').webhook_secret == secret


def test_webhooks_may_come_from_some_addresses_alone(tmp_path: Path) -> None:
    account = webhooks(tmp_path, 'webhook_addresses = ["203.0.113.7", "2001:db8::/32"]')
    assert account.webhook_addresses == ("203.0.113.7/32", "2001:db8::/32")


@pytest.mark.parametrize("secret", ["too-short", "a/b" * 20, "a%b" * 20, "a?b" * 20])
def test_a_webhook_secret_that_is_no_part_of_a_path_is_refused(tmp_path: Path, secret: str) -> None:
    sentence = refusal(tmp_path, f'{GOOD}\nwebhook_secret = "{secret}"')
    assert "webhook_secret must be 32 or more" in sentence
    assert secret not in sentence


@pytest.mark.parametrize("value", ['"203.0.113.7"', "[7]", '["203.0.113.7/8"]', '["example.com"]'])
def test_what_is_no_list_of_addresses_is_refused(tmp_path: Path, value: str) -> None:
    assert "webhook_addresses must be" in refusal(tmp_path, f"{GOOD}\nwebhook_addresses = {value}")
