"""The calendars table."""

from __future__ import annotations

import msgspec

from chalicelib.domain.calendar import Calendar, Host
from chalicelib.errors import LostRace
from chalicelib.store.tables import CalendarItem, translated


class CalendarStore:
    """The calendars table."""

    def get(self, workspace_id: str, calendar_id: str) -> Calendar | None:
        with translated():
            try:
                item = CalendarItem.get(workspace_id, calendar_id, consistent_read=True)
            except CalendarItem.DoesNotExist:
                return None
        return calendar_of(item)

    def put(self, calendar: Calendar) -> None:
        """Create or replace."""
        document = msgspec.json.encode(calendar).decode()
        with translated():
            CalendarItem(calendar.workspace_id, calendar.calendar_id, document=document).save()

    def hosted_by(self, workspace_id: str, user_id: str) -> list[Calendar]:
        """The user's calendars, in order of id."""
        with translated():
            calendars = [calendar_of(item) for item in CalendarItem.query(workspace_id, consistent_read=True)]
        return [calendar for calendar in calendars if calendar.host.user_id == user_id]

    def newest_host(self, workspace_id: str, user_id: str) -> Host | None:
        """Return the user as the host of the calendar that was changed last, or None if the user hosts none."""
        hosted = self.hosted_by(workspace_id, user_id)
        return max(hosted, key=lambda calendar: calendar.updated_at).host if hosted else None

    def delete(self, workspace_id: str, calendar_id: str) -> bool:
        """Whether there was such a calendar."""
        item = CalendarItem(workspace_id, calendar_id)
        try:
            with translated():
                item.delete(condition=CalendarItem.calendar_id.exists())
        except LostRace:
            return False
        return True

    def page(self, workspace_id: str, *, limit: int, after: str | None) -> tuple[list[Calendar], str | None]:
        """At most `limit` calendars in order of id, after the id `after`; with the next such id, if there are more."""
        beyond = CalendarItem.calendar_id > after if after else None
        with translated():
            items = list(CalendarItem.query(workspace_id, beyond, limit=limit + 1, consistent_read=True))
        calendars = [calendar_of(item) for item in items[:limit]]
        return calendars, calendars[-1].calendar_id if len(items) > limit else None


def calendar_of(item: CalendarItem) -> Calendar:
    return msgspec.json.decode(item.document, type=Calendar)
