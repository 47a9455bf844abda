"""Create and change calendars. Video can be chosen only while the host is connected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from chalicelib.domain.calendar import Calendar, Host, Location, LocationType
from chalicelib.domain.connection import ConnectionState, ConnectionStatus
from chalicelib.errors import Conflict, FieldError, NotFound
from chalicelib.store.calendars import CalendarStore


class CalendarService:
    """Calendars of all workspaces. `status` returns the state of a user's connection."""

    def __init__(
        self, calendars: CalendarStore, status: Callable[[str, str], ConnectionStatus], clock: Callable[[], datetime]
    ) -> None:
        self._calendars = calendars
        self._status = status
        self._clock = clock

    def put(self, calendar: Calendar) -> tuple[Calendar, bool]:
        """Create or replace a calendar; return it with the time of its creation, and whether it was created.

        Raises `Conflict` if video is newly chosen and the host is not connected. A calendar with video keeps it while
        its host is disconnected; its bookings then get no link.
        """
        previous = self._calendars.get(calendar.workspace_id, calendar.calendar_id)
        if calendar.location.type is LocationType.VIDEO and not _has_video(previous, calendar.host):
            self._require_connection(calendar.workspace_id, calendar.host.user_id)
        if previous is not None:
            calendar = replace(calendar, created_at=previous.created_at)
        self._calendars.put(calendar)
        return calendar, previous is None

    def choose_video(self, workspace_id: str, user_id: str, calendar_id: str) -> None:
        """Set the location of one of the user's calendars to video. Raises `NotFound`, or `Conflict` as `put` does."""
        calendar = self._calendars.get(workspace_id, calendar_id)
        if calendar is None or calendar.host.user_id != user_id:
            raise NotFound("You have no calendar with this id.")
        if calendar.location.type is not LocationType.VIDEO:
            self._require_connection(workspace_id, user_id)
            self._calendars.put(replace(calendar, location=Location(LocationType.VIDEO), updated_at=self._clock()))

    def _require_connection(self, workspace_id: str, user_id: str) -> None:
        status = self._status(workspace_id, user_id)
        if status.state is ConnectionState.CONNECTED:
            return
        if status.state is ConnectionState.PENDING:
            detail = f"Confirm the host's video account first (POST /v1/users/{user_id}/connection/confirm)."
        else:
            verb = "Reconnect" if status.state is ConnectionState.BROKEN else "Connect"
            detail = f"{verb} the host's video account first (POST /v1/users/{user_id}/connect-links)."
        raise Conflict(
            f"Video is not available for this host: {status.reason}. {detail}",
            reason=status.reason,
            errors=[FieldError("/location/type", detail)],
        )


def _has_video(calendar: Calendar | None, host: Host) -> bool:
    if calendar is None or calendar.host.user_id != host.user_id:
        return False
    return calendar.location.type is LocationType.VIDEO
