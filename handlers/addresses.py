"""Where a name may lead: the addresses of a host, as DNS has them now, none of which is inside of a network or of this machine.

A partner's name is not ours, and what it means may change between two calls. So whoever connects takes the addresses from here, and does
not ask for the name again.
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
    """Raises TransientError where DNS has no answer."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TransientError(f"{host} cannot be resolved: {getattr(error, 'strerror', None) or error}") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def check_public(host: str, addresses: Iterable[str]) -> None:
    """Raises AddressRefused for the first that is no public one."""
    for text in addresses:
        if not is_public(ipaddress.ip_address(text.partition("%")[0])):
            raise AddressRefused(f"{host} is at {text}, which is no public address; to allow it, name {host} in http.privateHosts")


def is_public(address: Address) -> bool:
    """Not one of a private network, of this machine, of a cloud's metadata, or reserved, in whatever form it is written."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast
