"""Which origins a connection may reach: denied by default, and private addresses only where the grant says so."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Tuple, Union
from urllib.parse import urlsplit

__all__ = ["Grant", "Origin"]

_PORTS = {"http": 80, "https": 443}
# What the standard library calls global and no server on the internet has: 6to4 relays, the host of a virtual machine, translated
# and tunnelled addresses.
_NOT_PUBLIC = [
    ipaddress.ip_network(network)
    for network in ("192.88.99.0/24", "168.63.129.16/32", "198.18.0.0/15", "2001::/23", "2002::/16", "3fff::/20", "64:ff9b:1::/48")
]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_INTERNET_V6 = ipaddress.ip_network("2000::/3")


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port."""

    scheme: str
    #: In lower case; an IPv6 address without brackets.
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Origin:
        """Of an absolute address, path and all. Raises `ValueError`, which does not repeat the address: it may hold a password."""
        parts = urlsplit(text.strip())
        if parts.scheme not in _PORTS:
            raise ValueError("the scheme is neither http nor https")
        if parts.username is not None or parts.password is not None:
            raise ValueError("it holds user or password")
        if not parts.hostname:
            raise ValueError("the host is missing")
        if parts.port == 0:
            raise ValueError("the port is not valid")
        return cls(parts.scheme, parts.hostname.lower(), parts.port or _PORTS[parts.scheme])

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _PORTS[self.scheme] else f":{self.port}")


@dataclass(frozen=True)
class Grant:
    """An origin that a connection may reach. A text as a grant means one at public addresses, or at the address that it names."""

    origin: str
    #: Whether the name may resolve to a loopback, private, link-local or otherwise local address.
    private: bool = False


class Egress:
    """The grants of one connection."""

    def __init__(self, grants: Iterable[Union[str, Grant]]) -> None:
        self._granted: Dict[Origin, bool] = {}
        for each in grants:
            grant = each if isinstance(each, Grant) else Grant(each)
            try:
                parts = urlsplit(grant.origin)
                origin = Origin.parse(grant.origin)
                if parts.path not in ("", "/") or parts.query or parts.fragment:
                    raise ValueError("it holds a path")
            except ValueError as error:
                raise ValueError(f"a grant is no origin ({error}); write it as https://host or https://host:port") from error
            self._granted[origin] = grant.private or _is_address(origin.host) or self._granted.get(origin, False)

    def check(self, origin: Origin) -> Optional[bool]:
        """Whether the origin may be reached at private addresses, too; None if not at all."""
        return self._granted.get(origin)

    def names(self) -> List[str]:
        """The granted origins, in order."""
        return sorted(str(origin) for origin in self._granted)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(text: str) -> bool:
    """Whether an address belongs to the public internet. What is not clearly public is not."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(str(address.ipv4_mapped))
        if address in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)))
        if address not in _INTERNET_V6:
            return False
    special = any(address.version == network.version and address in network for network in _NOT_PUBLIC)
    return address.is_global and not address.is_multicast and not special


Address = Tuple[int, int, int, str, Tuple[object, ...]]


def resolve(host: str, port: int, private: bool) -> Tuple[List[Address], bool]:
    """The addresses of a name that may be reached, and whether there are others. Raises `socket.gaierror`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    allowed = [each for each in found if private or is_public(str(each[4][0]))]
    return allowed, len(allowed) < len(found)  # type: ignore[return-value]
