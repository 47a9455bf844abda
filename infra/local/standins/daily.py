"""A stand-in for Daily's REST API (docs.daily.co/reference/rest-api): rooms and meeting tokens. Never shipped."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any

from flask import Flask, request

from infra.local.standins.base import Clock, HeldMeeting, utc_now
from infra.local.standins.faults import Faults, install_faults

# Of the many properties of rooms and tokens those that a booking needs; Daily refuses unknown ones as well.
_ROOM = {
    "nbf": int,
    "exp": int,
    "eject_at_room_exp": bool,
    "enable_knocking": bool,
    "max_participants": int,
    "start_audio_off": bool,
    "enable_recording": str,
}
_TOKEN = {
    "room_name": str,
    "is_owner": bool,
    "user_name": str,
    "nbf": int,
    "exp": int,
    "start_cloud_recording": bool,
}
_RECORDINGS = ("cloud", "cloud-audio-only", "local", "raw-tracks")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Refusal(Exception):
    """An answer {"error", "info"}."""

    def __init__(self, status: int, error: str, info: str) -> None:
        super().__init__(info)
        self.status, self.body = status, {"error": error, "info": info}


class Daily:
    """One Daily domain with its API keys. `tokens` are the meeting tokens that were made, by their text.

    `max_rooms` is how many rooms the plan allows at a time. `domain_id` is optional in Daily's contract: None leaves it
    out. Daily deletes rooms after their `exp`.
    """

    def __init__(
        self,
        *,
        api_key: str,
        domain: str = "demo",
        clock: Clock = utc_now,
        random: Random | None = None,
        max_rooms: int | None = None,
    ) -> None:
        self.keys = {api_key}
        self.domain, self.clock = domain, clock
        self.domain_id: str | None = f"domain-of-{domain}"
        self.max_rooms = max_rooms
        self.faults = Faults()
        self.lock = threading.RLock()
        self.rooms: dict[str, dict[str, Any]] = {}
        self.tokens: dict[str, dict[str, Any]] = {}
        self._random = random or Random()  # noqa: S311

    def held(self) -> list[HeldMeeting]:
        """The rooms that are alive. Times are those of the room, not of the booking; links need a token."""
        with self.lock:
            self._expire()
            return [HeldMeeting(name, "", None, None, None, tag=name) for name in self.rooms]

    def opens(self, name: str) -> tuple[datetime, datetime]:
        """From when to when a room can be entered."""
        config = self.rooms[name]["config"]
        return datetime.fromtimestamp(config["nbf"], UTC), datetime.fromtimestamp(config["exp"], UTC)

    def app(self) -> Flask:
        """The HTTP face, below /v1."""
        app = Flask(__name__)
        rules: tuple[tuple[str, str, Any], ...] = (
            ("GET", "/v1/", self._domain),
            ("POST", "/v1/rooms", self._create),
            ("GET", "/v1/rooms/<name>", self._get),
            ("POST", "/v1/rooms/<name>", self._update),
            ("DELETE", "/v1/rooms/<name>", self._delete),
            ("POST", "/v1/meeting-tokens", self._mint),
        )
        for method, path, view in rules:
            app.add_url_rule(path, f"{method} {path}", self._guarded(view), methods=[method])
        app.register_error_handler(Refusal, lambda no: (no.body, no.status))
        install_faults(app, self.faults)
        return app

    def _guarded(self, view: Any) -> Any:
        def run(**path: str) -> Any:
            scheme, _, key = request.headers.get("Authorization", "").partition(" ")
            if scheme != "Bearer":
                raise Refusal(400, "authorization-header-error", "missing or malformed authorization header")
            if key not in self.keys:
                raise Refusal(401, "authentication-error", "invalid api key")
            with self.lock:
                self._expire()
                return view(**path)

        return run

    def _domain(self) -> dict[str, Any]:
        domain_id = {"domain_id": self.domain_id} if self.domain_id else {}
        return {"domain_name": self.domain, "config": {}} | domain_id

    def _create(self) -> dict[str, Any]:
        body = _body({"name", "privacy", "properties"})
        name = body.get("name") or f"room-{self._text(12)}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise _invalid("name may hold A-Z a-z 0-9 - _ only")
        if name in self.rooms:
            raise _invalid(f"a room named {name} already exists")
        if self.max_rooms is not None and len(self.rooms) >= self.max_rooms:
            raise _invalid("the plan's number of rooms is used up")
        if body.get("privacy", "public") not in ("public", "private"):
            raise _invalid("privacy must be public or private")
        self.rooms[name] = {
            "id": self._text(24),
            "name": name,
            "url": f"https://{self.domain}.daily.co/{name}",
            "privacy": body.get("privacy", "public"),
            "api_created": True,
            "created_at": self.clock().isoformat(),
            "config": _properties(body.get("properties", {}), _ROOM),
        }
        return self.rooms[name]

    def _get(self, name: str) -> dict[str, Any]:
        if name not in self.rooms:
            raise Refusal(404, "not-found", f"room {name} not found")
        return self.rooms[name]

    def _update(self, name: str) -> dict[str, Any]:
        room, body = self._get(name), _body({"privacy", "properties"})
        room["config"] |= _properties(body.get("properties", {}), _ROOM)
        return room

    def _delete(self, name: str) -> dict[str, Any]:
        self._get(name)
        del self.rooms[name]
        return {"deleted": True, "name": name}

    def _mint(self) -> dict[str, Any]:
        properties = _properties(_body({"properties"}).get("properties", {}), _TOKEN)
        token = self._text(80)
        self.tokens[token] = properties
        return {"token": token}

    def _expire(self) -> None:
        now = self.clock().timestamp()
        self.rooms = {name: room for name, room in self.rooms.items() if room["config"].get("exp", now + 1) > now}

    def _text(self, length: int) -> str:
        return "".join(self._random.choices("abcdefghijkmnopqrstuvwxyz23456789", k=length))


def _body(known: set[str]) -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict) or set(body) - known:
        raise _invalid("the body must be an object of known fields")
    return body


def _properties(given: Any, known: Mapping[str, type]) -> dict[str, Any]:
    if not isinstance(given, dict) or any(name not in known or type(v) is not known[name] for name, v in given.items()):
        raise _invalid("unknown property, or one of the wrong type")
    if given.get("enable_recording", "cloud") not in _RECORDINGS:
        raise _invalid("unknown kind of recording")
    return given


def _invalid(info: str) -> Refusal:
    return Refusal(400, "invalid-request-error", info)
