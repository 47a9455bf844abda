"""Connect links and browser sessions: they identify the user at the settings page.

A link opens one session for one user, once. Showing its page does not use it up. Each link and session contains the
user's epoch and the API key that the link was created with. Both are checked at each use, so disconnecting, signing
out, revoking the key and connecting an account end all other links and sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from msgspec import Struct
from msgspec.structs import asdict, replace

from chalicelib.domain.redacted import Redacted
from chalicelib.errors import NotFound
from chalicelib.store.ephemeral import Entry, EphemeralStore
from chalicelib.store.workspaces import WorkspaceStore

LINK_LIFE = timedelta(minutes=10)
LONGEST_LINK_LIFE = timedelta(days=8)
"""Of a link in an email: it must be valid until after the next reminder to reconnect."""
EPOCH_LIFE = timedelta(days=9)
"""Longer than any link and the session that it opens in its last second."""
SESSION_LIFE = timedelta(hours=1)
_ORIGIN_LIFE = timedelta(days=1)
"""How long a used link is remembered, to lead back to where it came from."""
_TOKEN_BYTES = 32
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Visitor(Struct, frozen=True):
    """The user of a link or session."""

    workspace_id: str
    user_id: str
    email: str | None = None
    name: str | None = None
    provider: str | None = None
    """The provider that the settings page suggests."""
    return_to: str | None = None
    """Where the browser may return to."""


class Admission(Visitor, frozen=True):
    """A link or session as it is stored."""

    epoch: str = ""
    """Valid while it is the user's current epoch."""
    key_id: str | None = None
    """The API key that the link was created with; None for a link in an email."""
    opener: str | None = None
    """Storage key of the framed session that opened a window to sign in; both belong to one visit."""
    link: str | None = None
    """Of a session: the storage key of the link that opened it."""


class BrowserSession(Redacted, frozen=True):
    """A session of a browser, and the token that protects its forms."""

    token: str
    """The value of the cookie."""

    @property
    def csrf(self) -> str:
        """The token in the session's forms."""
        return hmac.new(self.token.encode(), b"csrf", hashlib.sha256).hexdigest()

    def accepts_csrf(self, csrf: str) -> bool:
        """Return whether a form with this token is from the session."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


class Session(BrowserSession, frozen=True):
    """A user's session on the settings page."""

    visitor: Admission


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

    def create_link(
        self,
        visitor: Visitor,
        life: timedelta = LINK_LIFE,
        *,
        key_id: str | None = None,
        opener: Session | None = None,
    ) -> tuple[str, datetime]:
        """Create a connect link; return its token and when it expires.

        `key_id` is the API key of the request, `opener` the framed session that opens the link in a window.
        """
        token, expires_at = secrets.token_urlsafe(_TOKEN_BYTES), self._clock() + min(life, LONGEST_LINK_LIFE)
        epoch = self._ephemeral.get_or_put(self._new_epoch(visitor), _Epoch).epoch
        opener_key = storage_key("session", opener.token) if opener else None
        admission = Admission(**asdict(visitor) | {"epoch": epoch, "key_id": key_id, "opener": opener_key})
        self._ephemeral.put(storage_key("link", token), admission, expires_at)
        return token, expires_at

    def find_visitor(self, link: str) -> Admission | None:
        """Return the user of a link without using it up; None if it is used, expired, ended or unknown."""
        return self._find_admission(storage_key("link", link))

    def open_session(self, link: str) -> Session:
        """Open a session and use up the link. Raises `NotFound` if the link is used, expired, ended or unknown."""
        visitor, key = self.find_visitor(link), storage_key("link", link)
        if visitor is None or not self._ephemeral.consume(key):
            raise NotFound("The link is expired, used or unknown.", reason="link_expired")
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._clock()
        visitor = replace(visitor, link=key)
        origin = Visitor(visitor.workspace_id, visitor.user_id, return_to=visitor.return_to)
        session = Entry(storage_key("session", token), visitor, now + SESSION_LIFE)
        self._ephemeral.put_all([session, Entry(storage_key("origin", link), origin, now + _ORIGIN_LIFE)])
        return Session(token, visitor)

    def find_origin(self, *, link: str = "", session: str = "") -> Visitor | None:
        """Return where a link or session that has ended came from; None once its row is deleted.

        It identifies no one: use only its workspace, to show whose page it was, and `return_to`.
        """
        kinds = (("link", link), ("origin", link), ("session", session))
        keys = [storage_key(kind, token) for kind, token in kinds if token]
        origins = (self._ephemeral.get(key, Visitor, _BEGINNING) for key in keys)
        return next((origin for origin in origins if origin), None)

    def find_session(self, token: str | None) -> Session | None:
        """Return the session of a cookie; None without a cookie, or if the session has ended."""
        if not token:
            return None
        visitor = self._find_admission(storage_key("session", token))
        return None if visitor is None else Session(token, visitor)

    def end_all(self, workspace_id: str, user_id: str) -> None:
        """End every link and session of the user."""
        self._ephemeral.put_all([self._new_epoch(Visitor(workspace_id, user_id))])

    def end_others(self, session: Session) -> None:
        """End every link and session of the user except this visit's."""
        self._ephemeral.put_all(self.entries_to_end_others(session))

    def entries_to_end_others(self, session: Session) -> list[Entry]:
        """Return the entries to write to end every link and session of the user except this one and its opener."""
        epoch = self._new_epoch(session.visitor)
        visit = {storage_key("session", session.token): session.visitor}
        opener = session.visitor.opener
        if opener and (opener_admission := self._find_admission(opener)):
            visit[opener] = opener_admission
        expires_at = self._clock() + SESSION_LIFE
        renewed = [(key, replace(admission, epoch=epoch.document.epoch)) for key, admission in visit.items()]
        return [epoch, *(Entry(key, admission, expires_at) for key, admission in renewed)]

    def _find_admission(self, key: str) -> Admission | None:
        now = self._clock()
        admission = self._ephemeral.get(key, Admission, now)
        if admission is None:
            return None
        epoch = self._ephemeral.get(_epoch_key(admission), _Epoch, now)
        if epoch is None or epoch.epoch != admission.epoch or not self._has_valid_key(admission):
            return None
        return admission

    def _has_valid_key(self, admission: Admission) -> bool:
        """Return whether the API key that the link was created with is not revoked."""
        if admission.key_id is None:
            return True
        workspace = self._workspaces.get(admission.workspace_id)
        return workspace is not None and any(key.key_id == admission.key_id for key in workspace.keys)

    def _new_epoch(self, visitor: Visitor) -> Entry:
        epoch = _Epoch(visitor.workspace_id, visitor.user_id, secrets.token_urlsafe(12))
        return Entry(_epoch_key(visitor), epoch, self._clock() + EPOCH_LIFE)


def storage_key(kind: str, token: str) -> str:
    """Return the key of a token's document. It is a hash, so that readers of the table cannot use links or sessions."""
    return f"{kind}#{hashlib.sha256(token.encode('utf-8', 'replace')).hexdigest()}"


def _epoch_key(visitor: Visitor) -> str:
    return f"epoch#{visitor.workspace_id}#{visitor.user_id}"
