"""Cisco Webex meetings, as an integration. The rules are from its Meetings OpenAPI (developer.webex.com/docs/api)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience, Moderator
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting_plan import CreateSemantics
from chalicelib.errors import Ambiguous, FailedCall, ProviderError, ProviderUnavailable, Rejected
from chalicelib.providers.base import OAuth, OAuthProvider
from chalicelib.providers.http_client import HttpClient, ProviderResponse, parse_retry_after
from chalicelib.providers.parsing import LONGEST_ID, Phone, parse_meeting, parse_objects, parse_text
from chalicelib.providers.time_zones import TimeZones

_MEETINGS = "/v1/meetings"
_TITLE_LIMIT = 128
_AGENDA_LIMIT = 1300
_SHORTEST = timedelta(minutes=10)
_LONGEST = timedelta(hours=23, minutes=59)
_MINUTE = timedelta(minutes=1)
_LOOKS_BACK = timedelta(days=1)
_LOOKS_AHEAD = timedelta(days=3650)  # No meeting starts ten years or more in the future.
_PAGES = 100
_UNNAMED = "Meeting"
_SCOPES = ("meeting:schedules_write", "meeting:schedules_read", "spark:people_read")
_ADVICE = {
    400: "Webex does not accept the meeting's details. Check the booking's title and times.",
    403: "Webex does not let this account schedule meetings. Ask your Webex administrator for a licence that hosts "
    "meetings. If it has one, connect again.",
}
_TOO_LONG = "Webex meetings last at most 23 hours and 59 minutes. Shorten the booking, or use another location."

_FREE_PLAN = "Webex ends meetings of free plans after 40 minutes."
_LOBBY = "Your Webex settings keep guests in the lobby. Change this on your Webex site under Preferences, Scheduling."
_BLOCKED = (
    "Your Webex settings block people who are not on Webex's own invitation: guests cannot join. Change this on your "
    "Webex site under Preferences, Scheduling, or ask your Webex administrator."
)


class Webex(OAuthProvider):
    """One Webex user's meetings. Webex has no idempotent create: the tag is the meeting's integration tag."""

    name = "webex"
    display_name = "Webex"
    needs = "A Webex account that may host meetings."
    limits = "Webex allows 100 new meetings in 24 hours for each host. Bookings under ten minutes get ten."
    oauth = OAuth(
        authorize_path="/v1/authorize",
        token_path="/v1/access_token",  # noqa: S106
        revoke_path=None,  # Only for administrators: people let go in their own settings.
        scope_sets=(frozenset(_SCOPES),),
        requested_scopes=_SCOPES,
        basic_auth=False,
        # Webex has no code for it: github.com/webex/webex-js-sdk/pull/855
        invalid_grant_phrases=("refresh token provided is expired, revoked, malformed, or invalid",),
    )
    urls = {"OAUTH": "https://webexapis.com", "API": "https://webexapis.com"}
    create_semantics = CreateSemantics()
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
            raise Ambiguous(FailedCall(self.name, "people/me answered without an id or an address"))
        return Account(str(body["id"]), str(emails[0]), parse_text(body.get("orgId"), LONGEST_ID))

    def guest_experience(self, account: Account) -> GuestExperience:
        return GuestExperience(GuestEntry.ACCOUNT_SETTINGS, Moderator.HOST_ACCOUNT, notes=(_FREE_PLAN,))

    def observe_guest_experience(self, token: str, meeting: ProviderMeeting, account: Account) -> GuestExperience:
        body = self.call(token, "GET", f"{_MEETINGS}/{quote(meeting.id, safe='')}").object()
        security, is_early = body.get("unlockedMeetingJoinSecurity"), body.get("enabledJoinBeforeHost")
        if security not in ("allowJoin", "allowJoinWithLobby", "blockFromJoin"):
            return self.guest_experience(account)
        advice: tuple[str, ...]
        if security == "allowJoin":
            admission, advice = GuestEntry.DIRECT if is_early else GuestEntry.HOST_FIRST, ()
        elif security == "allowJoinWithLobby":
            admission, advice = GuestEntry.KNOCK, (_LOBBY,)
        else:
            admission, advice = GuestEntry.BLOCKED, (_BLOCKED,)
        return GuestExperience(admission, Moderator.HOST_ACCOUNT, notes=(*advice, _FREE_PLAN), is_observed=True)

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        if request.ends_at - request.starts_at > _LONGEST:  # Failed tries count against the daily limit.
            raise Rejected(FailedCall(self.name, "too long"), advice=_TOO_LONG)
        response = self._zones.send(_body(request), lambda body: self.send_create(token, _MEETINGS, body))
        return _meeting(response.object())

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        if request.ends_at - request.starts_at > _LONGEST:
            raise Rejected(FailedCall(self.name, "too long"), advice=_TOO_LONG)
        path = f"{_MEETINGS}/{quote(meeting_id, safe='')}"
        self._zones.send(_body(request), lambda body: self._patch(token, path, body))
        return None

    def _patch(self, token: str, path: str, body: dict[str, Any]) -> ProviderResponse:
        """PATCH as JSON, as other products do (cal.com), and after a refusal under the contract's own media type.

        The contract names JSON Patch's type for a body that is no JSON Patch. A repeated PATCH does no harm.
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
        # Webex would mail the cancellation itself.
        self.call(token, "DELETE", f"{_MEETINGS}/{quote(meeting_id, safe='')}?sendEmail=false")

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        # Without from and to only the next seven days are listed. A create without an response may have had other times
        # than the booking has by now. A meeting without recurrence is a series of one, and its id is the series'.
        now = self.now()
        query = {
            "integrationTag": request.tag,
            "meetingType": "meetingSeries",
            "current": "false",
            "from": _instant(now - _LOOKS_BACK),
            "to": _instant(now + _LOOKS_AHEAD),
            "max": "100",
        }
        path = f"{_MEETINGS}?{urlencode(query)}"
        found: list[dict[str, Any]] = []
        for _ in range(_PAGES):
            response = self.call(token, "GET", path)
            # Only what shows the tag itself: the settler deletes what it did not expect.
            found += [meeting for meeting in _listed(response) if _carries(meeting, request.tag)]
            path = _next_page(response)
            if not path:
                return [_meeting(meeting) for meeting in found]
        raise Ambiguous(FailedCall(self.name, "a list without end"))

    def read_error(self, response: ProviderResponse) -> ProviderError | None:
        if response.status == 423:
            at = parse_retry_after(response.headers, self.now())
            return ProviderUnavailable(self.failed_call(response, "locked for now"), retry_at=at)
        if 400 <= response.status < 500 and response.status not in (401, 404, 408, 410, 429):
            # 403 tells a missing scope not from a missing licence; scopes are checked when connecting.
            advice = _ADVICE.get(response.status, _ADVICE[400])
            return Rejected(self.failed_call(response, "the request is refused"), advice=advice)
        return None

    def request_id(self, response: ProviderResponse) -> str | None:
        told = response.body.get("trackingId") if isinstance(response.body, dict) else None
        return response.headers.get("trackingid") or (told if isinstance(told, str) else None)


def _body(request: MeetingRequest) -> dict[str, Any]:
    # Webex strips the seconds of a start, and moves one within the current minute to the next.
    starts_at = request.starts_at.astimezone(UTC)
    ends_at = max(_whole_minutes(request.ends_at.astimezone(UTC)), _whole_minutes(starts_at) + _SHORTEST)
    return {
        "title": _cut(request.title.strip(), _TITLE_LIMIT) or _UNNAMED,
        "agenda": _cut(request.description, _AGENDA_LIMIT),
        "start": _instant(starts_at),
        "end": _instant(ends_at),
        "timezone": request.time_zone,
        "sendEmail": False,
        # Also when changing: null, which absent may be taken for, deletes the tags.
        "integrationTags": [request.tag],
    }


def _whole_minutes(moment: datetime) -> datetime:
    """`moment`, up to the next whole minute."""
    return moment + (datetime.min - moment.replace(tzinfo=None)) % _MINUTE


def _instant(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _cut(text: str, limit: int) -> str:
    """`text` in at most `limit` UTF-16 units, the strictest meaning of a character."""
    return text.encode("utf-16-le", "replace")[: 2 * limit].decode("utf-16-le", "ignore")


def _listed(response: ProviderResponse) -> list[dict[str, Any]]:
    """A list that cannot be read must not pass for an empty one: a second meeting would be made."""
    items = response.object().get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) and item.get("id") for item in items):
        raise Ambiguous(FailedCall(Webex.name, "a list without meetings", status=response.status))
    return items


def _carries(meeting: dict[str, Any], tag: str) -> bool:
    tags = meeting.get("integrationTags")
    return isinstance(tags, list) and tag in tags


def _next_page(response: ProviderResponse) -> str:
    """Path and query of the next page (RFC 8288), empty if there is none; the token goes to no other host."""
    link = re.search(r'<([^>]+)>\s*;\s*rel="?next"?', response.headers.get("Link", ""))
    if link is None:
        return ""
    parts = urlsplit(link[1])
    return f"{parts.path}?{parts.query}"


def _meeting(body: dict[str, Any]) -> ProviderMeeting:
    # hostKey lets anyone in as the host: it is left behind here.
    meeting_id, telephony = body.get("meetingSeriesId") or body.get("id"), body.get("telephony")
    phones = _phones(telephony) if isinstance(telephony, dict) else []
    return parse_meeting(Webex.name, meeting_id, body.get("webLink"), passcode=body.get("password"), phones=phones)


def _phones(telephony: dict[str, Any]) -> list[Phone]:
    numbers = parse_objects(telephony.get("callInNumbers"))
    return [Phone(one.get("callInNumber"), telephony.get("accessCode")) for one in numbers]
