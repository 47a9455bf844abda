"""Process what a provider reports about a meeting: look at it again, note who came, and send webhooks.

Providers deliver an event at least once and in any order. Everything that follows from it can be done twice; the event
is stored when it is done, so that a delivery that was answered with an error, and comes again, does what is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from chalicelib.domain import attendance, meeting_plan
from chalicelib.domain.booking import Booking
from chalicelib.domain.meeting_report import CHANGES, MeetingReport, ReportKind, count_present, is_upcoming
from chalicelib.observability import count
from chalicelib.providers.base import Provider
from chalicelib.store.booking_records import Record
from chalicelib.store.bookings import BookingStore
from chalicelib.store.grants import GrantStore
from chalicelib.store.provider_events import ProviderEventStore
from chalicelib.usecases.reported_meetings import ReportedMeeting, ReportedMeetings
from chalicelib.webhooks.events import Event, report_event

_OWN_UPDATE = timedelta(minutes=1)
"""An update event that arrives this soon after a settler's last write may report an earlier update of that settler."""


class MeetingReports:
    """Receives reports about meetings of this deployment's bookings. Others are dropped and not stored."""

    def __init__(
        self,
        meetings: ReportedMeetings,
        bookings: BookingStore,
        grants: GrantStore,
        events: ProviderEventStore,
        announce: Callable[[Event], None],
        tag_secret: Callable[[], bytes],
        clock: Callable[[], datetime],
    ) -> None:
        """`announce` enqueues a webhook event and has it delivered. It must be idempotent."""
        self._meetings = meetings
        self._bookings = bookings
        self._grants = grants
        self._events = events
        self._announce = announce
        self._tag_secret = tag_secret
        self._clock = clock

    def receive(self, provider: Provider, report: MeetingReport) -> None:
        """Process a report whose sender was verified. Raises `StoreError`: the provider must then send it again."""
        reported = self._meetings.find(provider.name, report)
        if reported is None:
            count("ProviderEventsDropped")
            return
        if self._events.has(provider.name, report):
            return
        booking = reported.record.booking
        if report.kind in CHANGES:
            self._request_look(provider, report, reported)
        else:
            self._grants.note_report(reported.grant, self._clock())
            self._note_sighting(reported.record, report)
            self._announce_report(provider.name, booking, report)
        self._events.add(provider.name, report, (booking.workspace_id, booking.booking_id), self._clock())
        count("ProviderEvents")

    def _request_look(self, provider: Provider, report: MeetingReport, reported: ReportedMeeting) -> None:
        """Have the meeting looked at, unless the change is ours or the booking does not need the meeting any more."""
        record, now = reported.record, self._clock()
        booking = record.booking
        if not reported.is_accessible or not is_upcoming(booking, record.settlement.meeting, now):
            return
        if report.kind is ReportKind.UPDATED and self._is_own_update(provider, report, record, now):
            return
        self._bookings.request_look(booking, now)

    def _is_own_update(self, provider: Provider, report: MeetingReport, record: Record, now: datetime) -> bool:
        """Return whether the meeting is as a settler wrote it, or is being written by one."""
        settlement, meeting = record.settlement, record.settlement.meeting
        if not record.is_settled or meeting.fingerprint is None:
            return True
        if settlement.written_at is not None and now - settlement.written_at < _OWN_UPDATE:
            return True
        if report.passcode not in (None, meeting.passcode):
            return False
        request = meeting_plan.build_request(record.booking, meeting, self._tag_secret())
        return provider.reports_own_change(report, request)

    def _note_sighting(self, record: Record, report: MeetingReport) -> None:
        booking = record.booking
        note = attendance.sighting_note(booking, report)
        if note is not None and note not in record.sightings:
            self._bookings.add_sighting(booking, note, attendance.decided_at(booking))

    def _announce_report(self, provider: str, booking: Booking, report: MeetingReport) -> None:
        present = None
        if report.kind is ReportKind.JOINED:
            earlier = self._events.list_by_meeting(provider, report.meeting_id)
            present = count_present([*earlier, report], report.session)
        event = report_event(booking, provider, report, present)
        if event is not None:
            self._announce(event)
