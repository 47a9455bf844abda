"""Links and sessions of the workspace's own pages.

A link opens one session, once. It is for a member, whose role is looked up at every request, or it was created by the
caller's backend with a role of its own. Only hashes of tokens are stored.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct

from chalicelib.domain.members import find_member
from chalicelib.domain.workspace import MemberRole, Workspace
from chalicelib.errors import NotFound
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.store.workspaces import WorkspaceStore
from chalicelib.usecases.connect_links import BrowserSession, storage_key
from chalicelib.usecases.members import Members

LINK_LIFE = timedelta(minutes=10)
SESSION_LIFE = timedelta(hours=8)
RECENT = timedelta(minutes=10)
"""Creating an API key requires a sign-in by email that is at most this old."""
_TOKEN_BYTES = 32


class WorkspaceLink(Struct, frozen=True):
    """A link as it is stored."""

    email: str
    workspace_id: str | None = None
    """None: the person chooses one of those that have the address as member."""
    role: MemberRole | None = None
    """The role that the caller's backend gives; None: the member's."""
    key_id: str | None = None
    """The API key that the link was created with. Revoking it ends the link and its session."""


class StoredMemberSession(Struct, frozen=True):
    """A session as it is stored."""

    link: WorkspaceLink
    workspace_id: str
    signed_in_at: datetime


class MemberSession(BrowserSession, frozen=True):
    """A member's browser session, as it is now."""

    workspace: Workspace
    email: str
    role: MemberRole
    signed_in_at: datetime
    key_id: str | None = None
    """The API key whose link opened the session; None: the member signed in by email."""

    @property
    def is_admin(self) -> bool:
        return self.role is MemberRole.ADMIN

    def may_create_keys(self, now: datetime) -> bool:
        """Return whether the person is an administrator who signed in by email a short time ago.

        An API key that leaked must not create others by a link: they would survive its revocation.
        """
        return self.is_admin and self.key_id is None and now - self.signed_in_at <= RECENT


class WorkspaceLinks:
    """Links to the workspace's pages, and the sessions that they open."""

    def __init__(
        self,
        ephemeral: EphemeralStore,
        workspaces: WorkspaceStore,
        members: Members,
        clock: Callable[[], datetime],
    ) -> None:
        self._ephemeral = ephemeral
        self._workspaces = workspaces
        self._members = members
        self._clock = clock

    def create(self, link: WorkspaceLink, expires_at: datetime | None = None) -> tuple[str, datetime]:
        """Create a link; return its token and when it expires."""
        token, expires_at = secrets.token_urlsafe(_TOKEN_BYTES), expires_at or self._clock() + LINK_LIFE
        self._ephemeral.put(storage_key("workspace-link", token), link, expires_at)
        return token, expires_at

    def choices(self, token: str) -> list[Workspace]:
        """Return the workspaces that the link opens, without using it up. Raises `NotFound` if there is none."""
        _, openings = self._find_openings(token)
        return [workspace for workspace, _ in openings]

    def open_session(self, token: str, workspace_id: str) -> MemberSession:
        """Open a session for one of `choices`, and use up the link. Raises `NotFound`."""
        link, openings = self._find_openings(token)
        opening = next((opening for opening in openings if opening[0].workspace_id == workspace_id), None)
        if opening is None or not self._ephemeral.consume(storage_key("workspace-link", token)):
            raise _link_expired()
        (workspace, role), now = opening, self._clock()
        session_token = secrets.token_urlsafe(_TOKEN_BYTES)
        stored = StoredMemberSession(link, workspace_id, now)
        self._ephemeral.put(storage_key("workspace-session", session_token), stored, now + SESSION_LIFE)
        return MemberSession(session_token, workspace, link.email, role, now, link.key_id)

    def find_session(self, token: str | None) -> MemberSession | None:
        """Return the session of a cookie. None if it has ended, also because the member was removed."""
        if not token:
            return None
        stored = self._ephemeral.get(storage_key("workspace-session", token), StoredMemberSession, self._clock())
        workspace = self._workspaces.get(stored.workspace_id) if stored else None
        role = _role(stored.link, workspace) if stored and workspace else None
        if stored is None or workspace is None or role is None:
            return None
        return MemberSession(token, workspace, stored.link.email, role, stored.signed_in_at, stored.link.key_id)

    def end_session(self, session: MemberSession) -> None:
        """End the session. Repeating it is harmless."""
        self._ephemeral.consume(storage_key("workspace-session", session.token))

    def _find_openings(self, token: str) -> tuple[WorkspaceLink, list[tuple[Workspace, MemberRole]]]:
        """Return the link, and each workspace that it opens with the role there. Raises `NotFound` if there is none."""
        link = self._ephemeral.get(storage_key("workspace-link", token), WorkspaceLink, self._clock())
        if link is None:
            raise _link_expired()
        roles = ((workspace, _role(link, workspace)) for workspace in self._workspaces_of(link))
        openings = [(workspace, role) for workspace, role in roles if role]
        if not openings:
            raise _link_expired()
        return link, openings

    def _workspaces_of(self, link: WorkspaceLink) -> list[Workspace]:
        if link.workspace_id is None:
            return [workspace for workspace, _ in self._members.workspaces_of(link.email)]
        workspace = self._workspaces.get(link.workspace_id)
        return [workspace] if workspace else []


def _link_expired() -> NotFound:
    return NotFound("The link is expired, used or unknown.", reason="link_expired")


def _role(link: WorkspaceLink, workspace: Workspace) -> MemberRole | None:
    """Return what the link allows now; None: nothing any more."""
    if link.role is None:
        member = find_member(workspace, link.email)
        return member.role if member else None
    return link.role if any(key.key_id == link.key_id for key in workspace.keys) else None
