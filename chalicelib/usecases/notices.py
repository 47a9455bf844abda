"""Mails of the service itself: an account must be reconnected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from chalicelib.domain.calendar import Host
from chalicelib.domain.connection import Connection, Grant
from chalicelib.domain.invitation import DEFAULT_LANGUAGE
from chalicelib.errors import MailRejected, MailUnavailable
from chalicelib.observability import log
from chalicelib.store.calendars import CalendarStore
from chalicelib.store.suppressions import SuppressionStore
from chalicelib.store.workspaces import WorkspaceStore
from chalicelib.usecases.connect_links import LONGEST_LINK_LIFE, Visitor


class NoticeMailer(Protocol):
    """Hands a notice over. Raises `MailUnavailable` (try again) or `MailRejected` (never).

    `check` says when to try again, if no mail may be sent now.
    """

    def check(self, sender: str | None = None) -> datetime | None: ...

    def send_notice(self, to: str, subject: str, text: str, html: str) -> str: ...


class ReconnectNotices:
    """Tells people what needs them. `make_link` makes a connect link that lives for the given time."""

    def __init__(
        self,
        mailer: NoticeMailer,
        workspaces: WorkspaceStore,
        calendars: CalendarStore,
        suppressions: SuppressionStore,
        make_link: Callable[[Visitor, timedelta], str],
        provider_name: Callable[[str], str],
        public_base_url: str | None = None,
    ) -> None:
        self._mailer = mailer
        self._workspaces = workspaces
        self._calendars = calendars
        self._suppressions = suppressions
        self._make_link = make_link
        self._provider_name = provider_name
        self._public_base_url = public_base_url

    def connection_broken(self, grant: Grant, users: Sequence[Connection]) -> None:
        """Mail the users of a broken grant and their workspaces' administrators, one mail an address.

        The mails about a user are in the language of the calendar of that user that was changed last.
        Any one of them can reconnect it for all: the grant is shared. Raises `MailUnavailable` if a mail could not be
        handed over now, after the others were.
        """
        from chalicelib.mail.notice_templates import write_reconnect_notice

        if parked_until := self._mailer.check():
            raise MailUnavailable("SES refuses every mail", retry_at=parked_until)
        told: set[str] = set()
        failure: MailUnavailable | None = None
        for connection in users:
            host = self._calendars.find_newest_host(connection.workspace_id, connection.user_id)
            language = (host and host.language) or DEFAULT_LANGUAGE
            for address in self._addresses(connection, host):
                if address.casefold() in told:
                    continue
                told.add(address.casefold())
                link = self._make_link(self._visitor(connection), LONGEST_LINK_LIFE)
                url = f"{self._public_base_url or connection.base_url}/connect/{link}"
                name = self._provider_name(grant.provider)
                try:
                    self._mailer.send_notice(address, *write_reconnect_notice(name, grant.account.label, url, language))
                except MailUnavailable as error:
                    failure = error
                except MailRejected as error:
                    log.failure("a reconnect mail was refused", error, workspace_id=connection.workspace_id)
        if not told:
            log.warning("a connection is broken and nobody can be told", users=len(users))
        if failure is not None:
            raise failure

    def _addresses(self, connection: Connection, host: Host | None) -> list[str]:
        """The user's own address, from the connect link, else from a calendar; then the administrators'.

        None that bounced for good or complained.
        """
        workspace = self._workspaces.get(connection.workspace_id)
        own = connection.user_email or (host and host.email)
        known = [*([own] if own else []), *(workspace.admin_emails if workspace else ())]
        return [address for address in known if not self._suppressions.is_suppressed(connection.workspace_id, address)]

    def _visitor(self, connection: Connection) -> Visitor:
        return Visitor(
            connection.workspace_id,
            connection.user_id,
            email=connection.user_email,
            name=connection.user_name,
            provider=connection.provider,
        )
