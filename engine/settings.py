"""The settings of a process, read once from its environment."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

from .errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

Default = TypeVar("Default", str, None)
PREFIX = "INTERLOCK_"
NAMES = frozenset(
    f"{PREFIX}{name}"
    for name in (
        *("DATABASE_URL", "HOME", "HOST", "PORT", "TENANT", "ENVIRONMENT", "SECURE_COOKIES"),
        # read by the command line, at the moment it needs a person
        *("PASSWORD", "TOKEN"),
    )
)
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_HIGHEST_PORT = 65535


@dataclass(frozen=True)
class Settings:
    """What a process needs to know before it can open anything.

    Without `database_url` an embedded PostgreSQL lives in the folder `home`. `environment` is the
    label that the pages show. Cookies are sent over HTTPS only, except on a loopback address.
    """

    database_url: str | None = None
    home: Path = Path(".interlock")
    host: str = "127.0.0.1"
    port: int = 8400
    tenant: str = "default"
    environment: str = "Development"
    secure_cookies: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the `INTERLOCK_…` variables.

        Raises:
            UsageError: a value cannot be used, or a name looks like a misspelt setting.
        """
        refuse_misspelt(environ)
        host = _text(environ, "HOST", cls.host)
        return cls(
            database_url=_text(environ, "DATABASE_URL", None),
            home=Path(_text(environ, "HOME", str(cls.home))),
            host=host,
            port=_port(environ),
            tenant=_tenant(environ),
            environment=_text(environ, "ENVIRONMENT", cls.environment),
            secure_cookies=_boolean(environ, "SECURE_COOKIES", default=not is_loopback(host)),
        )

    @property
    def results(self) -> Path:
        """Where a worker keeps results while the database is away."""
        return self.home.resolve() / "results"

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the pages."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_misspelt(environ: Mapping[str, str]) -> None:
    """A setting that is silently not read could be the one that matters.

    Names that are not close to a setting are left alone: Kubernetes puts its own `INTERLOCK_…`
    variables beside a service of that name.
    """
    for name in environ:
        if not name.startswith(PREFIX) or name in NAMES:
            continue
        if close := get_close_matches(name, NAMES, n=1, cutoff=0.85):
            raise UsageError(f"{name} is not a setting of Interlock. Did you mean {close[0]}?")


def _text(environ: Mapping[str, str], name: str, default: Default) -> str | Default:
    value = environ.get(PREFIX + name)
    if value is None:
        return default
    if not value.strip():
        raise UsageError(f"{PREFIX}{name} is set but empty. Give it a value, or unset it.")
    return value.strip()


def _port(environ: Mapping[str, str]) -> int:
    text = _text(environ, "PORT", str(Settings.port))
    if not (text.isascii() and text.isdecimal() and 0 < int(text) <= _HIGHEST_PORT):
        raise UsageError(f"{PREFIX}PORT is '{text}'; it must be a number from 1 to 65535.")
    return int(text)


def _tenant(environ: Mapping[str, str]) -> str:
    text = _text(environ, "TENANT", Settings.tenant)
    if not _TENANT.fullmatch(text):
        raise UsageError(
            f"{PREFIX}TENANT is '{text}'; it may have up to 63 letters, digits, '_', '.' and '-'."
        )
    return text


def _boolean(environ: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = _text(environ, name, "true" if default else "false")
    if text.lower() not in _BOOLEANS:
        raise UsageError(f"{PREFIX}{name} is '{text}'; it must be true or false.")
    return _BOOLEANS[text.lower()]
