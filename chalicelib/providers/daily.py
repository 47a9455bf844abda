"""Daily.co: a private room for each booking, and a short-lived meeting token for each visitor.

docs.daily.co/reference/rest-api. We choose the room's name, which makes the create repeatable.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from msgspec import UNSET
from msgspec.structs import replace

from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience, Moderator
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting, Visit
from chalicelib.domain.meeting_plan import CreateSemantics
from chalicelib.domain.meeting_settings import EITHER, MeetingSettings, PossibleSettings, RecordingMode
from chalicelib.errors import Ambiguous, FailedCall, MeetingGone, ProviderError, Rejected, TokenRejected
from chalicelib.providers.base import KeyField, KeyProvider
from chalicelib.providers.http_client import ProviderResponse
from chalicelib.providers.parsing import LONGEST_ID, parse_meeting, parse_text

_OPENS_BEFORE = timedelta(minutes=15)
_CLOSES_AFTER = timedelta(hours=1)
_RECORDING = "cloud"
_INVALID = "invalid-request-error"
"""Daily's code for a name that is taken, and for many other errors: look the room up to tell them apart."""


class Daily(KeyProvider):
    """Private rooms that open 15 minutes before a booking and close an hour after it, for everyone."""

    name = "daily"
    display_name = "Daily"
    needs = "A Daily account and its API key (Developers, API keys)."
    limits = (
        "Your Daily plan limits how many rooms exist at a time. Each upcoming booking has one, until an hour after it "
        "ends. Daily bills by participant minutes."
    )
    urls = {"API": "https://api.daily.co"}
    create_semantics = CreateSemantics(idempotent=True)
    possible_settings = PossibleSettings(mute_on_entry=EITHER, recording=(RecordingMode.NONE, RecordingMode.CLOUD))
    fields = (KeyField("api_key", "API key", "It gives access to your whole Daily domain.", secret=True),)

    def read_key(self, values: Mapping[str, str]) -> str:
        key = values.get("api_key", "")
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise self.invalid_key("Paste the API key exactly as Daily shows it.")
        return key

    def read_account(self, token: str) -> Account:
        body = self.call(token, "GET", "/v1/").object()
        domain = parse_text(body.get("domain_name"), LONGEST_ID)
        if domain is None:
            raise Ambiguous(FailedCall(self.name, "the domain has no name"))
        # `domain_id` is optional in Daily's API contract.
        return Account(parse_text(body.get("domain_id"), LONGEST_ID) or domain, "", f"{domain}.daily.co")

    def guest_experience(self, account: Account) -> GuestExperience:
        return GuestExperience(GuestEntry.DIRECT, Moderator.HOST_LINK)

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        body = {"name": request.tag, "privacy": "private", "properties": _properties(request)}
        try:
            room = self.send_create(token, "/v1/rooms", body).object()
        except Rejected as refusal:
            if (refusal.status, refusal.code) != (400, _INVALID) or not self.find(token, request):
                raise
            room = self._change(token, request.tag, request)
        return self._parse_room(room)

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        self._change(token, meeting_id, request)
        return None

    def delete(self, token: str, meeting_id: str) -> None:
        self.call(token, "DELETE", f"/v1/rooms/{meeting_id}")

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        try:
            return [self._parse_room(self.call(token, "GET", f"/v1/rooms/{request.tag}").object())]
        except MeetingGone:
            return []

    def read_settings(self, token: str, meeting_id: str) -> MeetingSettings:
        return _read_settings(self.call(token, "GET", f"/v1/rooms/{meeting_id}").object())

    def create_join_link(self, token: str, meeting_id: str, visit: Visit) -> str:
        room = self.call(token, "GET", f"/v1/rooms/{meeting_id}").object()
        properties: dict[str, Any] = {
            "room_name": meeting_id,
            "is_owner": visit.is_host,
            "nbf": _seconds(visit.opens_at),
            "exp": _seconds(visit.closes_at),
        }
        if visit.name:
            properties["user_name"] = visit.name
        if visit.is_host and _config(room).get("enable_recording") == _RECORDING:
            properties["start_cloud_recording"] = True  # A room cannot start a recording: its owner does on entry.
        created = self.call(token, "POST", "/v1/meeting-tokens", json={"properties": properties}).object()
        if not isinstance(created.get("token"), str) or not isinstance(room.get("url"), str):
            raise Ambiguous(FailedCall(self.name, "the room has no address, or the meeting token is missing"))
        return f"{room['url']}?{urlencode({'t': created['token']})}"

    def read_error(self, response: ProviderResponse) -> ProviderError | None:
        body = response.body if isinstance(response.body, dict) else {}
        code = str(body.get("error", ""))
        if code in ("authentication-error", "authorization-header-error"):
            return TokenRejected(self.failed_call(response, "the API key is not accepted", code=code))
        if response.status in (400, 402, 403):
            advice = (
                "Daily refuses to create the room. Check on Daily's dashboard whether your plan's rooms are used up or "
                "another limit is reached."
            )
            loggable_code = code if code.replace("-", "").isalpha() and len(code) <= 40 else None
            return Rejected(self.failed_call(response, "the room is refused", code=loggable_code), advice=advice)
        return None

    def _change(self, token: str, name: str, request: MeetingRequest) -> dict[str, Any]:
        body = {"properties": _properties(request)}
        return self.call(token, "POST", f"/v1/rooms/{name}", json=body).object()

    def _parse_room(self, body: dict[str, Any]) -> ProviderMeeting:
        # The room's own address admits no one without a token.
        meeting = parse_meeting(self.name, body.get("name"), body.get("url"))
        return replace(meeting, join_url=None, settings=_read_settings(body))


def _properties(request: MeetingRequest) -> dict[str, Any]:
    settings = request.settings
    options = {
        "start_audio_off": settings.mute_on_entry,
        "enable_recording": _RECORDING if settings.recording is RecordingMode.CLOUD else UNSET,
    }
    return {
        "nbf": _seconds(request.starts_at - _OPENS_BEFORE),
        "exp": _seconds(request.ends_at + _CLOSES_AFTER),
        "eject_at_room_exp": True,
    } | {name: value for name, value in options.items() if value is not UNSET}


def _config(room: dict[str, Any]) -> dict[str, Any]:
    """Return the room's own properties. Those of the domain are not among them."""
    config = room.get("config")
    return config if isinstance(config, dict) else {}


def _read_settings(room: dict[str, Any]) -> MeetingSettings:
    config = _config(room)
    is_muted, is_recorded = config.get("start_audio_off"), config.get("enable_recording") == _RECORDING
    return MeetingSettings(
        mute_on_entry=is_muted if isinstance(is_muted, bool) else UNSET,
        recording=RecordingMode.CLOUD if is_recorded else RecordingMode.NONE,
    )


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
