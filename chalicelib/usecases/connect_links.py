"""Connect links and browser sessions: who the person at the settings page is.

A link opens one session for one user, once. Looking at it does not use it up. Each link and session contains the user's
epoch and the API key that it was made with, and both are checked at each use: disconnecting, signing out, revoking the
key and connecting an account end all others.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import asdict, replace

from chalicelib.domain.redacted import Redacted
from chalicelib.errors import NotFound
from chalicelib.store.ephemeral import Entry, EphemeralStore
from chalicelib.store.workspaces import WorkspaceStore

LINK_LIFE = timedelta(minutes=10)
LONGEST_LINK_LIFE = timedelta(days=8)
"""Of a link that is mailed: it must outlive the longest pause between two reminders to reconnect."""
EPOCH_LIFE = timedelta(days=9)
"""Longer than any link and the session that it opens at its end."""
SESSION_LIFE = timedelta(hours=1)
_TOKEN_BYTES = 32


class Visitor(Struct, frozen=True):
    """The user of a link or session, and where their browser may go back to."""

    workspace_id: str
    user_id: str
    email: str | None = None
    name: str | None = None
    provider: str | None = None
    return_to: str | None = None


class Admission(Visitor, frozen=True):
    """A link or session as it is stored."""

    epoch: str = ""
    key_id: str | None = None
    """The API key that the link was made with; None for one that was mailed."""
    opener: str | None = None
    """Where the session of the frame is stored that opened a window for signing in: the two are one visit."""


class Session(Redacted, frozen=True):
    """A browser session. `token` is the cookie's value; `csrf` is in its forms."""

    visitor: Admission
    token: str

    @property
    def csrf(self) -> str:
        return hmac.new(self.token.encode(), b"csrf", hashlib.sha256).hexdigest()

    def accepts(self, csrf: str) -> bool:
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


class _Epoch(Struct, frozen=True):
    workspace_id: str
    user_id: str
    epoch: str


class ConnectLinks:
    """Links and sessions. Only hashes of their tokens are stored."""

    def __init__(self, ephemeral: EphemeralStore, workspaces: WorkspaceStore, clock: Callable[[], datetime]) -> None:
        self._ephemeral = ephemeral
        self._workspaces = workspaces
        self._clock = clock

    def make_link(
        self,
        visitor: Visitor,
        life: timedelta = LINK_LIFE,
        *,
        key_id: str | None = None,
        opener: Session | None = None,
    ) -> tuple[str, datetime]:
        """Return a connect link's token and when it expires.

        `key_id` is the API key that asked for it, `opener` the session of the frame that opens the link in a window.
        """
        token, ends = secrets.token_urlsafe(_TOKEN_BYTES), self._clock() + min(life, LONGEST_LINK_LIFE)
        epoch = self._ephemeral.keep(self._new_epoch(visitor), _Epoch).epoch
        stored = secret_key("session", opener.token) if opener else None
        self._ephemeral.put(secret_key("link", token), _admission(visitor, epoch, key_id, stored), ends)
        return token, ends

    def visitor_of(self, link: str) -> Admission | None:
        """Return who a link is for, without using it up. None if it is used, expired, ended or no link at all."""
        return self._admitted(secret_key("link", link))

    def open_session(self, link: str) -> Session:
        """Use the link up. Raises `NotFound` for one that is used, expired or ended."""
        visitor = self.visitor_of(link)
        if visitor is None or not self._ephemeral.take(secret_key("link", link)):
            raise NotFound("This link has expired or was already used. Ask for a new one where you got it.")
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._ephemeral.put(secret_key("session", token), visitor, self._clock() + SESSION_LIFE)
        return Session(visitor, token)

    def session(self, token: str | None) -> Session | None:
        """Return the session of a cookie; None if there is none, or it has ended."""
        if not token:
            return None
        visitor = self._admitted(secret_key("session", token))
        return None if visitor is None else Session(visitor, token)

    def end_all(self, workspace_id: str, user_id: str) -> None:
        """End every link and session of the user."""
        self._ephemeral.put_all([self._new_epoch(Visitor(workspace_id, user_id))])

    def end_others(self, session: Session) -> None:
        """End every link and session of the user but this visit."""
        self._ephemeral.put_all(self.ending_others(session))

    def ending_others(self, session: Session) -> list[Entry]:
        """Return what to write to end every link and session of the user but this one and its opener's."""
        epoch = self._new_epoch(session.visitor)
        visit = {secret_key("session", session.token): session.visitor}
        opener = session.visitor.opener
        if opener and (admission := self._admitted(opener)):
            visit[opener] = admission
        ends = self._clock() + SESSION_LIFE
        return [epoch, *(Entry(key, replace(kept, epoch=epoch.document.epoch), ends) for key, kept in visit.items())]

    def _admitted(self, key: str) -> Admission | None:
        now = self._clock()
        found = self._ephemeral.get(key, Admission, now)
        if found is None:
            return None
        epoch = self._ephemeral.get(_epoch_key(found), _Epoch, now)
        if epoch is None or epoch.epoch != found.epoch or not self._has_key(found):
            return None
        return found

    def _has_key(self, found: Admission) -> bool:
        if found.key_id is None:
            return True
        workspace = self._workspaces.get(found.workspace_id)
        return workspace is not None and any(key.key_id == found.key_id for key in workspace.keys)

    def _new_epoch(self, visitor: Visitor) -> Entry:
        epoch = _Epoch(visitor.workspace_id, visitor.user_id, secrets.token_urlsafe(12))
        return Entry(_epoch_key(visitor), epoch, self._clock() + EPOCH_LIFE)


def secret_key(kind: str, token: str) -> str:
    """Where a token's document is stored: who can read the table can use no link and no session."""
    return f"{kind}#{hashlib.sha256(token.encode('utf-8', 'replace')).hexdigest()}"


def _epoch_key(visitor: Visitor) -> str:
    return f"epoch#{visitor.workspace_id}#{visitor.user_id}"


def _admission(visitor: Visitor, epoch: str, key_id: str | None, opener: str | None) -> Admission:
    return Admission(**asdict(visitor) | {"epoch": epoch, "key_id": key_id, "opener": opener})
