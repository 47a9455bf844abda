"""Cisco Webex meetings, as an integration. Source: its Meetings OpenAPI (developer.webex.com/docs/api)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from msgspec import UNSET
from msgspec.structs import replace

from chalicelib.domain.cohost import CohostResult
from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience, Moderator
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting_plan import CreateSemantics
from chalicelib.domain.meeting_settings import (
    EITHER,
    MINUTES_BEFORE_HOST,
    MeetingSettings,
    PasscodeMode,
    PossibleSettings,
    RecordingMode,
)
from chalicelib.errors import Ambiguous, FailedCall, ProviderError, ProviderUnavailable, Rejected
from chalicelib.providers import webex_cohosts
from chalicelib.providers.base import OAuth, OAuthProvider
from chalicelib.providers.cohost_changes import CohostChange
from chalicelib.providers.http_client import HttpClient, ProviderResponse, parse_retry_after
from chalicelib.providers.parsing import LONGEST_ID, Phone, parse_meeting, parse_objects, parse_text
from chalicelib.providers.time_zones import TimeZones

_MEETINGS = "/v1/meetings"
_TITLE_LIMIT = 128
_AGENDA_LIMIT = 1300
_SHORTEST = timedelta(minutes=10)
_LONGEST = timedelta(hours=23, minutes=59)
_MINUTE = timedelta(minutes=1)
_LIST_FROM = timedelta(days=1)
_LIST_UNTIL = timedelta(days=3650)  # No meeting starts ten or more years in the future.
_PAGES = 100
_UNNAMED = "Meeting"
_NO_LOBBY, _LOBBY_FOR_ALL = "allowJoin", "allowJoinWithLobby"
_RECORDING = {True: RecordingMode.CLOUD, False: RecordingMode.NONE}
_SCOPES = ("meeting:schedules_write", "meeting:schedules_read", "spark:people_read")
_ADVICE = {
    400: "Webex does not accept the meeting's details. Check the booking's title and times.",
    403: "Webex does not allow this account to schedule meetings. Ask your Webex administrator for a licence to host "
    "meetings. If you have one, connect again.",
}
_TOO_LONG = "Webex meetings can last at most 23 hours and 59 minutes. Shorten the booking, or use another location."

_FREE_PLAN = "On a free plan, Webex ends meetings after 40 minutes."
_LOBBY = (
    "Your Webex settings make guests wait in the lobby. Change this on your Webex site under Preferences, Scheduling."
)
_BLOCKED = (
    "Your Webex settings block people who are not on Webex's own invitation, so guests cannot join. Change this on "
    "your Webex site under Preferences, Scheduling, or ask your Webex administrator."
)


class Webex(OAuthProvider):
    """Meetings of one Webex user. The create is not idempotent; the tag is the meeting's integration tag."""

    name = "webex"
    display_name = "Webex"
    needs = "A Webex account that may host meetings."
    limits = "Webex allows 100 new meetings in 24 hours for each host. Meetings last at least ten minutes."
    oauth = OAuth(
        authorize_path="/v1/authorize",
        token_path="/v1/access_token",  # noqa: S106
        revoke_path=None,  # Only administrators can revoke by API: people revoke access in their Webex settings.
        scope_sets=(frozenset(_SCOPES),),
        requested_scopes=_SCOPES,
        basic_auth=False,
        # Webex has no error code for this: github.com/webex/webex-js-sdk/pull/855
        invalid_grant_phrases=("refresh token provided is expired, revoked, malformed, or invalid",),
    )
    urls = {"OAUTH": "https://webexapis.com", "API": "https://webexapis.com"}
    create_semantics = CreateSemantics()
    possible_settings = PossibleSettings(
        waiting_room=EITHER,
        join_before_host_minutes=(*MINUTES_BEFORE_HOST, None),
        recording=(RecordingMode.NONE, RecordingMode.CLOUD),
        passcode=(PasscodeMode.ACCOUNT, PasscodeMode.GENERATE),  # Webex generates one for every meeting.
    )
    adds_cohosts = True
    no_place_advice = (
        "Webex finds no meeting site for this account. Ask your Webex administrator for a licence to host meetings."
    )

    def __init__(self, http: HttpClient, clock: Callable[[], datetime], urls: Mapping[str, str] | None = None) -> None:
        super().__init__(http, clock, urls)
        self._zones = TimeZones(lambda refusal: refusal.status == 400)

    def read_account(self, token: str) -> Account:
        body = self.call(token, "GET", "/v1/people/me").object()
        emails = body.get("emails")
        if not body.get("id") or not isinstance(emails, list) or not emails:
            raise Ambiguous(FailedCall(self.name, "people/me has no id or no address"))
        return Account(str(body["id"]), str(emails[0]), parse_text(body.get("orgId"), LONGEST_ID))

    def guest_experience(self, account: Account) -> GuestExperience:
        return GuestExperience(GuestEntry.ACCOUNT_SETTINGS, Moderator.HOST_ACCOUNT, notes=(_FREE_PLAN,))

    def observe_guest_experience(self, token: str, meeting: ProviderMeeting, account: Account) -> GuestExperience:
        body = self.call(token, "GET", f"{_MEETINGS}/{quote(meeting.id, safe='')}").object()
        security, is_early = body.get("unlockedMeetingJoinSecurity"), body.get("enabledJoinBeforeHost")
        if security not in (_NO_LOBBY, _LOBBY_FOR_ALL, "blockFromJoin"):
            return self.guest_experience(account)
        advice: tuple[str, ...]
        if security == _NO_LOBBY:
            admission, advice = GuestEntry.DIRECT if is_early else GuestEntry.HOST_FIRST, ()
        elif security == _LOBBY_FOR_ALL:
            admission, advice = GuestEntry.KNOCK, (_LOBBY,)
        else:
            admission, advice = GuestEntry.BLOCKED, (_BLOCKED,)
        return GuestExperience(admission, Moderator.HOST_ACCOUNT, notes=(*advice, _FREE_PLAN), is_observed=True)

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        if request.ends_at - request.starts_at > _LONGEST:  # Failed attempts count against the daily limit.
            raise Rejected(FailedCall(self.name, "the booking is too long"), advice=_TOO_LONG)
        send = partial(self.send_create, token, _MEETINGS)
        body, invitees = _body(request), webex_cohosts.write_invitees(request.cohosts)
        try:
            response = self._zones.send(body | invitees, send)
        except Rejected:
            if not invitees:
                raise
            response = self._zones.send(body, send)  # `set_cohosts` finds out who is refused.
        return _parse_meeting(response.object())

    def set_cohosts(self, token: str, meeting_id: str, change: CohostChange) -> tuple[CohostResult, ...]:
        call = self.guarded_call(token, change.before_each_call)
        return webex_cohosts.set_cohosts(call, meeting_id, change.emails, change.former)

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        if request.ends_at - request.starts_at > _LONGEST:
            raise Rejected(FailedCall(self.name, "the booking is too long"), advice=_TOO_LONG)
        path = f"{_MEETINGS}/{quote(meeting_id, safe='')}"
        self._zones.send(_body(request), lambda body: self._patch(token, path, body))
        return None

    def read_settings(self, token: str, meeting_id: str) -> MeetingSettings:
        return _read_settings(self.call(token, "GET", f"{_MEETINGS}/{quote(meeting_id, safe='')}").object())

    def _patch(self, token: str, path: str, body: dict[str, Any]) -> ProviderResponse:
        """Send PATCH as JSON, as other products do (cal.com); if Webex refuses it, with the media type of its OpenAPI.

        The OpenAPI declares JSON Patch's media type, but its body is not a JSON Patch. Repeating a PATCH is safe.
        """
        try:
            return self.call(token, "PATCH", path, json=body)
        except Rejected as refusal:
            if refusal.status not in (400, 415):
                raise
            try:
                return self.call(token, "PATCH", path, json=body, content_type="application/json-patch+json")
            except Rejected as other:
                raise (other if refusal.status == 415 else refusal) from None

    def delete(self, token: str, meeting_id: str) -> None:
        # By default, Webex emails the cancellation.
        self.call(token, "DELETE", f"{_MEETINGS}/{quote(meeting_id, safe='')}?sendEmail=false")

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        # Without from and to, Webex lists the next seven days only. The booking may have moved since a create without a
        # response, so list all times. A meeting without recurrence is a series of one, and has the series' id.
        now = self.now()
        query = {
            "integrationTag": request.tag,
            "meetingType": "meetingSeries",
            "current": "false",
            "from": _instant(now - _LIST_FROM),
            "to": _instant(now + _LIST_UNTIL),
            "max": "100",
        }
        path = f"{_MEETINGS}?{urlencode(query)}"
        meetings: list[dict[str, Any]] = []
        for _ in range(_PAGES):
            response = self.call(token, "GET", path)
            # Check the tag here too: settling deletes a meeting that it does not expect.
            meetings += [meeting for meeting in _read_list(response) if _has_tag(meeting, request.tag)]
            path = _next_page(response)
            if not path:
                return [_parse_meeting(meeting) for meeting in meetings]
        raise Ambiguous(FailedCall(self.name, "the list does not end"))

    def read_error(self, response: ProviderResponse) -> ProviderError | None:
        if response.status == 423:
            retry_at = parse_retry_after(response.headers, self.now())
            return ProviderUnavailable(self.failed_call(response, "the meeting is locked"), retry_at=retry_at)
        if 400 <= response.status < 500 and response.status not in (401, 404, 408, 410, 429):
            # A 403 can be a missing scope or a missing licence; scopes are checked when the host connects.
            advice = _ADVICE.get(response.status, _ADVICE[400])
            return Rejected(self.failed_call(response, "the request is refused"), advice=advice)
        return None

    def request_id(self, response: ProviderResponse) -> str | None:
        tracking_id = response.body.get("trackingId") if isinstance(response.body, dict) else None
        return response.headers.get("trackingid") or (tracking_id if isinstance(tracking_id, str) else None)


def _body(request: MeetingRequest) -> dict[str, Any]:
    # Webex removes the seconds of a start, and moves a start within the current minute to the next one.
    starts_at = request.starts_at.astimezone(UTC)
    ends_at = max(_round_up(request.ends_at.astimezone(UTC)), _round_up(starts_at) + _SHORTEST)
    return {
        "title": _cut(request.title.strip(), _TITLE_LIMIT) or _UNNAMED,
        "agenda": _cut(request.description, _AGENDA_LIMIT),
        "start": _instant(starts_at),
        "end": _instant(ends_at),
        "timezone": request.time_zone,
        "sendEmail": False,
        # Send the tags on every update: null deletes them, and Webex may treat a missing field as null.
        "integrationTags": [request.tag],
    } | _write_settings(request.settings)


def _write_settings(settings: MeetingSettings) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if settings.waiting_room is not UNSET:
        fields["unlockedMeetingJoinSecurity"] = _LOBBY_FOR_ALL if settings.waiting_room else _NO_LOBBY
    if settings.recording is not UNSET:
        fields["enabledAutoRecordMeeting"] = settings.recording is RecordingMode.CLOUD
    minutes = settings.join_before_host_minutes
    if minutes is not UNSET:
        fields["enabledJoinBeforeHost"] = minutes is not None
        fields |= {} if minutes is None else {"joinBeforeHostMinutes": minutes}
    return fields


def _read_settings(meeting: dict[str, Any]) -> MeetingSettings:
    security, recording = meeting.get("unlockedMeetingJoinSecurity"), meeting.get("enabledAutoRecordMeeting")
    is_early, minutes = meeting.get("enabledJoinBeforeHost"), meeting.get("joinBeforeHostMinutes", 0)
    before_host = minutes if is_early is True and minutes in MINUTES_BEFORE_HOST else UNSET
    return MeetingSettings(
        waiting_room=security != _NO_LOBBY if isinstance(security, str) else UNSET,
        join_before_host_minutes=None if is_early is False else before_host,
        recording=_RECORDING[recording] if isinstance(recording, bool) else UNSET,
        passcode=PasscodeMode.GENERATE if meeting.get("password") else UNSET,
    )


def _round_up(moment: datetime) -> datetime:
    """Round up to a whole minute."""
    return moment + (datetime.min - moment.replace(tzinfo=None)) % _MINUTE


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _cut(text: str, limit: int) -> str:
    """Cut `text` to `limit` UTF-16 units, the strictest meaning of a character."""
    return text.encode("utf-16-le", "replace")[: 2 * limit].decode("utf-16-le", "ignore")


def _read_list(response: ProviderResponse) -> list[dict[str, Any]]:
    """Return the listed meetings. An unreadable list must not count as empty: a second meeting would be created."""
    items = response.object().get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) and item.get("id") for item in items):
        raise Ambiguous(FailedCall(Webex.name, "the list is unreadable", status=response.status))
    return items


def _has_tag(meeting: dict[str, Any], tag: str) -> bool:
    tags = meeting.get("integrationTags")
    return isinstance(tags, list) and tag in tags


def _next_page(response: ProviderResponse) -> str:
    """Return path and query of the next page (RFC 8288), or an empty string. The token is sent to no other host."""
    link = re.search(r'<([^>]+)>\s*;\s*rel="?next"?', response.headers.get("Link", ""))
    if link is None:
        return ""
    parts = urlsplit(link[1])
    return f"{parts.path}?{parts.query}"


def _parse_meeting(body: dict[str, Any]) -> ProviderMeeting:
    # `hostKey` admits anyone as the host, so it is never read.
    meeting_id, telephony = body.get("meetingSeriesId") or body.get("id"), body.get("telephony")
    phones = _parse_phones(telephony) if isinstance(telephony, dict) else []
    link, passcode = body.get("webLink"), body.get("password")
    meeting = parse_meeting(Webex.name, meeting_id, link, passcode=passcode, phones=phones)
    return replace(meeting, settings=_read_settings(body))


def _parse_phones(telephony: dict[str, Any]) -> list[Phone]:
    numbers = parse_objects(telephony.get("callInNumbers"))
    return [Phone(entry.get("callInNumber"), telephony.get("accessCode")) for entry in numbers]
