"""Google Meet without a calendar: the Meet REST API's spaces.

developers.google.com/workspace/meet/api/reference/rest/v2/spaces and its discovery document, meet.v2.json.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from chalicelib.domain.cohost import CohostResult
from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting_plan import CreateSemantics
from chalicelib.domain.meeting_settings import MeetingSettings
from chalicelib.errors import Ambiguous, FailedCall, MeetingGone, ProviderError, Rejected
from chalicelib.observability import log
from chalicelib.providers import google_cohosts, google_rooms
from chalicelib.providers.cohost_changes import CohostChange
from chalicelib.providers.google import Google, build_oauth, error_message
from chalicelib.providers.google_rooms import CLOSED_ROOM
from chalicelib.providers.http_client import ProviderResponse
from chalicelib.providers.parsing import Phone, parse_meeting, parse_objects

_NAME = re.compile(r"spaces/[A-Za-z0-9_-]+")
_CLOSED = CLOSED_ROOM | {"entryPointAccess": "CREATOR_APP_ONLY"}


class GoogleMeetSpaces(Google):
    """Rooms that only have a link: no times, no title, no tag, and no way to list them.

    A create without a response cannot be looked up, so another room is created. An empty, unused one may remain.
    """

    name = "google_meet_spaces"
    display_name = "Google Meet without calendar"
    needs = "A Google account. A Workspace administrator may have to allow the app first."
    limits = (
        "Google gets neither title nor times, and cannot delete rooms: when a booking is cancelled, its room is closed "
        "to everyone. Each host can have at most 10 new rooms a minute."
    )
    oauth = build_oauth(("meetings.space.created",))
    urls = Google.identity_urls | {"API": "https://meet.googleapis.com"}
    create_semantics = CreateSemantics()
    possible_settings = google_rooms.POSSIBLE_SETTINGS
    adds_cohosts = True

    def guest_experience(self, account: Account) -> GuestExperience:
        return self.describe_experience(account, GuestEntry.DIRECT)

    def observe_guest_experience(self, token: str, meeting: ProviderMeeting, account: Account) -> GuestExperience:
        return self.describe_room(self.call(token, "GET", _path(meeting.id)).object(), account)

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        """Create a room with the settings: guests enter without knocking, unless the settings say otherwise.

        If Google refuses a setting, the room is created without; the last resort are the account's own settings.
        """
        for config in google_rooms.write_configs(request.settings):
            try:
                return self._parse_space(self.send_create(token, "/v2/spaces", {"config": config}).object())
            except Rejected as error:
                if error.status not in (400, 403):
                    raise
                self._log_refusal(error)
        return self._parse_space(self.send_create(token, "/v2/spaces", {}).object())

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        """A room has no times to change. Check that it still exists, and open it again if `delete` only restricted it.

        That happens if a booking is cancelled and revived before its deletion is recorded.
        """
        space = self.call(token, "GET", _path(meeting_id)).object()
        config = space.get("config")
        if isinstance(config, dict) and config.get("entryPointAccess") == "CREATOR_APP_ONLY":
            raise MeetingGone(FailedCall(self.name, "the room was closed"))
        for wanted in google_rooms.write_configs(request.settings):
            if google_rooms.has_config(space, wanted):
                break
            try:
                return self._parse_space(self._configure(token, meeting_id, wanted))
            except Rejected as error:
                self._log_refusal(error)
        return self._parse_space(space)

    def read_settings(self, token: str, meeting_id: str) -> MeetingSettings:
        return google_rooms.read_settings(self.call(token, "GET", _path(meeting_id)).object())

    def set_cohosts(self, token: str, meeting_id: str, change: CohostChange) -> tuple[CohostResult, ...]:
        call = self.guarded_call(token, change.before_each_call)
        return google_cohosts.set_cohosts(call, _path(meeting_id), change.emails, change.former)

    def _log_refusal(self, error: Rejected) -> None:
        log.info("the room's settings are refused", provider=self.name, status=error.status, code=error.code)

    def delete(self, token: str, meeting_id: str) -> None:
        try:
            space = self._configure(token, meeting_id, _CLOSED)
        except Rejected:
            space = self._configure(token, meeting_id, CLOSED_ROOM)  # Visitors must knock, and no one is there.
        if space.get("activeConference"):
            self._end_conference(token, meeting_id)

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        return []  # A space cannot have a tag and cannot be listed.

    def read_error(self, response: ProviderResponse) -> ProviderError | None:
        # Google responds the same if the space does not exist and if it belongs to another account.
        if response.status == 403 and "Permission denied on resource Space" in error_message(response.body):
            return MeetingGone(FailedCall(self.name, "this account has no such room", status=403))
        return super().read_error(response)

    def _configure(self, token: str, meeting_id: str, config: dict[str, Any]) -> dict[str, Any]:
        mask = google_rooms.update_mask(config)
        return self.call(token, "PATCH", f"{_path(meeting_id)}?updateMask={mask}", json={"config": config}).object()

    def _end_conference(self, token: str, meeting_id: str) -> None:
        try:
            self.call(token, "POST", f"{_path(meeting_id)}:endActiveConference", json={})
        except Rejected as error:
            if error.status != 400:  # FAILED_PRECONDITION: everyone has left meanwhile.
                raise

    def _parse_space(self, space: dict[str, Any]) -> ProviderMeeting:
        name = space.get("name")
        # The id is the name, not the meeting code: a code can be assigned to another space later.
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Ambiguous(FailedCall(self.name, "the space has no name"))
        numbers = parse_objects(space.get("phoneAccess"))
        phones = [Phone(entry.get("phoneNumber"), entry.get("pin"), entry.get("regionCode")) for entry in numbers]
        meeting = parse_meeting(self.name, name, space.get("meetingUri"), phones=phones)
        return replace(meeting, settings=google_rooms.read_settings(space))


def _path(meeting_id: str) -> str:
    return f"/v2/{quote(meeting_id)}"
