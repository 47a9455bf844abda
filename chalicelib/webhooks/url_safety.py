"""Which addresses may receive webhooks: none in a private network (OWASP: server-side request forgery)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from chalicelib.errors import MeetlinkError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[str]]
"""Returns all addresses of a host. Raises `OSError`."""

PORTS = (443, 8443)
"""Ports where https is served. Any other port would let a workspace probe services through this deployment."""
_MAX_URL_LENGTH = 2000
# `is_global` is true for these in some versions of Python: relays of 6to4, and IETF assignments.
_REFUSED_V4 = tuple(map(ipaddress.IPv4Network, ("192.88.99.0/24", "192.0.0.0/24")))
# Only global unicast is allowed: outside of it are NAT64 (64:ff9b::/96), mapped IPv4 and multicast.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# Parts of it that are refused: Teredo and other assignments, documentation (twice), and 6to4, which embeds IPv4.
_REFUSED_V6 = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))


class AddressRefused(MeetlinkError):
    """At least one address of the host must not receive webhooks."""


def refusal(url: str, *, to_loopback: bool = False) -> str | None:
    """Return why the address cannot be registered, or None. Its host is checked again at every delivery.

    With `to_loopback`, as in the local stack, http and any port are allowed; `CheckedBackend` checks the host.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "This is not an address."
    if len(url) > _MAX_URL_LENGTH or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "The address must be plain ASCII, at most 2000 characters; write an international name as xn--…"
    if not host or parts.scheme not in (("https", "http") if to_loopback else ("https",)):
        return "The address must begin with https://"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "The address must not contain a user name, a password or a fragment."
    if not to_loopback and port not in (None, *PORTS):
        return "The port must be 443 or 8443."
    literal = _parse(host)
    if literal is not None and not is_allowed(literal, to_loopback=to_loopback):
        return "The address is not in the public internet."
    return None


def resolve(host: str, port: int) -> Sequence[str]:
    """Resolve a host with the system's resolver, IPv4 first: Lambda has IPv6 only in a network that provides it."""
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in sorted(entries, key=lambda e: e[0] != socket.AF_INET)))


def check_addresses(addresses: Sequence[str], *, to_loopback: bool = False, is_http: bool = False) -> list[Address]:
    """Parse the addresses of one host. Raises `AddressRefused` unless all of them are allowed.

    Plain http is allowed only to this machine.
    """
    parsed = [address for text in addresses if (address := _parse(text)) is not None]
    allowed = [a for a in parsed if is_allowed(a, to_loopback=to_loopback) and (a.is_loopback or not is_http)]
    if not allowed or len(allowed) != len(addresses):
        raise AddressRefused("an address of the host is not public")
    return allowed


def is_allowed(address: Address, *, to_loopback: bool = False) -> bool:
    """Return whether the address is in the public internet, or is this machine if `to_loopback`."""
    if to_loopback and address.is_loopback:
        return True
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    return address in _GLOBAL_UNICAST and not any(address in network for network in _REFUSED_V6)


def _parse(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
