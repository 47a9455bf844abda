"""A second provider, unlike Zoom in what matters to settling: its create is idempotent under a key that we choose."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx

from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestEntry, GuestExperience, Moderator
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting_plan import CreateSemantics
from chalicelib.providers.base import OAuth, OAuthProvider

ORIGIN = "https://api.rooms.example"


@dataclass(frozen=True)
class Room:
    """A room as the stand-in holds it. `starts_at` is RFC 3339."""

    name: str
    starts_at: str

    @property
    def link(self) -> str:
        return f"https://rooms.example/{self.name}"


class RoomsServer(httpx.BaseTransport):
    """PUT, GET and DELETE of /rooms/{name}."""

    def __init__(self) -> None:
        self.rooms: dict[str, Room] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        if request.method == "PUT":
            self.rooms[name] = Room(name, json.loads(request.content)["starts_at"])
            return httpx.Response(200, json={"name": name, "url": self.rooms[name].link})
        if name not in self.rooms:
            return httpx.Response(404, json={})
        if request.method == "DELETE":
            del self.rooms[name]
            return httpx.Response(204)
        return httpx.Response(200, json={"name": name, "url": self.rooms[name].link})


class Rooms(OAuthProvider):
    """The product's side of it. A room's name is the tag."""

    name = "rooms"
    display_name = "Rooms"
    needs = "Nothing."
    oauth = OAuth("/authorize", "/token", None, (frozenset(),))
    urls = {"OAUTH": "https://rooms.example", "API": ORIGIN}
    create_semantics = CreateSemantics(idempotent=True)

    def read_account(self, token: str) -> Account:
        raise NotImplementedError("this stand-in has no sign-in")

    def guest_experience(self, account: Account) -> GuestExperience:
        return GuestExperience(GuestEntry.DIRECT, Moderator.HOST_ACCOUNT)

    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        return _made(self._put(token, request.tag, request))

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        self.call(token, "GET", f"/rooms/{meeting_id}")  # A PUT alone would make a deleted room again.
        self._put(token, meeting_id, request)
        return None

    def delete(self, token: str, meeting_id: str) -> None:
        self.call(token, "DELETE", f"/rooms/{meeting_id}")

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        from chalicelib.errors import MeetingGone

        try:
            return [_made(self.call(token, "GET", f"/rooms/{request.tag}").object())]
        except MeetingGone:
            return []

    def _put(self, token: str, name: str, request: MeetingRequest) -> dict[str, Any]:
        body = {"starts_at": request.starts_at.isoformat()}
        return self.call(token, "PUT", f"/rooms/{name}", json=body).object()


def _made(body: dict[str, Any]) -> ProviderMeeting:
    return ProviderMeeting(str(body["name"]), str(body["url"]))
