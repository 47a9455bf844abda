"""Notify the owners of broken grants: one webhook event, and emails on certain days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from chalicelib.domain.connection import Connection, Grant
from chalicelib.errors import LostRace, MailUnavailable
from chalicelib.observability import count, log
from chalicelib.store.grants import GrantStore
from chalicelib.usecases.notices import ReconnectNotices
from chalicelib.webhooks.outbox import Outbox

NOTICE_DAYS = (0, 1, 3, 7, 14)
"""Days after the break on which its owners get an email."""
CHECK_EVERY = timedelta(days=1)
_RETRY_AFTER = timedelta(minutes=1)


class BrokenGrants:
    """Grants that need their owners to reconnect."""

    def __init__(
        self, grants: GrantStore, notices: ReconnectNotices, outbox: Outbox, clock: Callable[[], datetime]
    ) -> None:
        self._grants = grants
        self._notices = notices
        self._outbox = outbox
        self._clock = clock

    def notify_owners(self, grant: Grant, users: Sequence[Connection]) -> None:
        """Send the notices that are due and set the time of the next. After the last one only bookings wait."""
        now, broken_at = self._clock(), grant.broken_at or self._clock()
        if grant.notices == 0:
            self._outbox.enqueue_connections_broken(grant, users)
        if grant.notices >= len(NOTICE_DAYS):
            self._grants.reschedule(grant, now + CHECK_EVERY)
            return
        due_at = broken_at + timedelta(days=NOTICE_DAYS[grant.notices])
        if now < due_at:
            self._grants.reschedule(grant, due_at)
            return
        try:
            self._notices.connection_broken(grant, users)
        except MailUnavailable as error:
            self._grants.reschedule(grant, error.retry_at or now + _RETRY_AFTER)
            return
        self._note_sent(grant, users, broken_at, now)

    def _note_sent(self, grant: Grant, users: Sequence[Connection], broken_at: datetime, now: datetime) -> None:
        try:
            written = self._grants.write(replace(grant, notices=grant.notices + 1))
        except LostRace:
            return  # Reconnected since.
        if grant.notices == 0:  # Counted once, also if the first email had to be retried.
            _report(grant, users)
        next_day = NOTICE_DAYS[written.notices] if written.notices < len(NOTICE_DAYS) else NOTICE_DAYS[-1] + 1
        # At most one email a day, also if the first one was late.
        self._grants.reschedule(written, max(broken_at + timedelta(days=next_day), now + timedelta(days=1)))


def _report(grant: Grant, users: Sequence[Connection]) -> None:
    """Log and count the broken connection of each user."""
    for user in users:
        reason = grant.broken_reason
        log.info("a connection is broken", workspace_id=user.workspace_id, provider=grant.provider, reason=reason)
    count("ConnectionsBroken", len(users))
