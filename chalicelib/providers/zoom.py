"""Zoom, as a user-managed OAuth app. Source: developers.zoom.us/docs/api and its Meetings OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from msgspec.structs import replace

from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience, Moderator
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting_plan import CreateSemantics
from chalicelib.domain.meeting_report import MeetingReport
from chalicelib.domain.meeting_settings import (
    EITHER,
    MINUTES_BEFORE_HOST,
    MeetingSettings,
    PasscodeMode,
    PossibleSettings,
    RecordingMode,
)
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
from chalicelib.observability import count
from chalicelib.providers import zoom_events, zoom_settings
from chalicelib.providers.base import Event, OAuth, OAuthProvider
from chalicelib.providers.http_client import HttpClient, ProviderResponse, parse_retry_after
from chalicelib.providers.parsing import LONGEST_ID, Phone, parse_meeting, parse_objects, parse_text
from chalicelib.providers.time_zones import TimeZones

_TOPIC_LIMIT = 200
_AGENDA_LIMIT = 2000
_PAGES = 100
_LONGEST_ADDRESS = 320
_GRANULAR = frozenset(
    {
        "meeting:write:meeting",
        "meeting:update:meeting",
        "meeting:delete:meeting",
        "meeting:read:meeting",
        "meeting:read:list_meetings",
        "user:read:user",
    }
)
_CLASSIC = frozenset({"meeting:write", "meeting:read", "user:read"})
# The code in the body takes precedence over the status: Zoom sends 4711 with both 400 and 401.
_BY_CODE: dict[str, tuple[type[ProviderError], str]] = {
    "124": (TokenRejected, "the access token is not accepted"),
    "1001": (ReconnectNeeded, "the user no longer exists"),
    "3001": (MeetingGone, "the meeting does not exist"),
    "4711": (ReconnectNeeded, "a scope is missing"),
}
_INVALID = "300"
_ADVICE = {
    _INVALID: "Zoom does not accept the meeting's details. Check the booking's title and times.",
    "3161": "This Zoom user is not allowed to host meetings. Ask your Zoom administrator for a licence or permission.",
}

_BASIC = 1
_BASIC_LIMIT_MINUTES = 40
_OWN_SETTINGS = (
    "This depends on your settings at zoom.us: Settings, Meeting, “Waiting Room” and “Allow participants to join "
    "before host”."
)
_ONLY_SIGNED_IN = (
    "Your Zoom settings admit only people who are signed in at Zoom, so guests without an account cannot join."
)


class Zoom(OAuthProvider):
    """Meetings of one Zoom user. The create is not idempotent; the tag is the first line of the agenda."""

    name = "zoom"
    display_name = "Zoom"
    needs = "A Zoom account. Its administrator may have to allow the app first."
    limits = (
        "Zoom allows 100 new or changed meetings a day for each host. On a free account, meetings end after 40 minutes."
    )
    # Scopes are configured on the app at Zoom, so they are checked but not requested.
    oauth = OAuth(
        authorize_path="/oauth/authorize",
        token_path="/oauth/token",  # noqa: S106
        revoke_path="/oauth/revoke",
        scope_sets=(_GRANULAR, _CLASSIC),
        # The owner is gone; the token is revoked; Zoom or an administrator disabled the app; the app's scopes changed
        # since the grant (developers.zoom.us/docs/integrations/oauth-error-messages).
        invalid_grant_codes=frozenset({"4735", "4741", "4717", "4737", "4738", "4711"}),
        invalid_client_codes=frozenset({"invalid_client", "unauthorized_client", "4702", "4704"}),
    )
    urls = {"OAUTH": "https://zoom.us", "API": "https://api.zoom.us"}
    create_semantics = CreateSemantics()
    possible_settings = PossibleSettings(
        waiting_room=EITHER,
        join_before_host_minutes=(*MINUTES_BEFORE_HOST, None),
        recording=tuple(RecordingMode),
        mute_on_entry=EITHER,
        summary=EITHER,
        passcode=tuple(PasscodeMode),
    )
    reports_meetings = True

    def __init__(self, http: HttpClient, clock: Callable[[], datetime], urls: Mapping[str, str] | None = None) -> None:
        super().__init__(http, clock, urls)
        self._zones = TimeZones(lambda refusal: refusal.code == _INVALID)

    def read_account(self, token: str) -> Account:
        body = self.call(token, "GET", "/v2/users/me").object()
        account_id = parse_text(body.get("id"), LONGEST_ID)
        if account_id is None:
            raise Ambiguous(FailedCall(self.name, "users/me has no id"))
        email = parse_text(body.get("email"), _LONGEST_ADDRESS) or ""
        return Account(account_id, email, parse_text(body.get("account_id"), LONGEST_ID))

    def guest_experience(self, account: Account) -> GuestExperience:
        return GuestExperience(GuestEntry.ACCOUNT_SETTINGS, Moderator.HOST_ACCOUNT, notes=(_OWN_SETTINGS,))

    def observe_guest_experience(self, token: str, meeting: ProviderMeeting, account: Account) -> GuestExperience:
        settings = self.call(token, "GET", f"/v2/meetings/{meeting.id}").object().get("settings")
        if not isinstance(settings, dict) or "waiting_room" not in settings:
            return self.guest_experience(account)
        # Zoom ignores join_before_host if there is a waiting room.
        admission = GuestEntry.DIRECT if settings.get("join_before_host") else GuestEntry.HOST_FIRST
        if settings["waiting_room"]:
            admission = GuestEntry.KNOCK
        notes: tuple[str, ...] = () if admission is GuestEntry.DIRECT else (_OWN_SETTINGS,)
        if settings.get("meeting_authentication"):
            notes += (_ONLY_SIGNED_IN,)
        is_basic = self.call(token, "GET", "/v2/users/me").object().get("type") == _BASIC
        limit = _BASIC_LIMIT_MINUTES if is_basic else None
        return GuestExperience(admission, Moderator.HOST_ACCOUNT, limit, notes, is_observed=True)

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        # Zoom uses the host's own settings for those not sent. A personal meeting id would give all bookings the same
        # link, and registration would put a form before it.
        settings = {"use_pmi": False, "approval_type": 2} | zoom_settings.write(request.settings)
        body = _body(request) | {"type": 2, "settings": settings}
        send = partial(self.send_create, token, "/v2/users/me/meetings")
        passcode = zoom_settings.write_passcode(request.settings)
        try:
            response = self._zones.send(body | passcode, send)
        except Rejected as error:
            if "password" not in passcode or error.code != _INVALID:
                raise
            # The account's rules for passcodes may be stricter, so let Zoom generate one.
            response = self._zones.send(body, send)
        _count_daily_use(response)
        return _parse_meeting(response.object())

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        path = f"/v2/meetings/{meeting_id}"
        settings = zoom_settings.write(request.settings)
        body = _body(request) | ({"settings": settings} if settings else {})
        response = self._zones.send(body, lambda body: self.call(token, "PATCH", path, json=body))
        _count_daily_use(response)
        _require_no_content(response)
        return None

    def delete(self, token: str, meeting_id: str) -> None:
        # By default, Zoom emails the cancellation.
        query = urlencode({"schedule_for_reminder": "false", "cancel_meeting_reminder": "false"})
        _require_no_content(self.call(token, "DELETE", f"/v2/meetings/{meeting_id}?{query}"))

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        candidates: list[dict[str, Any]] = []
        page = ""
        for _ in range(_PAGES):
            query = {"type": "scheduled", "page_size": "300"} | ({"next_page_token": page} if page else {})
            body = self.call(token, "GET", f"/v2/users/me/meetings?{urlencode(query)}").object()
            candidates += [meeting for meeting in _read_list(body) if _may_have_tag(meeting, request)]
            page = body.get("next_page_token") or ""
            if not page:
                return [
                    meeting for listed in candidates for meeting in self._read_if_tagged(token, listed, request.tag)
                ]
        raise Ambiguous(FailedCall(self.name, "the list does not end"))

    def _read_if_tagged(self, token: str, listed: dict[str, Any], tag: str) -> list[ProviderMeeting]:
        """Return the complete meeting if it has the tag. Lists contain neither passcode nor dial-in numbers."""
        with suppress(MeetingGone):
            body = self.call(token, "GET", f"/v2/meetings/{listed['id']}").object()
            if _has_tag(listed, tag) or _has_tag(body, tag):
                return [_parse_meeting(body)]
        return []

    def read_settings(self, token: str, meeting_id: str) -> MeetingSettings:
        return zoom_settings.read(self.call(token, "GET", f"/v2/meetings/{meeting_id}").object())

    def read_event(self, headers: Mapping[str, str], raw: bytes, secret: str) -> Event | None:
        return zoom_events.read_event(headers, raw, secret, self.now())

    def reports_own_change(self, report: MeetingReport, request: MeetingRequest) -> bool:
        return zoom_events.changes_only(report.changes, _body(request))

    def read_error(self, response: ProviderResponse) -> ProviderError | None:
        body = response.body if isinstance(response.body, dict) else {}
        code, message = str(body.get("code", "")), str(body.get("message", ""))
        reported = code or None
        if "does not contain scopes" in message:
            code = "4711"
        if code in _BY_CODE:
            error_class, what = _BY_CODE[code]
            return error_class(self.failed_call(response, what, code=reported))
        if response.status == 429:
            _count_daily_use(response)
            retry_at = self._limit_ends_at(response)
            call = self.failed_call(response, "rate limit", code=reported)
            return ProviderUnavailable(call, retry_at=retry_at, reason="rate_limited")
        if response.status < 500 and code in _ADVICE:
            call = self.failed_call(response, "the request is refused", code=reported)
            return Rejected(call, advice=_ADVICE[code])
        return None

    def request_id(self, response: ProviderResponse) -> str | None:
        return response.headers.get("x-zm-trackingid")

    def _limit_ends_at(self, response: ProviderResponse) -> datetime | None:
        retry_at = parse_retry_after(response.headers, self.now())
        if retry_at is None and response.headers.get("X-RateLimit-Type", "").lower().startswith("daily"):
            retry_at = self.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return retry_at


def _body(request: MeetingRequest) -> dict[str, Any]:
    minutes = -(-int((request.ends_at - request.starts_at).total_seconds()) // 60)
    return {
        "topic": request.title[:_TOPIC_LIMIT],
        "agenda": f"{request.tag}\n{request.description}".strip()[:_AGENDA_LIMIT],
        "start_time": _instant(request.starts_at),
        "duration": max(minutes, 1),
        "timezone": request.time_zone,
    }


def _count_daily_use(response: ProviderResponse) -> None:
    """Count which percentage of the daily creates and updates the host has used.

    Zoom returns the remaining number in headers (devforum.zoom.us/t/59670), which its OpenAPI does not mention.
    """
    limit, remaining = (response.headers.get(f"X-RateLimit-{name}", "") for name in ("Limit", "Remaining"))
    is_numeric = limit.isascii() and limit.isdigit() and remaining.isascii() and remaining.isdigit()
    if is_numeric and int(limit[:9]) > 0 and not response.headers.get("X-RateLimit-Type", "").lower().startswith("qps"):
        count("DailyLimitUsed", 100 - 100 * int(remaining[:9]) / int(limit[:9]), "Percent", provider=Zoom.name)


def _require_no_content(response: ProviderResponse) -> None:
    """Raise `Ambiguous` unless Zoom changed or deleted the meeting (204); a 200 may contain an error."""
    if response.status != 204 and response.body is not None:
        raise Ambiguous(FailedCall(Zoom.name, "success with an unexpected body", status=response.status))


def _read_list(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the listed meetings. An unreadable list must not count as empty: a second meeting would be created."""
    meetings = body.get("meetings")
    listed = parse_objects(meetings)
    if listed != meetings or not all(parse_text(meeting.get("id"), LONGEST_ID) for meeting in listed):
        raise Ambiguous(FailedCall(Zoom.name, "the list is unreadable"))
    return listed


def _may_have_tag(listed: dict[str, Any], request: MeetingRequest) -> bool:
    """Whether a listed meeting may have the tag: if it has no agenda, it may if it has the same start.

    Zoom documents that lists contain the first 250 characters of the agenda. Recorded lists omit an empty agenda, and
    there is no recording of a list with one, so Zoom may omit every agenda.
    """
    return _has_tag(listed, request.tag) or (
        not listed.get("agenda") and listed.get("start_time") == _instant(request.starts_at)
    )


def _has_tag(meeting: dict[str, Any], tag: str) -> bool:
    return str(meeting.get("agenda", "")).startswith(tag)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parse_meeting(body: dict[str, Any]) -> ProviderMeeting:
    # `start_url` admits anyone as the host, so it is never read.
    settings = body.get("settings")
    numbers = parse_objects(settings.get("global_dial_in_numbers")) if isinstance(settings, dict) else []
    code, passcode = body.get("id"), body.get("pstn_password")
    phones = [Phone(entry.get("number"), code, entry.get("country"), entry.get("city"), passcode) for entry in numbers]
    meeting = parse_meeting(
        Zoom.name, body.get("id"), body.get("join_url"), passcode=body.get("password"), phones=phones
    )
    return replace(meeting, settings=zoom_settings.read(body))
