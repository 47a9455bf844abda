"""Zoom, as a user-managed OAuth app. The rules are from developers.zoom.us/docs/api and its Meetings OpenAPI."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience, Moderator
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
from chalicelib.observability import count
from chalicelib.providers.base import Deauthorized, Event, Ignored, OAuth, OAuthProvider, Reply
from chalicelib.providers.http_client import HttpClient, ProviderResponse, parse_retry_after
from chalicelib.providers.parsing import LONGEST_ID, Phone, parse_meeting, parse_objects, parse_text
from chalicelib.providers.time_zones import TimeZones

_FRESH_SECONDS = 300
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
# The body's code decides before the status does: Zoom sends 4711 as 400 and as 401.
_BY_CODE: dict[str, tuple[type[ProviderError], str]] = {
    "124": (TokenRejected, "the access token is not accepted"),
    "1001": (ReconnectNeeded, "the user does not exist any more"),
    "3001": (MeetingGone, "the meeting does not exist"),
    "4711": (ReconnectNeeded, "a scope is missing"),
}
_ADVICE = {
    "300": "Zoom does not accept the meeting's details. Check the booking's title and times.",
    "3161": "This Zoom user may not host meetings. Ask the Zoom administrator for a licence or permission.",
}

_BASIC = 1
_BASIC_LIMIT_MINUTES = 40
_OWN_SETTINGS = (
    "Your settings at zoom.us decide this: under Settings, Meeting, see “Waiting Room” and “Allow participants to join "
    "before host”."
)
_ONLY_SIGNED_IN = (
    "Your Zoom settings admit only people who are signed in at Zoom: guests without an account cannot join."
)


class Zoom(OAuthProvider):
    """One Zoom user's meetings. Zoom has no idempotent create: the tag stands first in the agenda instead."""

    name = "zoom"
    display_name = "Zoom"
    needs = "A Zoom account. Its administrator may have to allow the app first."
    limits = (
        "Zoom allows 100 new or changed meetings a day for each host, and ends those of free accounts after 40 minutes."
    )
    # Scopes are configured on the app at Zoom, not asked for; only their presence is checked.
    oauth = OAuth(
        authorize_path="/oauth/authorize",
        token_path="/oauth/token",  # noqa: S106
        revoke_path="/oauth/revoke",
        scope_sets=(_GRANULAR, _CLASSIC),
        # The owner is gone, the token was revoked; the app was switched off, by Zoom or by an administrator; the app's
        # scopes changed since the grant (developers.zoom.us/docs/integrations/oauth-error-messages).
        invalid_grant_codes=frozenset({"4735", "4741", "4717", "4737", "4738", "4711"}),
        invalid_client_codes=frozenset({"invalid_client", "unauthorized_client", "4702", "4704"}),
    )
    urls = {"OAUTH": "https://zoom.us", "API": "https://api.zoom.us"}
    create_semantics = CreateSemantics()

    def __init__(self, http: HttpClient, clock: Callable[[], datetime], urls: Mapping[str, str] | None = None) -> None:
        super().__init__(http, clock, urls)
        self._zones = TimeZones(lambda refusal: refusal.code == "300")

    def read_account(self, token: str) -> Account:
        body = self.call(token, "GET", "/v2/users/me").object()
        account_id = parse_text(body.get("id"), LONGEST_ID)
        if account_id is None:
            raise Ambiguous(FailedCall(self.name, "users/me answered without an id"))
        email = parse_text(body.get("email"), _LONGEST_ADDRESS) or ""
        return Account(account_id, email, parse_text(body.get("account_id"), LONGEST_ID))

    def guest_experience(self, account: Account) -> GuestExperience:
        return GuestExperience(GuestEntry.ACCOUNT_SETTINGS, Moderator.HOST_ACCOUNT, notes=(_OWN_SETTINGS,))

    def observe_guest_experience(self, token: str, meeting: ProviderMeeting, account: Account) -> GuestExperience:
        settings = self.call(token, "GET", f"/v2/meetings/{meeting.id}").object().get("settings")
        if not isinstance(settings, dict) or "waiting_room" not in settings:
            return self.guest_experience(account)
        # Zoom ignores join_before_host where there is a waiting room.
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
        # Settings that are not sent follow the host's own. A personal meeting id would be shared by all bookings,
        # and registration would put a form before the link.
        body = _body(request) | {"type": 2, "settings": {"use_pmi": False, "approval_type": 2}}
        response = self._zones.send(body, lambda body: self.send_create(token, "/v2/users/me/meetings", body))
        _count_use(response)
        return _meeting(response.object())

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        path = f"/v2/meetings/{meeting_id}"
        response = self._zones.send(_body(request), lambda body: self.call(token, "PATCH", path, json=body))
        _count_use(response)
        _check_done(response)
        return None

    def delete(self, token: str, meeting_id: str) -> None:
        # Zoom would mail the cancellation itself.
        query = urlencode({"schedule_for_reminder": "false", "cancel_meeting_reminder": "false"})
        _check_done(self.call(token, "DELETE", f"/v2/meetings/{meeting_id}?{query}"))

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        candidates: list[dict[str, Any]] = []
        page = ""
        for _ in range(_PAGES):
            query = {"type": "scheduled", "page_size": "300"} | ({"next_page_token": page} if page else {})
            body = self.call(token, "GET", f"/v2/users/me/meetings?{urlencode(query)}").object()
            candidates += [meeting for meeting in _listed(body) if _may_carry(meeting, request)]
            page = body.get("next_page_token") or ""
            if not page:
                return [meeting for listed in candidates for meeting in self._look(token, listed, request.tag)]
        raise Ambiguous(FailedCall(self.name, "a list without end"))

    def _look(self, token: str, listed: dict[str, Any], tag: str) -> list[ProviderMeeting]:
        """The listed meeting as it is now, if it carries the tag. Lists have neither passcode nor dial-in numbers."""
        with suppress(MeetingGone):
            body = self.call(token, "GET", f"/v2/meetings/{listed['id']}").object()
            if _carries(listed, tag) or _carries(body, tag):
                return [_meeting(body)]
        return []

    def read_event(self, headers: Mapping[str, str], raw: bytes, secret: str) -> Event | None:
        """Signed with `v0=` HMAC-SHA256 over `v0:{timestamp}:{raw body}` (developers.zoom.us/docs/api/webhooks)."""
        timestamp, signature = headers.get("x-zm-request-timestamp", ""), headers.get("x-zm-signature", "")
        ours = "v0=" + _hmac(secret, b"v0:" + timestamp.encode() + b":" + raw)
        if not hmac.compare_digest(ours.encode(), signature.encode()) or not self._is_recent(timestamp):
            return None
        try:
            event = json.loads(raw)
            return _event(event["event"], event.get("event_ts"), event.get("payload", {}), secret)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return Ignored()  # Zoom's signature stands under it, so nobody else made it; it asks for nothing we know.

    def _is_recent(self, timestamp: str) -> bool:
        # Zoom sends seconds; its own samples show milliseconds too.
        if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 13:
            return False
        seconds = int(timestamp) / (1000 if len(timestamp) == 13 else 1)
        return abs(self.now().timestamp() - seconds) <= _FRESH_SECONDS

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
            _count_use(response)
            at = self._limit_ends(response)
            call = self.failed_call(response, "a rate limit", code=reported)
            return ProviderUnavailable(call, retry_at=at, reason="rate_limited")
        if response.status < 500 and code in _ADVICE:
            call = self.failed_call(response, "the request is refused", code=reported)
            return Rejected(call, advice=_ADVICE[code])
        return None

    def request_id(self, response: ProviderResponse) -> str | None:
        return response.headers.get("x-zm-trackingid")

    def _limit_ends(self, response: ProviderResponse) -> datetime | None:
        at = parse_retry_after(response.headers, self.now())
        if at is None and response.headers.get("X-RateLimit-Type", "").lower().startswith("daily"):
            at = self.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return at


def _event(name: str, event_ts: int | None, payload: dict[str, Any], secret: str) -> Event:
    if name == "endpoint.url_validation":
        plain = str(payload["plainToken"])
        return Reply({"plainToken": plain, "encryptedToken": _hmac(secret, plain.encode())})
    if name == "app_deauthorized":
        at = (
            datetime.fromtimestamp(event_ts / 1000, UTC)
            if event_ts
            else datetime.fromisoformat(payload["deauthorization_time"])
        )
        return Deauthorized(str(payload["user_id"]), at)
    return Ignored()


def _hmac(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def _body(request: MeetingRequest) -> dict[str, Any]:
    minutes = -(-int((request.ends_at - request.starts_at).total_seconds()) // 60)
    return {
        "topic": request.title[:_TOPIC_LIMIT],
        "agenda": f"{request.tag}\n{request.description}".strip()[:_AGENDA_LIMIT],
        "start_time": _instant(request.starts_at),
        "duration": max(minutes, 1),
        "timezone": request.time_zone,
    }


def _count_use(response: ProviderResponse) -> None:
    """How much of a day's creates and updates their host has used, in percent.

    Zoom answers each of them with what is left (devforum.zoom.us/t/59670); its OpenAPI does not say so.
    """
    limit, left = (response.headers.get(f"X-RateLimit-{name}", "") for name in ("Limit", "Remaining"))
    numbers = limit.isascii() and limit.isdigit() and left.isascii() and left.isdigit()
    if numbers and int(limit[:9]) > 0 and not response.headers.get("X-RateLimit-Type", "").lower().startswith("qps"):
        count("DailyLimitUsed", 100 - 100 * int(left[:9]) / int(limit[:9]), "Percent", provider=Zoom.name)


def _check_done(response: ProviderResponse) -> None:
    """Zoom says 204 when it has changed or deleted a meeting; a 200 may have an error inside."""
    if response.status != 204 and response.body is not None:
        raise Ambiguous(FailedCall(Zoom.name, "success with a body where there should be none", status=response.status))


def _listed(body: dict[str, Any]) -> list[dict[str, Any]]:
    """A list that cannot be read must not pass for an empty one: a second meeting would be made."""
    meetings = body.get("meetings")
    listed = parse_objects(meetings)
    if listed != meetings or not all(parse_text(meeting.get("id"), LONGEST_ID) for meeting in listed):
        raise Ambiguous(FailedCall(Zoom.name, "a list without meetings"))
    return listed


def _may_carry(listed: dict[str, Any], request: MeetingRequest) -> bool:
    """Whether a listed meeting may carry the tag: without an agenda, one of the same start may.

    The documentation says that lists show the first 250 characters of the agenda. Recorded lists leave an empty agenda
    out, and no recorded list with another one was found: they may leave out all.
    """
    return _carries(listed, request.tag) or (
        not listed.get("agenda") and listed.get("start_time") == _instant(request.starts_at)
    )


def _carries(meeting: dict[str, Any], tag: str) -> bool:
    return str(meeting.get("agenda", "")).startswith(tag)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _meeting(body: dict[str, Any]) -> ProviderMeeting:
    # start_url lets anyone in as the host: it is left behind here.
    settings = body.get("settings")
    numbers = parse_objects(settings.get("global_dial_in_numbers")) if isinstance(settings, dict) else []
    code, passcode = body.get("id"), body.get("pstn_password")
    phones = [Phone(n.get("number"), code, n.get("country"), n.get("city"), passcode) for n in numbers]
    return parse_meeting(Zoom.name, body.get("id"), body.get("join_url"), passcode=body.get("password"), phones=phones)
