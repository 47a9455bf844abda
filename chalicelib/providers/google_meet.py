"""Google Meet links on events in the host's primary calendar.

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
from chalicelib.domain.plain_text import clean_line
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
from chalicelib.providers.google import Google, build_oauth, error_message
from chalicelib.providers.http_client import ProviderResponse
from chalicelib.providers.parsing import LONGEST_ID, Phone, parse_meeting, parse_objects

CALENDAR_SCOPES = ("calendar.events.owned", "calendar.events", "calendar")
_EVENTS = "/calendar/v3/calendars/primary/events"
# `sendUpdates=none` makes sure that Google mails no one, although the event has no guests. Without
# `conferenceDataVersion`, Google silently ignores the conference request.
_QUIETLY = urlencode({"conferenceDataVersion": "1", "sendUpdates": "none"})
_READS_WHILE_PENDING = 3
_SUMMARY_LIMIT = 1024
_DESCRIPTION_LIMIT = 8192
_GUESTS_LIMIT = 2048
_NAME_LIMIT = 200
_WITHOUT_TAGS = str.maketrans("", "", "<>")
_BETWEEN = "\n\n"
_KNOCKING = "Guests are not on Google's own guest list, so they have to knock. Join on time and admit them."
_NO_MEET = (
    "This account's calendar does not offer Google Meet. Turn on Google Meet (in Google Workspace, your administrator "
    "can), or connect another account."
)


class GoogleMeet(Google):
    """Events without guests that have a Meet link. The tag is the event's id, so the create is idempotent.

    The id of a deleted event stays reserved: creating it again raises `MeetingGone`.
    """

    name = "google_meet"
    display_name = "Google Meet"
    needs = "A Google account with Google Calendar. A Workspace administrator may have to allow the app first."
    limits = (
        "Every booking is an event in the primary calendar of your account. Emails to the account’s own address "
        "therefore have no invitation attached. If you delete the event, it is created again."
    )
    oauth = build_oauth(CALENDAR_SCOPES)
    urls = Google.identity_urls | {"API": "https://www.googleapis.com"}
    create_semantics = CreateSemantics(idempotent=True, keeps_tags=True)
    writes_calendar_events = True

    def guest_experience(self, account: Account) -> GuestExperience:
        return self.describe_experience(account, GuestEntry.KNOCK, _KNOCKING)

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        conference = {"requestId": request.tag, "conferenceSolutionKey": {"type": "hangoutsMeet"}}
        body = _event_body(request) | {
            "id": request.tag,
            "conferenceData": {"createRequest": conference},
            "reminders": {"useDefault": False},  # The host's defaults may send emails.
        }
        event = None
        try:
            event = self._check_event(self.send_create(token, f"{_EVENTS}?{_QUIETLY}", body))
        except Rejected as error:
            if error.status != 409:
                raise
        with self._while_event_exists(token, request.tag):
            if event is None:
                self._get(token, request.tag)
                event = self._change(token, request.tag, request)
            event = self._wait_for_conference(token, event)
            meeting = parse_event(event)
            if meeting is None:
                self._remove(token, request.tag)
        if meeting is None:
            raise self._error_without_link(event)
        return meeting

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        meeting = parse_event(self._wait_for_conference(token, self._change(token, meeting_id, request)))
        if meeting is None:
            # A person removed the conference from the event. A new event gets a new link.
            self._remove(token, meeting_id)
            raise MeetingGone(FailedCall(self.name, "the event no longer has a link"))
        return meeting

    def delete(self, token: str, meeting_id: str) -> None:
        self.call(token, "DELETE", f"{_path(meeting_id)}?sendUpdates=none")

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        with suppress(MeetingGone):
            meeting = parse_event(self._wait_for_conference(token, self._get(token, request.tag)))
            if meeting is not None:
                return [meeting]
            self._remove(token, request.tag)
        return []

    def read_error(self, response: ProviderResponse) -> ProviderError | None:
        # Calendars that cannot have Meet at all respond with the same message:
        # github.com/googleapis/google-api-nodejs-client/issues/3234
        if response.status == 400 and "Invalid conference type value" in error_message(response.body):
            return Rejected(self.failed_call(response, "no Meet on this calendar"), advice=_NO_MEET)
        return super().read_error(response)

    @contextmanager
    def _while_event_exists(self, token: str, event_id: str) -> Iterator[None]:
        """Raise errors that mean "nothing was done" as `Ambiguous`, because the event exists by now."""
        try:
            try:
                yield
            except Rejected:
                self._remove(token, event_id)
                raise
        except (ProviderUnavailable, TokenRejected, ReconnectNeeded) as error:
            raise Ambiguous(error.call) from error

    def _get(self, token: str, event_id: str) -> dict[str, Any]:
        return self._check_event(self.call(token, "GET", _path(event_id)))

    def _change(self, token: str, event_id: str, request: MeetingRequest) -> dict[str, Any]:
        try:
            response = self.call(token, "PATCH", f"{_path(event_id)}?{_QUIETLY}", json=_event_body(request))
        except Rejected:
            # Google does not document how it refuses to change a deleted event, so check whether it is deleted.
            self._get(token, event_id)
            raise
        return self._check_event(response)

    def _check_event(self, response: ProviderResponse) -> dict[str, Any]:
        event = response.object()
        if event.get("status") == "cancelled":
            raise MeetingGone(FailedCall(self.name, "the event is deleted", status=response.status))
        if not isinstance(event.get("id"), str) or len(event["id"]) > LONGEST_ID:
            raise Ambiguous(FailedCall(self.name, "the event has no id", status=response.status))
        return event

    def _wait_for_conference(self, token: str, event: dict[str, Any]) -> dict[str, Any]:
        """Return the event when its conference is created or refused: Google may respond before that."""
        reads = 0
        while parse_event(event) is None and _conference_status(event) == "pending":
            if reads == _READS_WHILE_PENDING:
                raise Ambiguous(FailedCall(self.name, "the conference is still being created"))
            event = self._get(token, event["id"])
            reads += 1
        return event

    def _remove(self, token: str, event_id: str) -> None:
        with suppress(MeetingGone):
            self.delete(token, event_id)

    def _error_without_link(self, event: dict[str, Any]) -> ProviderError:
        if _conference_status(event) == "failure":
            return ProviderUnavailable(FailedCall(self.name, "the conference could not be created"))
        return Rejected(FailedCall(self.name, "no Meet on this calendar"), advice=_NO_MEET)


def _path(event_id: str) -> str:
    return f"{_EVENTS}/{quote(event_id, safe='')}"


def _event_body(request: MeetingRequest) -> dict[str, Any]:
    return {
        "summary": request.title[:_SUMMARY_LIMIT],
        "description": _description(request),
        "start": {"dateTime": _moment(request.starts_at)},
        "end": {"dateTime": _moment(request.ends_at)},
    }


def _description(request: MeetingRequest) -> str:
    """Return the description with the guests' names. They are text, because Google would email attendees."""
    # Google shows HTML tags in descriptions as markup. A name must not become a link.
    names = ", ".join(clean_line(name, _NAME_LIMIT).translate(_WITHOUT_TAGS) for name in request.guests)
    guests = f"{request.guests_label}: {names}" if names else ""
    if len(guests) > _GUESTS_LIMIT:
        guests = guests[: _GUESTS_LIMIT - 1] + "…"
    text = request.description[: _DESCRIPTION_LIMIT - len(guests) - len(_BETWEEN)]
    return _BETWEEN.join(part for part in (text, guests) if part)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _conference_status(event: dict[str, Any]) -> str | None:
    """Return `pending`, `success` or `failure`; None if no conference was requested."""
    value: Any = event
    for key in ("conferenceData", "createRequest", "status", "statusCode"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def parse_event(event: dict[str, Any]) -> ProviderMeeting | None:
    """Return the meeting of a calendar event; None if the event has no link."""
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
