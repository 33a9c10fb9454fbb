"""Which addresses a request may go to: listed origins, and no private network by accident."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..gated import NotDone
from ..spec import ToolDeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterable

_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9a-fA-F:.]+\])(?::([0-9]{1,5}))?([/?][!-~]*)?")
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Origin:
    """A scheme, a host and a port."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """The host, with the port where it is not the scheme's own."""
        return self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}"


def origin_of(url: str) -> Origin:
    """The origin of a whole URL of plain characters, without a user and a fragment.

    Raises:
        ValueError: it is none.
    """
    match = _URL.fullmatch(url)
    if match is None or "\\" in url or "#" in url:
        raise ValueError(f"'{url[:100]}' is not a plain http or https address")
    scheme, host, port, _ = match.groups()
    return Origin(scheme, host.lower(), int(port) if port else _PORTS[scheme])


class Reach:
    """The listed origins.

    Args:
        origins: `https://api.example.com`, `http://localhost:8000`.
        private: addresses that are not of the public internet may be reached, too.

    Raises:
        ToolDeclarationError: nothing is listed, or no origin.
    """

    def __init__(self, origins: Iterable[str], *, private: bool) -> None:
        try:
            self._origins = frozenset(map(origin_of, origins))
        except ValueError as error:
            raise ToolDeclarationError(f"{error}, so it cannot be listed.") from None
        if not self._origins:
            raise ToolDeclarationError("List at least one origin that may be asked.")
        self._private = private

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts that may be asked."""
        return frozenset(origin.host for origin in self._origins)

    def check(self, url: str) -> str:
        """The URL, if its origin is listed.

        Raises:
            ValueError: it is not.
        """
        origin = origin_of(url)
        if origin not in self._origins:
            raise ValueError(f"{origin.scheme}://{origin.authority} is not on the list of hosts")
        return url

    def resolve(self, origin: Origin) -> str:
        """An address of the host, looked up once, so that what was checked is what is asked.

        Raises:
            NotDone: it has none, or one that is not of the public internet.
        """
        try:
            found = socket.getaddrinfo(
                origin.host.strip("[]"), origin.port, type=socket.SOCK_STREAM
            )
        except OSError as error:
            raise NotDone(f"The host '{origin.host}' has no address: {error}.") from None
        addresses = [ipaddress.ip_address(str(entry[4][0]).split("%")[0]) for entry in found]
        hidden = next((each for each in addresses if not _is_public(each)), None)
        if hidden is not None and not self._private:
            raise NotDone(
                f"The host '{origin.host}' is at {hidden}, which is not of the public internet. "
                "Nothing was sent."
            )
        return f"[{addresses[0]}]" if addresses[0].version == 6 else str(addresses[0])  # noqa: PLR2004 - IPv6


def _is_public(address: Any) -> bool:
    if address.version == 6:  # noqa: PLR2004 - IPv6
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if inner is not None:
            return _is_public(inner)
        if address in _NAT64:
            return _is_public(ipaddress.ip_address(int(address) & 0xFFFFFFFF))
    return bool(address.is_global and not address.is_multicast)
