"""Google Meet through events in the host's primary calendar.

developers.google.com/workspace/calendar/api/v3/reference/events and its discovery document, calendar.v3.json.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting_plan import CreateSemantics
from chalicelib.errors import (
    Ambiguous,
    FailedCall,
    MeetingGone,
    ProviderError,
    ProviderUnavailable,
    ReconnectNeeded,
    Rejected,
    TokenRejected,
)
from chalicelib.providers.google import Google, oauth, said
from chalicelib.providers.http_client import ProviderResponse
from chalicelib.providers.parsing import LONGEST_ID, Phone, parse_meeting, parse_objects

CALENDAR_SCOPES = ("calendar.events.owned", "calendar.events", "calendar")
_EVENTS = "/calendar/v3/calendars/primary/events"
# Google would mail guests; the event has none, and says so once more. Without the version, which counts from 0, a
# conference that is asked for is silently left out.
_QUIETLY = urlencode({"conferenceDataVersion": "1", "sendUpdates": "none"})
_READS_WHILE_PENDING = 3
_SUMMARY_LIMIT = 1024
_DESCRIPTION_LIMIT = 8192
_KNOCKING = "Guests are not on Google's own guest list, so Google Meet makes them knock. Join in time and admit them."
_NO_MEET = (
    "This account's calendar offers no Google Meet. Switch on Google Meet for it (in Google Workspace its "
    "administrator can), or connect another account."
)


class GoogleMeet(Google):
    """Events without guests that carry a Meet link. The tag is the event's id, so creating is idempotent.

    The id of a deleted event stays taken: creating it again raises `MeetingGone`.
    """

    name = "google_meet"
    display_name = "Google Meet"
    needs = "A Google account with Google Calendar. A Workspace administrator may have to allow the app first."
    limits = (
        "Every booking also stands as an event in your primary Google calendar. Delete it there and it is replaced."
    )
    oauth = oauth(CALENDAR_SCOPES)
    urls = Google.identity_urls | {"API": "https://www.googleapis.com"}
    create_semantics = CreateSemantics(idempotent=True, keeps_tags=True)

    def guest_experience(self, account: Account) -> GuestExperience:
        return self.experience(account, GuestEntry.KNOCK, _KNOCKING)

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        asked = {"requestId": request.tag, "conferenceSolutionKey": {"type": "hangoutsMeet"}}
        body = _content(request) | {
            "id": request.tag,
            "conferenceData": {"createRequest": asked},
            "reminders": {"useDefault": False},  # The host's defaults may be mails, and our invitation has its own.
        }
        event = None
        try:
            event = self._event(self.send_create(token, f"{_EVENTS}?{_QUIETLY}", body))
        except Rejected as error:
            if error.status != 409:
                raise
        with self._existing(token, request.tag):
            if event is None:
                self._alive(token, request.tag)
                event = self._change(token, request.tag, request)
            event = self._ready(token, event)
            made = meeting_of(event)
            if made is None:
                self._remove(token, request.tag)
        if made is None:
            raise self._without_link(event)
        return made

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        made = meeting_of(self._ready(token, self._change(token, meeting_id, request)))
        if made is None:
            # Somebody took the conference off the event. Another event gets another link.
            self._remove(token, meeting_id)
            raise MeetingGone(FailedCall(self.name, "the event has no link any more"))
        return made

    def delete(self, token: str, meeting_id: str) -> None:
        self.call(token, "DELETE", f"{_path(meeting_id)}?sendUpdates=none")

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        with suppress(MeetingGone):
            made = meeting_of(self._ready(token, self._alive(token, request.tag)))
            if made is not None:
                return [made]
            self._remove(token, request.tag)
        return []

    def read_error(self, response: ProviderResponse) -> ProviderError | None:
        # Also how calendars that cannot have Meet at all say so: github.com/googleapis/google-api-nodejs-client/
        # issues/3234
        if response.status == 400 and "Invalid conference type value" in said(response.body):
            return Rejected(self.failed_call(response, "no Meet on this calendar"), advice=_NO_MEET)
        return super().read_error(response)

    @contextmanager
    def _existing(self, token: str, event_id: str) -> Iterator[None]:
        """While the event exists but is not answered with: a 'not now' must not pass for 'nothing was made'."""
        try:
            try:
                yield
            except Rejected:
                self._remove(token, event_id)
                raise
        except (ProviderUnavailable, TokenRejected, ReconnectNeeded) as error:
            raise Ambiguous(error.call) from error

    def _alive(self, token: str, event_id: str) -> dict[str, Any]:
        return self._event(self.call(token, "GET", _path(event_id)))

    def _change(self, token: str, event_id: str, request: MeetingRequest) -> dict[str, Any]:
        try:
            response = self.call(token, "PATCH", f"{_path(event_id)}?{_QUIETLY}", json=_content(request))
        except Rejected:
            # How Google refuses to change a deleted event is not documented; that it is deleted, a look tells.
            self._alive(token, event_id)
            raise
        return self._event(response)

    def _event(self, response: ProviderResponse) -> dict[str, Any]:
        event = response.object()
        if event.get("status") == "cancelled":
            raise MeetingGone(FailedCall(self.name, "the event is deleted", status=response.status))
        if not isinstance(event.get("id"), str) or len(event["id"]) > LONGEST_ID:
            raise Ambiguous(FailedCall(self.name, "an event without an id", status=response.status))
        return event

    def _ready(self, token: str, event: dict[str, Any]) -> dict[str, Any]:
        """The event once its conference is made or refused: Google may response before it has made it."""
        reads = 0
        while meeting_of(event) is None and _progress(event) == "pending":
            if reads == _READS_WHILE_PENDING:
                raise Ambiguous(FailedCall(self.name, "the conference is still being made"))
            event = self._alive(token, event["id"])
            reads += 1
        return event

    def _remove(self, token: str, event_id: str) -> None:
        with suppress(MeetingGone):
            self.delete(token, event_id)

    def _without_link(self, event: dict[str, Any]) -> ProviderError:
        if _progress(event) == "failure":
            return ProviderUnavailable(FailedCall(self.name, "the conference could not be made"))
        return Rejected(FailedCall(self.name, "no Meet on this calendar"), advice=_NO_MEET)


def _path(event_id: str) -> str:
    return f"{_EVENTS}/{quote(event_id, safe='')}"


def _content(request: MeetingRequest) -> dict[str, Any]:
    return {
        "summary": request.title[:_SUMMARY_LIMIT],
        "description": request.description[:_DESCRIPTION_LIMIT],
        "start": {"dateTime": _moment(request.starts_at)},
        "end": {"dateTime": _moment(request.ends_at)},
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _progress(event: dict[str, Any]) -> str | None:
    """`pending`, `success` or `failure`; None where no conference was asked for."""
    at: Any = event
    for key in ("conferenceData", "createRequest", "status", "statusCode"):
        at = at.get(key) if isinstance(at, dict) else None
    return at if isinstance(at, str) else None


def meeting_of(event: dict[str, Any]) -> ProviderMeeting | None:
    """The meeting of a calendar event; None as long as it has no link."""
    data = event.get("conferenceData")
    points = parse_objects(data.get("entryPoints")) if isinstance(data, dict) else []
    videos = [point.get("uri") for point in points if point.get("entryPointType") == "video"]
    link = event.get("hangoutLink") or next(filter(None, videos), None)
    if link is None:
        return None
    uris = [(point, point.get("uri")) for point in points if point.get("entryPointType") == "phone"]
    phones = [
        Phone(uri.removeprefix("tel:"), point.get("pin"), point.get("regionCode"))
        for point, uri in uris
        if isinstance(uri, str)
    ]
    return parse_meeting(GoogleMeet.name, event["id"], link, phones=phones)
