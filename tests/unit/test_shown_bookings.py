"""How pages show a booking."""

from __future__ import annotations

from datetime import timedelta

from chalicelib.api.pages.shown_bookings import can_retry
from chalicelib.domain.booking import BookingStatus
from chalicelib.domain.meeting import MeetingState
from chalicelib.store.booking_records import Record
from tests.support.clock import START
from tests.support.rows import booking, settlement


def test_a_booking_without_a_link_can_be_retried_until_its_end_unless_it_is_cancelled() -> None:
    waiting = settlement(state=MeetingState.WAITING)
    assert can_retry(Record(booking(), waiting), START)
    assert not can_retry(Record(booking(), settlement()), START)
    assert not can_retry(Record(booking(), waiting), START + timedelta(days=40))
    assert not can_retry(Record(booking(status=BookingStatus.CANCELLED), waiting), START)
