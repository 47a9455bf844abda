"""Which addresses a workspace may have us call: none inside anybody's network (OWASP: server-side request forgery)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from chalicelib.errors import MeetlinkError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[str]]
"""All addresses of a host. Raises `OSError`."""

PORTS = (443, 8443)
"""Where https is served. Any other port would let a workspace probe services through us."""
_URL_LIMIT = 2000
# `is_global` holds these for public, or did in some Python: 6to4's relays and IETF assignments, of which a part is.
_REFUSED_V4 = tuple(map(ipaddress.IPv4Network, ("192.88.99.0/24", "192.0.0.0/24")))
# Of IPv6 only global unicast is allowed at all: outside of it lie NAT64 (64:ff9b::/96), mapped IPv4 and multicast.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# Inside of it: Teredo and other assignments, documentation (twice), and 6to4, which carries any IPv4 address.
_REFUSED_V6 = tuple(map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))


class AddressRefused(MeetlinkError):
    """The host leads, also, to where no webhook may go."""


def refusal(url: str, *, to_loopback: bool = False) -> str | None:
    """Why the address cannot be registered; None if it can. What its name resolves to is checked at every delivery.

    `to_loopback` is the local stack's: http and any port are fine then, and `CheckedBackend` sees to the rest.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "This is not an address."
    if len(url) > _URL_LIMIT or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "The address must be plain ASCII, at most 2000 characters; write an international name as xn--…"
    if not host or parts.scheme not in (("https", "http") if to_loopback else ("https",)):
        return "The address must begin with https://"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "The address must not hold a user name, a password or a fragment."
    if not to_loopback and port not in (None, *PORTS):
        return "The port must be 443 or 8443."
    literal = _parse(host)
    if literal is not None and not allowed(literal, to_loopback=to_loopback):
        return "The address does not lie in the public internet."
    return None


def resolve(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says, IPv4 first: Lambda has no IPv6 unless its network is given it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in sorted(found, key=lambda e: e[0] != socket.AF_INET)))


def checked(found: Sequence[str], *, to_loopback: bool = False, plain: bool = False) -> list[Address]:
    """The addresses of one host, all of them allowed. Raises `AddressRefused` if a single one is not.

    `plain` is for http, which is never spoken beyond this machine.
    """
    known = [address for text in found if (address := _parse(text)) is not None]
    fine = [a for a in known if allowed(a, to_loopback=to_loopback) and (a.is_loopback or not plain)]
    if not fine or len(fine) != len(found):
        raise AddressRefused("the host leads to an address that is not public")
    return fine


def allowed(address: Address, *, to_loopback: bool = False) -> bool:
    """Whether the address lies in the public internet, or is this machine where that is wanted."""
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
