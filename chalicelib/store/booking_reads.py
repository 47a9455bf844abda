"""All that accepting a booking needs to know, from four tables in one call."""

from __future__ import annotations

from msgspec import Struct

from chalicelib.domain.calendar import Calendar
from chalicelib.domain.connection import Connection
from chalicelib.domain.workspace import Workspace
from chalicelib.store.bookings import Record, record_of
from chalicelib.store.calendars import calendar_of
from chalicelib.store.connections import connection_of
from chalicelib.store.tables import BookingItem, CalendarItem, ConnectionItem, WorkspaceItem, read_together
from chalicelib.store.workspaces import workspace_of

_REMEMBERED = 10_000


class BookingReads(Struct, frozen=True):
    """Rows as they were a moment ago, each None if there is none. `connection` is the user `seen_user`'s."""

    workspace: Workspace | None
    record: Record | None
    calendar: Calendar | None
    seen_user: str | None
    connection: Connection | None


class BookingReadsStore:
    """Reads consistently, without a transaction: whoever writes upon it must say what may not have changed.

    A calendar names its host, whose connection is wanted too. The process remembers hosts, only to know which row to
    ask for: if the calendar says otherwise by now, the connection is not in sight.
    """

    def __init__(self) -> None:
        self._hosts: dict[tuple[str, str], str] = {}

    def look(self, workspace_id: str, booking_id: str, calendar_id: str) -> BookingReads:
        """The rows of these ids, of which none needs to exist."""
        user_id = self._hosts.get((workspace_id, calendar_id))
        connection_key = [(ConnectionItem, workspace_id, user_id)] if user_id else []
        found = read_together(
            [
                (WorkspaceItem, workspace_id, None),
                (BookingItem, workspace_id, booking_id),
                (CalendarItem, workspace_id, calendar_id),
                *connection_key,
            ]
        )
        workspace, booking = found.get(WorkspaceItem), found.get(BookingItem)
        item, connection = found.get(CalendarItem), found.get(ConnectionItem)
        calendar = calendar_of(item) if item else None
        if calendar is not None:
            if len(self._hosts) >= _REMEMBERED:
                self._hosts.clear()
            self._hosts[workspace_id, calendar_id] = calendar.host.user_id
        return BookingReads(
            workspace_of(workspace) if workspace else None,
            record_of(booking) if booking else None,
            calendar,
            user_id,
            connection_of(connection) if connection else None,
        )
