"""What a provider reports about one of its meetings, in the same form for every provider."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from chalicelib.domain.booking import Booking
from chalicelib.domain.connection import Account
from chalicelib.domain.meeting import Meeting
from chalicelib.domain.meeting_plan import belongs_to_another, wants_meeting


class ReportKind(StrEnum):
    UPDATED = "updated"
    DELETED = "deleted"
    STARTED = "started"
    ENDED = "ended"
    JOINED = "joined"
    LEFT = "left"
    RECORDING_READY = "recording_ready"


CHANGES = frozenset({ReportKind.UPDATED, ReportKind.DELETED})
"""Reports that the meeting is not as it was, so that it has to be looked at."""


class MeetingReport(Struct, frozen=True):
    """An event of a provider about one meeting. It contains no name and no address of a participant."""

    kind: ReportKind
    meeting_id: str
    at: datetime
    """The provider's time of the event."""
    account_id: str | None = None
    """The account that hosts the meeting: `Account.id`."""
    organization: str | None = None
    """The company of that account: `Account.organization`."""
    session: str = ""
    """The provider's id of one run of the meeting, because a meeting can be started more than once."""
    participant: str = ""
    """Who joined or left: an id that the provider assigns for one session."""
    is_host: bool = False
    """Whether the participant is the owner of the account."""
    passcode: str | None = None
    """The meeting's new passcode, if an update changed it."""
    share_url: str | None = None
    """Where a recording can be watched. The link contains no passcode and no token."""
    changes: dict[str, Any] = field(default_factory=dict)
    """An update's new values, under the provider's names."""

    @property
    def name(self) -> str:
        """Distinguishes the event from others of the meeting. It is the same each time the event is delivered."""
        return "#".join((self.kind.value, str(int(self.at.timestamp() * 1000)), self.participant or self.session))

    def is_from(self, account: Account) -> bool:
        """Return whether the event is about a meeting of this account, as far as the event names the account."""
        pairs = ((self.account_id, account.id), (self.organization, account.organization))
        compared = [reported == stored for reported, stored in pairs if reported and stored]
        return bool(compared) and all(compared)


def is_upcoming(booking: Booking, meeting: Meeting, now: datetime) -> bool:
    """Return whether the booking still needs this meeting, so that a change at the provider matters."""
    is_wanted = wants_meeting(booking) and not belongs_to_another(booking, meeting)
    return is_wanted and now < booking.appointment.starts_at


def count_present(reports: Iterable[MeetingReport], session: str) -> int:
    """Return how many participants of a session have joined and not left, by the reports so far."""
    latest: dict[str, ReportKind] = {}
    for report in sorted(reports, key=lambda report: report.at):
        if report.session == session and report.kind in (ReportKind.JOINED, ReportKind.LEFT):
            latest[report.participant] = report.kind
    return sum(kind is ReportKind.JOINED for kind in latest.values())
