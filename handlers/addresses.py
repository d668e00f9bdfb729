"""Resolves a host name and refuses addresses inside a private network or of this machine.

We do not control a partner's name, and its addresses may change between two calls. So a connection uses the addresses from here and does
not resolve the name again.
"""

import ipaddress
import socket
from collections.abc import Iterable

from handlers.quoting import TransientError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""RFC 6052: the last four bytes are an IPv4 address."""


class AddressRefused(Exception):
    """The message names the host and its address."""


def resolved(host: str, port: int) -> list[str]:
    """Raises TransientError if DNS has no answer."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TransientError(f"{host} cannot be resolved: {getattr(error, 'strerror', None) or error}") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def check_public(host: str, addresses: Iterable[str]) -> None:
    """Raises AddressRefused for the first address that is not public."""
    for text in addresses:
        if not is_public(ipaddress.ip_address(text.partition("%")[0])):
            raise AddressRefused(f"{host} is at {text}, which is no public address; to allow it, name {host} in http.privateHosts")


def is_public(address: Address) -> bool:
    """Whether the address is outside private networks, this machine, a cloud's metadata and reserved ranges, in any notation."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast
