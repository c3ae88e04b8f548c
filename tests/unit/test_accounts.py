"""The accounts file: what it may say, and the sentence for each thing that it may not."""

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
        ),
    )


def test_the_key_may_stand_in_a_file_beside(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from-the-file\n")
    (account,) = load(tmp_path, GOOD.replace('api_key = "a-secret-key"', 'api_key_file = "key"'))
    assert account.api_key == "from-the-file"


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
        ("sms-activate", "carrier-pigeon", "account first: dialect must be one of sms-activate"),
        ("https://", "ftp://", "account first: url must be"),
        ("handler_api.php", "handler_api.php?api_key=x", "must have no query"),
        ("https://", "https://user:pass@", "must have no query and no credentials"),
        ('api_key = "a-secret-key"', "", "give one of api_key and api_key_file"),
        ("a-secret-key", "a-secret-key and more", "must be printable and without spaces"),
        ('api_key = "a-secret-key"', 'api_key_file = "none"', "No such file"),
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
