"""Sign in to the workspace's pages by email.

The API stores a request and enqueues a message, for every address alike: neither the response nor its timing reveals
who is a member. The function that sends emails looks the address up. A message that is lost costs the person another
request, and one that is delivered twice at most a second email.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct

from chalicelib.domain.members import member_digest
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import LostRace
from chalicelib.observability import log
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.store.suppressions import SuppressionStore
from chalicelib.usecases.mail_circuit import GuardedMailer
from chalicelib.usecases.members import Members
from chalicelib.usecases.notices import send_notice
from chalicelib.usecases.workspace_links import LINK_LIFE, WorkspaceLink, WorkspaceLinks

SIGN_IN_WAKE_UP = "sign-in#"
"""First part of a wake-up about a request to sign in, in place of a workspace's id. No workspace can have this id."""
_MAX_REQUESTS = 3
_PERIOD = timedelta(hours=1)


class SignInRequest(Struct, frozen=True):
    """A request to sign in, as it is stored."""

    email: str
    base_url: str
    language: str | None
    """The browser's."""
    expires_at: datetime
    """When its link expires."""


class _Log(Struct, frozen=True):
    """When an address was entered recently."""

    at: tuple[datetime, ...]


class SignInRequests:
    """Requests to sign in. `wake` has the email function handle the request of that id."""

    def __init__(self, ephemeral: EphemeralStore, wake: Callable[[str], None], clock: Callable[[], datetime]) -> None:
        self._ephemeral = ephemeral
        self._wake = wake
        self._clock = clock

    def add(self, email: str, base_url: str, language: str | None) -> None:
        """Request a link for the address. It is ignored after three requests within an hour."""
        if not self._take(email):
            return
        request_id, expires_at = secrets.token_urlsafe(16), self._clock() + LINK_LIFE
        request = SignInRequest(email, base_url, language, expires_at)
        self._ephemeral.put(_request_key(request_id), request, expires_at)
        self._wake(request_id)

    def _take(self, email: str) -> bool:
        """Return whether the address may be requested now, and count it."""
        key, now = f"sign-ins#{member_digest(email)}", self._clock()
        stored, version = self._ephemeral.load(key, _Log, now)
        recent = tuple(at for at in stored.at if at > now - _PERIOD) if stored else ()
        if len(recent) >= _MAX_REQUESTS:
            return False
        try:
            self._ephemeral.swap(key, _Log((*recent, now)), now + _PERIOD, version)
        except LostRace:
            return False  # The same address was entered at this very moment.
        return True


class SignInEmails:
    """Sends the links that members requested."""

    def __init__(
        self,
        ephemeral: EphemeralStore,
        members: Members,
        links: WorkspaceLinks,
        mailer: GuardedMailer,
        suppressions: SuppressionStore,
        clock: Callable[[], datetime],
        product_name: str,
    ) -> None:
        self._ephemeral = ephemeral
        self._members = members
        self._links = links
        self._mailer = mailer
        self._suppressions = suppressions
        self._clock = clock
        self._product_name = product_name

    def send(self, request_id: str) -> None:
        """Email a link if the address is a member's, and remove the request. Raises `MailUnavailable`."""
        request = self._ephemeral.get(_request_key(request_id), SignInRequest, self._clock())
        if request is None:
            return  # It is expired, or an earlier message of it was handled.
        memberships = [
            (workspace, email)
            for workspace, email in self._members.workspaces_of(request.email)
            if not self._suppressions.is_suppressed(workspace.workspace_id, email)
        ]
        if memberships:
            self._email(request, memberships)
        self._ephemeral.consume(_request_key(request_id))

    def _email(self, request: SignInRequest, memberships: list[tuple[Workspace, str]]) -> None:
        from chalicelib.mail.notice_templates import Letterhead, write_sign_in_notice

        # To the address that was stored, not to the one that was entered: they may look alike and be different.
        workspace, email = memberships[0]
        is_only = len(memberships) == 1
        link = WorkspaceLink(email, workspace.workspace_id if is_only else None)
        token, _ = self._links.create(link, request.expires_at)
        letterhead = Letterhead(self._product_name, workspace if is_only else None)
        notice = write_sign_in_notice(f"{request.base_url}/workspace/sign-in/{token}", request.language, letterhead)
        send_notice(self._mailer, email, notice, workspace_id=workspace.workspace_id)
        log.info("a sign-in link was emailed", workspace_id=workspace.workspace_id)


def _request_key(request_id: str) -> str:
    return f"sign-in-request#{request_id}"
