"""The calendars table."""

from __future__ import annotations

import msgspec

from chalicelib.decoding import decode_json
from chalicelib.domain.calendar import Calendar, Host
from chalicelib.errors import LostRace
from chalicelib.store.dynamodb import translated_errors
from chalicelib.store.tables import CalendarItem


class CalendarStore:
    """The calendars table."""

    def get(self, workspace_id: str, calendar_id: str) -> Calendar | None:
        """Read a calendar consistently."""
        item = CalendarItem.find(workspace_id, calendar_id)
        return calendar_of(item) if item else None

    def put(self, calendar: Calendar) -> None:
        """Create or replace a calendar."""
        document = msgspec.json.encode(calendar).decode()
        with translated_errors():
            CalendarItem(calendar.workspace_id, calendar.calendar_id, document=document).save()

    def delete(self, workspace_id: str, calendar_id: str) -> bool:
        """Delete a calendar. Return whether it existed."""
        try:
            with translated_errors():
                CalendarItem(workspace_id, calendar_id).delete(condition=CalendarItem.calendar_id.exists())
        except LostRace:
            return False
        return True

    def list_by_host(self, workspace_id: str, user_id: str) -> list[Calendar]:
        """Return the user's calendars in order of id."""
        with translated_errors():
            calendars = [calendar_of(item) for item in CalendarItem.query(workspace_id, consistent_read=True)]
        return [calendar for calendar in calendars if calendar.host.user_id == user_id]

    def find_newest_host(self, workspace_id: str, user_id: str) -> Host | None:
        """Return the user as the host of the calendar that was changed last, or None if the user hosts none."""
        calendars = self.list_by_host(workspace_id, user_id)
        return max(calendars, key=lambda calendar: calendar.updated_at).host if calendars else None

    def page(self, workspace_id: str, *, limit: int, after: str | None) -> tuple[list[Calendar], str | None]:
        """Return at most `limit` calendars in order of id, after the id `after`, and the next id if there are more."""
        beyond = CalendarItem.calendar_id > after if after else None
        with translated_errors():
            items = list(CalendarItem.query(workspace_id, beyond, limit=limit + 1, consistent_read=True))
        calendars = [calendar_of(item) for item in items[:limit]]
        return calendars, calendars[-1].calendar_id if len(items) > limit else None


def calendar_of(item: CalendarItem) -> Calendar:
    """Decode a row."""
    return decode_json(item.document, Calendar)
