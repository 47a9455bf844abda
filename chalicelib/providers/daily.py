"""Daily.co: a private room for each booking; whoever joins gets a meeting token of the moment.

docs.daily.co/reference/rest-api. A room's name is chosen by us, which makes creating it repeatable.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from msgspec.structs import replace

from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience, Moderator
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting, Visit
from chalicelib.domain.meeting_plan import CreateSemantics
from chalicelib.errors import Ambiguous, FailedCall, MeetingGone, ProviderError, Rejected, TokenRejected
from chalicelib.providers.base import KeyField, KeyProvider
from chalicelib.providers.http_client import ProviderResponse
from chalicelib.providers.parsing import LONGEST_ID, parse_meeting, parse_text

_OPENS_BEFORE = timedelta(minutes=15)
_CLOSES_AFTER = timedelta(hours=1)
_INVALID = "invalid-request-error"
"""What Daily answers for a name that is taken, and for much else: whether there is a room of that name decides."""


class Daily(KeyProvider):
    """Rooms open shortly before a booking and close an hour after it, also for those who hold a token."""

    name = "daily"
    display_name = "Daily"
    needs = "A Daily account and its API key (Developers, API keys)."
    limits = (
        "Daily's plans limit how many rooms exist at a time, and each upcoming booking has one until an hour after its "
        "end. Daily bills by participant minutes."
    )
    urls = {"API": "https://api.daily.co"}
    create_semantics = CreateSemantics(idempotent=True)
    fields = (KeyField("api_key", "API key", "Whoever has it can use the whole Daily domain.", secret=True),)

    def read_key(self, typed: Mapping[str, str]) -> str:
        key = typed.get("api_key", "")
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise Rejected(
                FailedCall(self.name, "the key is incomplete"), advice="Paste the API key as Daily shows it."
            )
        return key

    def read_account(self, token: str) -> Account:
        body = self.call(token, "GET", "/v1/").object()
        domain = parse_text(body.get("domain_name"), LONGEST_ID)
        if domain is None:
            raise Ambiguous(FailedCall(self.name, "the domain answered without a name"))
        # The contract has `domain_id` as optional.
        return Account(parse_text(body.get("domain_id"), LONGEST_ID) or domain, "", f"{domain}.daily.co")

    def guest_experience(self, account: Account) -> GuestExperience:
        return GuestExperience(GuestEntry.DIRECT, Moderator.HOST_LINK)

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        body = {"name": request.tag, "privacy": "private", "properties": _times(request)}
        try:
            made = self.send_create(token, "/v1/rooms", body).object()
        except Rejected as refusal:
            if (refusal.status, refusal.code) != (400, _INVALID) or not self.find(token, request):
                raise
            made = self._change(token, request.tag, request)
        return self._meeting(made)

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        self._change(token, meeting_id, request)
        return None

    def delete(self, token: str, meeting_id: str) -> None:
        self.call(token, "DELETE", f"/v1/rooms/{meeting_id}")

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        try:
            return [self._meeting(self.call(token, "GET", f"/v1/rooms/{request.tag}").object())]
        except MeetingGone:
            return []

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
        made = self.call(token, "POST", "/v1/meeting-tokens", json={"properties": properties}).object()
        if not isinstance(made.get("token"), str) or not isinstance(room.get("url"), str):
            raise Ambiguous(FailedCall(self.name, "a room without address or token"))
        return f"{room['url']}?{urlencode({'t': made['token']})}"

    def read_error(self, response: ProviderResponse) -> ProviderError | None:
        body = response.body if isinstance(response.body, dict) else {}
        code = str(body.get("error", ""))
        if code in ("authentication-error", "authorization-header-error"):
            return TokenRejected(self.failed_call(response, "the API key is not accepted", code=code))
        if response.status in (400, 402, 403):
            advice = (
                "Daily refuses the room. Check on Daily's dashboard whether the plan's number of rooms is used up, or "
                "another limit of the plan."
            )
            shown_code = code if code.replace("-", "").isalpha() and len(code) <= 40 else None
            return Rejected(self.failed_call(response, "the room is refused", code=shown_code), advice=advice)
        return None

    def _change(self, token: str, name: str, request: MeetingRequest) -> dict[str, Any]:
        body = {"properties": _times(request)}
        return self.call(token, "POST", f"/v1/rooms/{name}", json=body).object()

    def _meeting(self, body: dict[str, Any]) -> ProviderMeeting:
        # The room's own address lets nobody in without a token.
        return replace(parse_meeting(self.name, body.get("name"), body.get("url")), join_url=None)


def _times(request: MeetingRequest) -> dict[str, Any]:
    return {
        "nbf": _seconds(request.starts_at - _OPENS_BEFORE),
        "exp": _seconds(request.ends_at + _CLOSES_AFTER),
        "eject_at_room_exp": True,
    }


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
