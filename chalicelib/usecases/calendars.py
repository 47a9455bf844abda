"""Create and change calendars: video is there to be chosen only while the host is connected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from chalicelib.domain.calendar import Calendar, Host, Location, LocationType
from chalicelib.domain.connection import ConnectionState, ConnectionStatus
from chalicelib.errors import Conflict, FieldError, NotFound
from chalicelib.store.calendars import CalendarStore


class CalendarService:
    """`status` tells a user's connection."""

    def __init__(
        self, calendars: CalendarStore, status: Callable[[str, str], ConnectionStatus], clock: Callable[[], datetime]
    ) -> None:
        self._calendars = calendars
        self._status = status
        self._clock = clock

    def put(
        self,
        workspace_id: str,
        calendar_id: str,
        *,
        name: str,
        host: Host,
        location: Location,
        guests_see_each_other: bool = False,
    ) -> tuple[Calendar, bool]:
        """Create or replace; the answer tells whether it was created.

        Raises `Conflict` when video is newly chosen and the host is not connected. A calendar that is video already
        stays so while its host is disconnected: its bookings then get no link.
        """
        now, before = self._clock(), self._calendars.get(workspace_id, calendar_id)
        wanted = Calendar(workspace_id, calendar_id, name, host, location, now, now, guests_see_each_other)
        if location.type is LocationType.VIDEO and not _has_video(before, host):
            self._require_connection(workspace_id, host.user_id)
        if before is not None:
            wanted = replace(wanted, created_at=before.created_at)
        self._calendars.put(wanted)
        return wanted, before is None

    def choose_video(self, workspace_id: str, user_id: str, calendar_id: str) -> None:
        """Make video the location of one of the user's calendars. Raises `NotFound`, or `Conflict` as `put` does."""
        calendar = self._calendars.get(workspace_id, calendar_id)
        if calendar is None or calendar.host.user_id != user_id:
            raise NotFound("There is no such calendar of yours.")
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


def _has_video(before: Calendar | None, host: Host) -> bool:
    same_host = before is not None and before.host.user_id == host.user_id
    return same_host and before is not None and before.location.type is LocationType.VIDEO
