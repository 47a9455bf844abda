"""Zoom, as a user-managed OAuth app. Source: developers.zoom.us/docs/api and its Meetings OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode

from msgspec.structs import replace

from chalicelib.domain.cohost import CohostResult, CohostState
from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience, Moderator
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting_plan import CreateSemantics
from chalicelib.domain.meeting_report import MeetingReport
from chalicelib.domain.meeting_settings import EVERY_SETTING, MeetingSettings
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
from chalicelib.observability import log
from chalicelib.providers import zoom_events, zoom_meetings, zoom_settings
from chalicelib.providers.base import Event, OAuth, OAuthProvider
from chalicelib.providers.cohost_changes import CohostChange
from chalicelib.providers.http_client import HttpClient, ProviderResponse, parse_retry_after
from chalicelib.providers.parsing import LONGEST_ID, parse_text
from chalicelib.providers.time_zones import TimeZones

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

_NO_COHOST = (
    "Zoom does not accept this co-host. Co-hosts need a licensed user of the host's Zoom account, with this address. "
    "Correct this at Zoom, then retry the booking."
)
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
    possible_settings = EVERY_SETTING
    adds_cohosts = True
    meetings_at_once = 1  # Two with Business, Education and Enterprise: support.zoom.com KB0068522.
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
        """Create the meeting with its co-hosts and passcode; if Zoom refuses one of them, without it.

        A single co-host is then known to be refused. Of several, `set_cohosts` finds out which.
        """
        send = partial(self.send_create, token, "/v2/users/me/meetings")
        for cohosts, passcode in zoom_settings.write_options(request):
            try:
                response = self._zones.send(_new_meeting(request, cohosts) | passcode, send)
            except Rejected as error:
                if not cohosts and "password" not in passcode:
                    raise
                log.info("a co-host or the passcode may be refused", provider=self.name, code=error.code)
            else:
                break
        zoom_meetings.count_daily_use(response)
        is_known = bool(cohosts) or len(request.cohosts) == 1
        results = (_added(email) if cohosts else _failed(email) for email in request.cohosts if is_known)
        return replace(zoom_meetings.read_meeting(response.object()), cohosts=tuple(results))

    def set_cohosts(self, token: str, meeting_id: str, change: CohostChange) -> tuple[CohostResult, ...]:
        emails, call = change.emails, self.guarded_call(token, change.before_each_call)
        accepts = partial(self._accepts_cohosts, call, meeting_id)
        if accepts(emails):
            return tuple(_added(email) for email in emails)
        accepted: tuple[str, ...] = ()
        for email in emails if len(emails) > 1 else ():
            if accepts((*accepted, email)):
                accepted = (*accepted, email)
        if not accepted:
            accepts(())  # The former ones must go.
        return tuple(_added(email) if email in accepted else _failed(email) for email in emails)

    def _accepts_cohosts(self, call: Callable[..., ProviderResponse], meeting_id: str, emails: tuple[str, ...]) -> bool:
        body = {"settings": zoom_settings.write_cohosts(emails)}
        try:
            zoom_meetings.require_no_content(call("PATCH", f"/v2/meetings/{meeting_id}", json=body))
        except Rejected as error:
            log.info("the co-hosts are refused", provider=self.name, code=error.code)
            return False
        return True

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        path = f"/v2/meetings/{meeting_id}"
        settings = zoom_settings.write(request.settings)
        body = zoom_meetings.write_meeting(request) | ({"settings": settings} if settings else {})
        response = self._zones.send(body, lambda body: self.call(token, "PATCH", path, json=body))
        zoom_meetings.count_daily_use(response)
        zoom_meetings.require_no_content(response)
        return None

    def delete(self, token: str, meeting_id: str) -> None:
        # By default, Zoom emails the cancellation.
        query = urlencode({"schedule_for_reminder": "false", "cancel_meeting_reminder": "false"})
        zoom_meetings.require_no_content(self.call(token, "DELETE", f"/v2/meetings/{meeting_id}?{query}"))

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        candidates: list[dict[str, Any]] = []
        page = ""
        for _ in range(_PAGES):
            query = {"type": "scheduled", "page_size": "300"} | ({"next_page_token": page} if page else {})
            body = self.call(token, "GET", f"/v2/users/me/meetings?{urlencode(query)}").object()
            candidates += [
                meeting for meeting in zoom_meetings.read_list(body) if zoom_meetings.may_have_tag(meeting, request)
            ]
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
            if zoom_meetings.has_tag(listed, tag) or zoom_meetings.has_tag(body, tag):
                return [zoom_meetings.read_meeting(body)]
        return []

    def read_settings(self, token: str, meeting_id: str) -> MeetingSettings:
        return zoom_settings.read(self.call(token, "GET", f"/v2/meetings/{meeting_id}").object())

    def read_event(self, headers: Mapping[str, str], raw: bytes, secret: str) -> Event | None:
        return zoom_events.read_event(headers, raw, secret, self.now())

    def reports_own_change(self, report: MeetingReport, request: MeetingRequest) -> bool:
        return zoom_events.changes_only(report.changes, zoom_meetings.write_meeting(request))

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
            zoom_meetings.count_daily_use(response)
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


def _new_meeting(request: MeetingRequest, cohosts: tuple[str, ...]) -> dict[str, Any]:
    # Zoom uses the host's own settings for those not sent. A personal meeting id would give all bookings the same link,
    # and registration would put a form before it.
    settings = {"use_pmi": False, "approval_type": 2} | zoom_settings.write(request.settings)
    settings |= zoom_settings.write_cohosts(cohosts) if cohosts else {}
    return zoom_meetings.write_meeting(request) | {"type": 2, "settings": settings}


def _added(email: str) -> CohostResult:
    return CohostResult(email, CohostState.HOST)


def _failed(email: str) -> CohostResult:
    return CohostResult(email, CohostState.FAILED, _NO_COHOST)
