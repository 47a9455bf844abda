"""Which links may be shown, and how they are written."""

from __future__ import annotations

import re
from urllib.parse import quote, urlsplit, urlunsplit

from chalicelib.errors import MailRejected
from chalicelib.mail.addresses import ascii_domain

_LONGEST = 1000
"""A link stands ten times in a mail, which may have 100 kB."""
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_URI_CHARACTERS = "%:/?#[]@!$&'()*+,;=-._~"  # RFC 3986, 2.2 and 2.3; `%` because the link is encoded already


def real_link(link: str | None) -> str | None:
    """`link` if it is an http(s) URL, with what RFC 3986 does not allow in it encoded; else None.

    Anything else in LOCATION makes a button that leads nowhere: github.com/calcom/cal.diy/issues/22962
    """
    if link is None or not link.isprintable():
        return None
    try:
        parts = urlsplit(link.strip())
        host, port = parts.hostname or "", parts.port
        if not host.isascii():
            host = ascii_domain(host)
            parts = parts._replace(netloc=f"{host}:{port}" if port else host)
    except (ValueError, MailRejected):
        return None
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        return None
    written = quote(urlunsplit(parts) if parts.netloc not in link else link.strip(), safe=_URI_CHARACTERS)
    return written if len(written) <= _LONGEST else None
