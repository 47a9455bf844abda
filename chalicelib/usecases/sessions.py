"""Connect links and browser sessions: who the person at the settings page is.

A link opens one session for one user, once. Looking at it uses nothing up.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets as random
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct

from chalicelib.domain.hidden import Hidden
from chalicelib.errors import NotFound
from chalicelib.store.documents import EphemeralStore

LINK_LIFE = timedelta(minutes=10)
SESSION_LIFE = timedelta(hours=1)
_TOKEN_BYTES = 32


class Visitor(Struct, frozen=True):
    """The user whom a link or session stands for, and where their browser may go back to."""

    workspace_id: str
    user_id: str
    email: str | None = None
    name: str | None = None
    provider: str | None = None
    return_to: str | None = None


class Session(Hidden, frozen=True):
    """A browser session. `token` is the cookie's value; `csrf` stands on its forms."""

    visitor: Visitor
    token: str

    @property
    def csrf(self) -> str:
        return hmac.new(self.token.encode(), b"csrf", hashlib.sha256).hexdigest()

    def accepts(self, csrf: str) -> bool:
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


class Sessions:
    """Links and sessions. Only hashes of their tokens are stored."""

    def __init__(self, ephemeral: EphemeralStore, clock: Callable[[], datetime]) -> None:
        self._ephemeral = ephemeral
        self._clock = clock

    def make_link(self, visitor: Visitor, life: timedelta = LINK_LIFE) -> tuple[str, datetime]:
        """A connect link's token and when it ends."""
        token, ends = random.token_urlsafe(_TOKEN_BYTES), self._clock() + life
        self._ephemeral.put(secret_key("link", token), visitor, ends)
        return token, ends

    def visitor_of(self, link: str) -> Visitor | None:
        """Whom a link is for; looking does not use it up. None if it is used, expired or no link at all."""
        return self._ephemeral.get(secret_key("link", link), Visitor, self._clock())

    def open_session(self, link: str) -> Session:
        """Use the link up. Raises `NotFound` for one that is used or expired."""
        visitor = self.visitor_of(link)
        if visitor is None or not self._ephemeral.take(secret_key("link", link)):
            raise NotFound("This link has expired or was already used. Ask for a new one where you got it.")
        token = random.token_urlsafe(_TOKEN_BYTES)
        self._ephemeral.put(secret_key("session", token), visitor, self._clock() + SESSION_LIFE)
        return Session(visitor, token)

    def session(self, token: str | None) -> Session | None:
        """The session of a cookie; None if there is none (any more)."""
        if not token:
            return None
        visitor = self._ephemeral.get(secret_key("session", token), Visitor, self._clock())
        return None if visitor is None else Session(visitor, token)


def secret_key(kind: str, token: str) -> str:
    """Where a token's document is stored: who can read the table can use no link and no session."""
    return f"{kind}#{hashlib.sha256(token.encode('utf-8', 'replace')).hexdigest()}"
