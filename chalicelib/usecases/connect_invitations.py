"""Email hosts a connect link, when a member of their workspace asks for it.

The API stores a request and enqueues a message: it may not send emails. The link is sent to an address that the
workspace's backend stored for the host, never to one that the member enters: anyone who has the link can connect an
account.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct

from chalicelib.errors import NotFound
from chalicelib.observability import log
from chalicelib.store.calendars import CalendarStore
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.store.suppressions import SuppressionStore
from chalicelib.store.workspaces import WorkspaceStore
from chalicelib.usecases.connect_links import LONGEST_LINK_LIFE, ConnectLinks, Visitor
from chalicelib.usecases.mail_circuit import GuardedMailer
from chalicelib.usecases.notices import send_notice

CONNECT_WAKE_UP = "connect#"
"""First part of a wake-up about a connect link to email, where others have a workspace's id. It is none."""
_MAX_LINKS = 3
_PERIOD = timedelta(hours=1)


class ConnectInvitation(Struct, frozen=True):
    """A connect link to email, as it is stored until it is sent."""

    workspace_id: str
    user_id: str
    email: str
    name: str | None
    language: str | None
    base_url: str


class ConnectInvitations:
    """Requests to email connect links. `wake` has the email function handle the request of that id."""

    def __init__(
        self,
        connections: ConnectionStore,
        calendars: CalendarStore,
        ephemeral: EphemeralStore,
        wake: Callable[[str], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._connections = connections
        self._calendars = calendars
        self._ephemeral = ephemeral
        self._wake = wake
        self._clock = clock

    def request(self, workspace_id: str, user_id: str, base_url: str) -> bool:
        """Have a link emailed to the user. Return False after three requests within an hour.

        Raises `NotFound` if the workspace has no address of the user.
        """
        connection = self._connections.get(workspace_id, user_id)
        host = self._calendars.find_newest_host(workspace_id, user_id)
        email = (connection.user_email if connection else None) or (host.email if host else None)
        if email is None:
            raise NotFound("There is no address of this user.")
        name = (connection.user_name if connection else None) or (host.name if host else None)
        now = self._clock()
        if self._ephemeral.count_in_window(f"connect-emails#{workspace_id}#{user_id}", now, _PERIOD) > _MAX_LINKS:
            return False
        request_id, language = secrets.token_urlsafe(16), host.language if host else None
        invitation = ConnectInvitation(workspace_id, user_id, email, name, language, base_url)
        self._ephemeral.put(_key(request_id), invitation, now + _PERIOD)
        self._wake(request_id)
        return True


class ConnectInvitationEmails:
    """Sends the connect links that members asked for."""

    def __init__(
        self,
        ephemeral: EphemeralStore,
        workspaces: WorkspaceStore,
        suppressions: SuppressionStore,
        links: ConnectLinks,
        mailer: GuardedMailer,
        clock: Callable[[], datetime],
        product_name: str,
    ) -> None:
        self._ephemeral = ephemeral
        self._workspaces = workspaces
        self._suppressions = suppressions
        self._links = links
        self._mailer = mailer
        self._clock = clock
        self._product_name = product_name

    def send(self, request_id: str) -> None:
        """Email the link and remove the request. Raises `MailUnavailable`."""
        from chalicelib.mail.notice_templates import Letterhead, write_connect_notice

        invitation = self._ephemeral.get(_key(request_id), ConnectInvitation, self._clock())
        if invitation is None:
            return  # It is expired, or an earlier message of it was handled.
        workspace_id, email = invitation.workspace_id, invitation.email
        workspace = self._workspaces.get(workspace_id)
        if workspace is not None and not self._suppressions.is_suppressed(workspace_id, email):
            visitor = Visitor(workspace_id, invitation.user_id, email=email, name=invitation.name)
            token, _ = self._links.create_link(visitor, LONGEST_LINK_LIFE)
            letterhead = Letterhead(self._product_name, workspace)
            url = f"{invitation.base_url}/connect/{token}"
            notice = write_connect_notice(url, invitation.language, letterhead)
            send_notice(self._mailer, email, notice, workspace_id=workspace_id)
            log.info("a connect link was emailed", workspace_id=workspace_id)
        self._ephemeral.consume(_key(request_id))


def _key(request_id: str) -> str:
    return f"connect-request#{request_id}"
