"""Find the booking that a provider's report is about, and check that the report is about the booking's own account."""

from __future__ import annotations

from msgspec import Struct

from chalicelib.domain.connection import Grant
from chalicelib.domain.grant_access import AccessState, grant_access
from chalicelib.domain.meeting_report import MeetingReport
from chalicelib.store.booking_records import Record
from chalicelib.store.bookings import BookingStore
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.references import ReferenceStore, meeting_key


class ReportedMeeting(Struct, frozen=True):
    """The booking of a report, and the grant that has its meeting."""

    record: Record
    grant: Grant
    is_accessible: bool
    """Whether the meeting can be looked at with the grant."""


class ReportedMeetings:
    """Finds bookings by the meetings that they have now."""

    def __init__(self, references: ReferenceStore, bookings: BookingStore, connections: ConnectionStore) -> None:
        self._references = references
        self._bookings = bookings
        self._connections = connections

    def find(self, provider: str, report: MeetingReport) -> ReportedMeeting | None:
        """Return the booking whose present meeting the report is about.

        None if there is none, if the report is from another account than the booking's, or if the booking's host has
        disconnected the account.
        """
        key = self._references.find(meeting_key(provider, report.meeting_id))
        record = self._bookings.get(*key) if key else None
        meeting = record.settlement.meeting if record else None
        if record is None or meeting is None or (meeting.provider, meeting.id) != (provider, report.meeting_id):
            return None
        if meeting.user_id is None or meeting.grant_id is None:
            return None
        workspace_id, grant_id = record.booking.workspace_id, meeting.grant_id
        connection, grant = self._connections.get_with_grant(workspace_id, meeting.user_id, grant_id)
        access = grant_access(connection, grant, grant_id, connected_at=None)
        if grant is None or access.state is AccessState.ENDED or not report.is_from(grant.account):
            return None
        return ReportedMeeting(record, grant, is_accessible=access.state is AccessState.OPEN)
