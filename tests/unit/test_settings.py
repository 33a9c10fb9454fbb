"""Settings from an environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from interlock.engine.errors import UsageError
from interlock.engine.settings import Settings


def test_an_empty_environment_gives_the_embedded_database_on_loopback() -> None:
    settings = Settings.from_environment({"PATH": "/bin"})
    assert settings == Settings()
    assert settings.database_url is None
    assert settings.address == "http://127.0.0.1:8400"


def test_every_setting_is_read() -> None:
    settings = Settings.from_environment(
        {
            "INTERLOCK_DATABASE_URL": "postgresql://db/interlock",
            "INTERLOCK_HOME": "/srv/interlock",
            "INTERLOCK_HOST": "192.168.1.5",
            "INTERLOCK_PORT": "80",
            "INTERLOCK_TENANT": "rental",
            "INTERLOCK_ENVIRONMENT": "Production",
            "INTERLOCK_SECURE_COOKIES": "false",
        }
    )
    assert settings == Settings(
        database_url="postgresql://db/interlock",
        home=Path("/srv/interlock"),
        host="192.168.1.5",
        port=80,
        tenant="rental",
        environment="Production",
        secure_cookies=False,
    )
    assert settings.address == "http://192.168.1.5:80"


@pytest.mark.parametrize(
    ("host", "secure"),
    [
        ("127.0.0.1", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),  # noqa: S104
        ("192.168.1.5", True),
        ("interlock.example", True),
        ("127.0.0.1.example", True),
    ],
)
def test_cookies_are_for_https_only_unless_the_host_is_this_machine(
    host: str,
    secure: bool,  # noqa: FBT001 - one column of the table
) -> None:
    assert Settings.from_environment({"INTERLOCK_HOST": host}).secure_cookies is secure


def test_the_address_of_all_interfaces_is_shown_as_this_machine() -> None:
    assert Settings(host="0.0.0.0").address == "http://127.0.0.1:8400"  # noqa: S104


def test_an_ipv6_host_is_bracketed_in_the_address() -> None:
    assert Settings(host="::1").address == "http://[::1]:8400"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("INTERLOCK_PORT", "http", "INTERLOCK_PORT is 'http'; it must be a number from 1 to 65535"),
        ("INTERLOCK_PORT", "0", "from 1 to 65535"),
        ("INTERLOCK_PORT", "65536", "from 1 to 65535"),
        ("INTERLOCK_PORT", "-1", "from 1 to 65535"),
        ("INTERLOCK_PORT", "٨٤", "from 1 to 65535"),
        ("INTERLOCK_PORT", "", "INTERLOCK_PORT is set but empty"),
        ("INTERLOCK_DATABASE_URL", " ", "INTERLOCK_DATABASE_URL is set but empty"),
        ("INTERLOCK_TENANT", "a b", "INTERLOCK_TENANT is 'a b'"),
        ("INTERLOCK_SECURE_COOKIES", "maybe", "must be true or false"),
        ("INTERLOCK_DATABSE_URL", "x", "Did you mean INTERLOCK_DATABASE_URL?"),
        ("INTERLOCK_SECURE_COOKIE", "true", "Did you mean INTERLOCK_SECURE_COOKIES?"),
    ],
)
def test_a_value_or_name_that_cannot_be_is_refused_with_a_sentence(
    name: str, value: str, sentence: str
) -> None:
    with pytest.raises(UsageError) as refusal:
        Settings.from_environment({name: value})
    assert sentence in str(refusal.value)


def test_the_variables_that_kubernetes_adds_are_left_alone() -> None:
    environ = {
        "INTERLOCK_SERVICE_HOST": "10.0.0.1",
        "INTERLOCK_SERVICE_PORT": "8400",
        "INTERLOCK_PORT_8400_TCP": "tcp://10.0.0.1:8400",
        "INTERLOCK_PORT_8400_TCP_ADDR": "10.0.0.1",
    }
    assert Settings.from_environment(environ) == Settings()
