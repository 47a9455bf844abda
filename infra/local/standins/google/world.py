"""The stand-in's state: who may sign in, their events and spaces, and what happens to them."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random, SystemRandom
from typing import Any

from infra.local.standins.base import Clock, HeldMeeting, utc_now
from infra.local.standins.faults import Faults
from infra.local.standins.identity import Identity
from infra.local.standins.oauth_rules import Person, Refresh, Rules

_AUTH = "https://www.googleapis.com/auth/"
_MINUTE = timedelta(minutes=1)
_RULES = Rules(
    authorize_path="/o/oauth2/v2/auth",
    token_path="/token",  # noqa: S106
    revoke_path="/revoke",
    revokes_as_client=False,
    scopes={
        "openid": "Know who you are",
        "email": "See your email address",
        _AUTH + "calendar": "See, edit, share and delete all your calendars",
        _AUTH + "calendar.events": "View and edit events on all your calendars",
        _AUTH + "calendar.events.owned": "See, create, change and delete events on calendars that you own",
        _AUTH + "meetings.space.settings": "See and change the settings of all your Google Meet calls",
        _AUTH + "meetings.space.created": "Create and manage Google Meet rooms made by this app",
    },
    refresh=Refresh.STATIC,
    can_untick=True,
    gives_refresh_token=lambda asked: asked.get("access_type") == "offline" and "consent" in asked.get("prompt", ""),
    granted_names={"email": _AUTH + "userinfo.email"},
)


class Conference(StrEnum):
    """What becomes of a request for a conference."""

    MADE = "made"
    FAILS = "fails"
    REFUSED = "refused"  # 400, as for calendars without Meet
    LEFT_OUT = "left out"  # The event has none, as if the request had not asked for one.


class OpenPolicy(StrEnum):
    """What an account's policy does when a room is opened to everyone (`accessType` OPEN)."""

    ALLOWS = "allows"
    REFUSES = "refuses"
    """The request gets 403."""
    IGNORES = "ignores"
    """The request succeeds, and the account's default stays."""


class Door(StrEnum):
    """What a person meets who opens a room's link."""

    ENTERS = "enters"
    KNOCKS = "knocks"
    CLOSED = "closed"


@dataclass
class Event:
    """An event, deleted ones too: `body` as the API shows it. `reads_left` are answers that still say `pending`."""

    owner: str
    body: dict[str, Any]
    conference: dict[str, Any] | None = None
    reads_left: int = 0

    @property
    def is_deleted(self) -> bool:
        return bool(self.body["status"] == "cancelled")


@dataclass
class Space:
    """A Meet space as the API shows it, but for a conference that is going on.

    `is_calendars`: Calendar made it for an event, not the app that asks.
    """

    owner: str
    body: dict[str, Any]
    conference: str | None = None
    is_calendars: bool = False
    members: dict[str, dict[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Mail:
    """Google would have mailed these people about an event."""

    event_id: str
    to: tuple[str, ...]


@dataclass
class _Quota:
    a_minute: int
    seen: dict[str, deque[datetime]] = field(default_factory=lambda: defaultdict(deque))

    def takes(self, user_id: str, now: datetime) -> bool:
        seen = self.seen[user_id]
        while seen and seen[0] <= now - _MINUTE:
            seen.popleft()
        if len(seen) >= self.a_minute:
            return False
        seen.append(now)
        return True


class Google:
    """State and rules; hold `lock` while touching `events` or `spaces`.

    `conference` and `pending_reads` (reads of an event that still say `pending`) may be changed at any time, and so may
    `default_access`, who enters a new space without knocking: RESTRICTED for personal accounts, for others as their
    administrator has it. `open_policy` may change too, and `artifact_policy`, which is about automatic recordings and
    notes. Only the addresses in `google_accounts` can become members of a room.

    `queries_a_minute` and `spaces_a_minute` are quotas of each user:
    developers.google.com/workspace/calendar/api/guides/quota and .../meet/api/guides/limits.
    """

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        redirect_uris: Iterable[str],
        accounts: Iterable[Person],
        clock: Clock = utc_now,
        random: Random | None = None,
        conference: Conference = Conference.MADE,
        pending_reads: int = 0,
        default_access: str = "RESTRICTED",
        open_policy: OpenPolicy = OpenPolicy.ALLOWS,
        queries_a_minute: int = 600,
        spaces_a_minute: int = 10,
        web_url: str = "https://meet.google.com",
    ) -> None:
        self.clock, self.random = clock, random or SystemRandom()
        self.identity = Identity(
            "Google",
            _RULES,
            list(accounts),
            clock,
            self.random,
            client_id=client_id,
            client_secret=client_secret,
            redirect_uris=frozenset(redirect_uris),
        )
        self.conference, self.pending_reads, self.default_access = conference, pending_reads, default_access
        self.open_policy, self.web_url = open_policy, web_url
        self.artifact_policy = OpenPolicy.ALLOWS
        self.google_accounts: frozenset[str] = frozenset()
        self.lock = threading.RLock()
        self.faults = Faults()
        self.events: dict[tuple[str, str], Event] = {}
        self.spaces: dict[str, Space] = {}
        self.mails: list[Mail] = []
        self.queries, self.new_spaces = _Quota(queries_a_minute), _Quota(spaces_a_minute)

    def held_events(self) -> list[HeldMeeting]:
        """The events that are alive."""
        with self.lock:
            return [
                HeldMeeting(
                    event.body["id"],
                    event.body.get("summary", ""),
                    datetime.fromisoformat(event.body["start"]["dateTime"]),
                    datetime.fromisoformat(event.body["end"]["dateTime"]),
                    (event.conference or {}).get("hangoutLink", ""),
                    self._address(event.owner),
                    event.body["id"],
                )
                for event in self.events.values()
                if not event.is_deleted
            ]

    def held_spaces(self) -> list[HeldMeeting]:
        """The spaces that can be entered by their link."""
        with self.lock:
            return [
                HeldMeeting(
                    space.body["name"],
                    "",
                    None,
                    None,
                    space.body["meetingUri"],
                    self._address(space.owner),
                    lets_guests_in=space.body["config"]["accessType"] == "OPEN",
                )
                for space in self.spaces.values()
                if space.body["config"]["entryPointAccess"] == "ALL" and not space.is_calendars
            ]

    def open_link(self, link: str, visitor_id: str | None = None) -> Door:
        """A person opens a link, signed in as `visitor_id` or not at all.

        No one is on an event's guest list here, and no two people are of one organization: only the owner enters a room
        that is not open without knocking. An event that is deleted leaves its room as it was.
        """
        with self.lock:
            space = next((s for s in self.spaces.values() if s.body["meetingUri"] == link), None)
            if space is None or space.body["config"]["entryPointAccess"] != "ALL":
                return Door.CLOSED
            is_in = visitor_id == space.owner or space.body["config"]["accessType"] == "OPEN"
            return Door.ENTERS if is_in else Door.KNOCKS

    def new_space(self, owner: str, *, is_calendars: bool = False) -> Space:
        """A space with the account's defaults."""
        code, name = self.new_code(), f"spaces/{self.text(12)}"
        phone = {"phoneNumber": "+12025550100", "pin": self.pin(), "regionCode": "US", "languageCode": "en"}
        body = {
            "name": name,
            "meetingUri": f"{self.web_url}/{code}",
            "meetingCode": code,
            "config": {
                "accessType": self.default_access,
                "entryPointAccess": "ALL",
                "artifactConfig": {
                    "recordingConfig": {"autoRecordingGeneration": "OFF"},
                    "smartNotesConfig": {"autoSmartNotesGeneration": "OFF"},
                },
            },
            "phoneAccess": [phone],
        }
        self.spaces[name] = Space(owner, body, is_calendars=is_calendars)
        return self.spaces[name]

    def delete_event(self, event_id: str) -> None:
        """Its owner deletes an event on the calendar's own page."""
        with self.lock:
            for event in self.events.values():
                if event.body["id"] == event_id:
                    event.body["status"] = "cancelled"

    def take_conference_off(self, event_id: str) -> None:
        """The owner of an event removes the video call from it."""
        with self.lock:
            for event in self.events.values():
                if event.body["id"] == event_id:
                    event.conference = None

    def start_conference(self, name: str) -> None:
        """A person enters a space."""
        with self.lock:
            self.spaces[name].conference = f"conferenceRecords/{self.text(20)}"

    def _address(self, person_id: str) -> str:
        return next(person.email for person in self.identity.people.values() if person.id == person_id)

    def new_code(self) -> str:
        """A meeting code, such as abc-mnop-xyz."""
        letters = self.random.choices("abcdefghijkmnopqrstuvwxyz", k=10)
        return "-".join("".join(letters[a:b]) for a, b in ((0, 3), (3, 7), (7, 10)))

    def text(self, length: int) -> str:
        """Random letters and digits."""
        return "".join(self.random.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", k=length))

    def pin(self) -> str:
        """What to type after dialling in."""
        return "".join(self.random.choices("0123456789", k=9))
