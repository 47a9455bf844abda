"""The history of a booking's page."""

from __future__ import annotations

from typing import Any

from chalicelib.store.booking_records import Record
from chalicelib.usecases.booking_timeline import BookingTimeline
from tests.support.clock import START
from tests.support.rows import booking, settlement


class Rows:
    """A table that remembers with which limit it was read."""

    limit: int | None = None

    def list_by_meeting(self, provider: str, meeting_id: str, limit: int | None = None) -> list[Any]:
        self.limit = limit
        return []

    def list_by_workspace(self, workspace_id: str) -> list[Any]:
        return []


def test_the_events_of_a_large_meeting_are_read_up_to_a_limit() -> None:
    rows: Any = Rows()
    BookingTimeline(rows, rows, lambda: START).read(Record(booking(), settlement()))
    assert rows.limit is not None
