"""Read the rows of five tables that decide about one booking, together or one by one."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from msgspec import Struct, field

from chalicelib.domain.calendar import Calendar
from chalicelib.domain.connection import Connection
from chalicelib.domain.workspace import Workspace
from chalicelib.store.booking_records import Record, record_of
from chalicelib.store.bookings import BookingStore
from chalicelib.store.calendars import CalendarStore, calendar_of
from chalicelib.store.connections import ConnectionStore, connection_of
from chalicelib.store.dynamodb import read_together
from chalicelib.store.ephemeral import usage_key, used_until_of
from chalicelib.store.tables import BookingItem, CalendarItem, ConnectionItem, EphemeralItem, WorkspaceItem
from chalicelib.store.workspaces import WorkspaceStore, workspace_of

_MAX_HOSTS = 10_000


class _Rows(Struct):
    """Rows that were read; None for a row that does not exist."""

    bookings: dict[str, Record | None] = field(default_factory=dict)
    workspaces: dict[str, Workspace | None] = field(default_factory=dict)
    calendars: dict[str, Calendar | None] = field(default_factory=dict)
    connections: dict[str, Connection | None] = field(default_factory=dict)


class BookingReads:
    """The rows for one booking. Each is read consistently when it is first needed, unless it was prefetched.

    Rows are not read in one transaction: a write that depends on them needs a condition for what must not change.
    """

    def __init__(
        self,
        workspace_id: str,
        booking_id: str,
        bookings: BookingStore,
        calendars: CalendarStore,
        connections: ConnectionStore,
        workspaces: WorkspaceStore,
        prefetched: _Rows,
    ) -> None:
        self._workspace_id = workspace_id
        self._booking_id = booking_id
        self._bookings = bookings
        self._calendars = calendars
        self._connections = connections
        self._workspaces = workspaces
        self._rows = prefetched

    def booking(self) -> Record | None:
        """Return the booking; None if it does not exist."""
        rows = self._rows.bookings
        if self._booking_id not in rows:
            rows[self._booking_id] = self._bookings.get(self._workspace_id, self._booking_id)
        return rows[self._booking_id]

    def calendar(self, calendar_id: str) -> Calendar | None:
        """Return the calendar; None if it does not exist."""
        rows = self._rows.calendars
        if calendar_id not in rows:
            rows[calendar_id] = self._calendars.get(self._workspace_id, calendar_id)
        return rows[calendar_id]

    def connection(self, user_id: str) -> Connection | None:
        """Return the user's connection; None if there is none."""
        rows = self._rows.connections
        if user_id not in rows:
            rows[user_id] = self._connections.get(self._workspace_id, user_id)
        return rows[user_id]

    def workspace(self) -> Workspace | None:
        """Return the workspace; None if it does not exist."""
        rows = self._rows.workspaces
        if self._workspace_id not in rows:
            rows[self._workspace_id] = self._workspaces.get(self._workspace_id)
        return rows[self._workspace_id]

    def forget(self) -> None:
        """Read every row again when it is next needed, because one of them has changed."""
        self._rows = _Rows()


class Prefetched(NamedTuple):
    """What `BookingReader.prefetch` read."""

    workspace: Workspace | None
    used_until: datetime | None
    """Until when the workspace's rate is used; None: unknown."""
    reads: BookingReads


class BookingReader:
    """Makes `BookingReads`.

    A booking needs the connection of its calendar's host, and only the calendar names the host. The process remembers
    the hosts of calendars to prefetch their connections too; a connection of another user than the host is not used.
    """

    def __init__(
        self,
        bookings: BookingStore,
        calendars: CalendarStore,
        connections: ConnectionStore,
        workspaces: WorkspaceStore,
    ) -> None:
        self._bookings = bookings
        self._calendars = calendars
        self._connections = connections
        self._workspaces = workspaces
        self._hosts: dict[tuple[str, str], str] = {}

    def open(self, workspace_id: str, booking_id: str) -> BookingReads:
        """Return reads for a booking; nothing is read yet."""
        return self._reads(workspace_id, booking_id, _Rows())

    def prefetch(self, workspace_id: str, booking_id: str, calendar_id: str) -> Prefetched:
        """Read the workspace, its usage and the rows for a booking in one call. None of them needs to exist."""
        user_id = self._hosts.get((workspace_id, calendar_id))
        connection_key = [(ConnectionItem, workspace_id, user_id)] if user_id else []
        items = read_together(
            [
                (WorkspaceItem, workspace_id, None),
                (BookingItem, workspace_id, booking_id),
                (CalendarItem, workspace_id, calendar_id),
                *connection_key,
                (EphemeralItem, usage_key(workspace_id), None),
            ],
            optional=EphemeralItem,
        )
        workspace, booking = items.get(WorkspaceItem), items.get(BookingItem)
        calendar, connection = items.get(CalendarItem), items.get(ConnectionItem)
        rows = _Rows(
            {booking_id: record_of(booking) if booking else None},
            {workspace_id: workspace_of(workspace) if workspace else None},
            {calendar_id: calendar_of(calendar) if calendar else None},
            {user_id: connection_of(connection) if connection else None} if user_id else {},
        )
        self._remember_host(rows.calendars[calendar_id])
        reads, usage = self._reads(workspace_id, booking_id, rows), items.get(EphemeralItem)
        return Prefetched(rows.workspaces[workspace_id], used_until_of(usage) if usage else None, reads)

    def _reads(self, workspace_id: str, booking_id: str, rows: _Rows) -> BookingReads:
        stores = self._bookings, self._calendars, self._connections, self._workspaces
        return BookingReads(workspace_id, booking_id, *stores, rows)

    def _remember_host(self, calendar: Calendar | None) -> None:
        if calendar is None:
            return
        if len(self._hosts) >= _MAX_HOSTS:
            self._hosts.clear()
        self._hosts[calendar.workspace_id, calendar.calendar_id] = calendar.host.user_id
