"""Google Meet links on calendar events, with rooms that guests enter without knocking.

This needs a further permission, `meetings.space.settings`. Operators turn it on with `MEETLINK_GOOGLE_MEET_OPEN`.
Source: methods `spaces.get` and `spaces.patch` in the Meet API's discovery document, meet.v2.json.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

from msgspec.structs import replace

from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting_settings import NO_SETTINGS, MeetingSettings
from chalicelib.errors import (
    Ambiguous,
    FailedCall,
    MeetingGone,
    ProviderUnavailable,
    ReconnectNeeded,
    Rejected,
    TokenRejected,
)
from chalicelib.observability import log
from chalicelib.providers import google_rooms
from chalicelib.providers.google import build_oauth
from chalicelib.providers.google_meet import CALENDAR_SCOPES, GoogleMeet, parse_event

_SETTINGS_SCOPE = "meetings.space.settings"
_NOT_ALLOWED = (
    "Guests have to knock, because the permission to change the settings of your Meet calls is missing. Connect again "
    "and leave its box ticked."
)


class OpenGoogleMeet(GoogleMeet):
    """Google Meet with open rooms. If the account does not grant or allow this, meetings are created all the same."""

    oauth = build_oauth(CALENDAR_SCOPES, optional=(_SETTINGS_SCOPE,))
    urls = GoogleMeet.urls | {"MEET": "https://meet.googleapis.com"}
    possible_settings = google_rooms.POSSIBLE_SETTINGS

    def guest_experience(self, account: Account) -> GuestExperience:
        return self.describe_experience(account, GuestEntry.DIRECT)

    def observe_guest_experience(self, token: str, meeting: ProviderMeeting, account: Account) -> GuestExperience:
        try:
            return self.describe_room(self._space(token, meeting), account)
        except Rejected as error:
            return self.describe_experience(account, GuestEntry.KNOCK, error.advice, is_observed=True)
        except ReconnectNeeded:  # The grant is valid; only this permission is missing.
            return self.describe_experience(account, GuestEntry.KNOCK, _NOT_ALLOWED, is_observed=True)

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        meeting = super().create(token, request)
        try:
            meeting = replace(meeting, settings=self._set_up(token, meeting, request))
        except (ProviderUnavailable, Ambiguous, TokenRejected) as error:
            log.info("a new meeting is not finished yet", provider=self.name, status=error.status)
            return replace(meeting, is_unfinished=True)
        return meeting

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        meeting = super().update(token, meeting_id, request)
        return None if meeting is None else replace(meeting, settings=self._set_up(token, meeting, request))

    def read_settings(self, token: str, meeting_id: str) -> MeetingSettings:
        meeting = parse_event(self._get(token, meeting_id))
        with suppress(Rejected, ReconnectNeeded, MeetingGone):  # See `_set_up`: the permission may be missing.
            if meeting is not None:
                return google_rooms.read_settings(self._space(token, meeting))
        return NO_SETTINGS

    def delete(self, token: str, meeting_id: str) -> None:
        """Close the room, then delete the event, because the link of a deleted event keeps working."""
        meeting = parse_event(self._get(token, meeting_id))
        if meeting is not None:
            with suppress(Rejected, ReconnectNeeded, MeetingGone):
                self._configure(token, self._space(token, meeting), google_rooms.CLOSED_ROOM)
        super().delete(token, meeting_id)

    def _set_up(self, token: str, meeting: ProviderMeeting, request: MeetingRequest) -> MeetingSettings:
        """Apply the settings, if the grant and the account's policy allow it. By default, guests need not knock.

        Return the settings that the room has then.
        """
        space: dict[str, Any] = {}
        for config in google_rooms.write_configs(request.settings):
            try:
                space = space or self._space(token, meeting)
                if not google_rooms.has_config(space, config):
                    space = self._configure(token, space, config)
            except (Rejected, ReconnectNeeded, MeetingGone) as error:
                log.info("the room's settings are refused", provider=self.name, status=error.status, code=error.code)
            else:
                break
        return google_rooms.read_settings(space)

    def _space(self, token: str, meeting: ProviderMeeting) -> dict[str, Any]:
        """Return the meeting's room. Its code is an alias that only works for reading."""
        code = urlsplit(meeting.join_url or "").path.strip("/")
        return self.call(token, "GET", f"/v2/spaces/{quote(code, safe='')}", at="MEET").object()

    def _configure(self, token: str, space: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
        name = space.get("name")
        if not isinstance(name, str):
            raise Ambiguous(FailedCall(self.name, "the room has no name"))
        path = f"/v2/{quote(name)}?updateMask={google_rooms.update_mask(config)}"
        return self.call(token, "PATCH", path, json={"config": config}, at="MEET").object()
