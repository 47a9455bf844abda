"""Create and change calendars. Video can be chosen only while the host is connected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec
from msgspec.structs import replace

from chalicelib.domain.calendar import Calendar, Host, Location, LocationType
from chalicelib.domain.connection import ConnectionState, ConnectionStatus
from chalicelib.domain.meeting_settings import NO_SETTINGS, PossibleSettings, unsupported
from chalicelib.errors import Conflict, FieldError, InvalidInput, NotFound
from chalicelib.providers.base import Provider
from chalicelib.store.calendars import CalendarStore


class CalendarService:
    """Calendars of all workspaces. `status` returns the state of a user's connection."""

    def __init__(
        self,
        calendars: CalendarStore,
        status: Callable[[str, str], ConnectionStatus],
        providers: Mapping[str, Provider],
        clock: Callable[[], datetime],
    ) -> None:
        self._calendars = calendars
        self._status = status
        self._providers = providers
        self._clock = clock

    def put(self, calendar: Calendar) -> tuple[Calendar, bool]:
        """Create or replace a calendar; return it with the time of its creation, and whether it was created.

        Raises `Conflict` if video is newly chosen and the host is not connected. A calendar with video keeps it while
        its host is disconnected; its bookings then get no link. Raises `InvalidInput` for a setting that the host's
        provider does not support.
        """
        previous = self._calendars.get(calendar.workspace_id, calendar.calendar_id)
        if calendar.location.type is LocationType.VIDEO and not _has_video(previous, calendar.host):
            self._require_connection(calendar.workspace_id, calendar.host.user_id)
        if calendar.meeting_settings != NO_SETTINGS:
            self._require_possible_settings(calendar)
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

    def _require_possible_settings(self, calendar: Calendar) -> None:
        connection = self._status(calendar.workspace_id, calendar.host.user_id).connection
        provider = self._providers.get(connection.provider) if connection else None
        if provider is None:
            return  # What is not supported is listed on the bookings, once an account is connected.
        possible = provider.possible_settings
        errors = [
            FieldError(f"/location/settings/{name}", _explain_setting(provider.display_name, name, possible))
            for name in unsupported(calendar.meeting_settings, possible)
        ]
        if errors:
            detail = f"{provider.display_name} does not support these settings; see `errors`."
            raise InvalidInput(detail, reason="unsupported_setting", errors=errors)

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


def _explain_setting(provider: str, name: str, possible: PossibleSettings) -> str:
    """Return what the host's provider supports instead."""
    values = getattr(possible, name)
    if values:
        return f"{provider} supports {', '.join(_json(value) for value in values)} here."
    others = [other for other in possible.__struct_fields__ if getattr(possible, other)]
    supported = f"It supports {', '.join(others)}." if others else "It supports no settings."
    return f"{provider} does not support this setting. {supported}"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _has_video(calendar: Calendar | None, host: Host) -> bool:
    if calendar is None or calendar.host.user_id != host.user_id:
        return False
    return calendar.location.type is LocationType.VIDEO
