"""The stand-in itself: the people of a Webex site, their meetings, and Webex's rules for them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random, SystemRandom
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from infra.local.standins.base import Clock, HeldMeeting, utc_now
from infra.local.standins.faults import Faults
from infra.local.standins.identity import Identity
from infra.local.standins.oauth_rules import DeadToken, OAuthRefusal, Person, Refresh, Rules

READ, WRITE, PEOPLE = "meeting:schedules_read", "meeting:schedules_write", "spark:people_read"
_RULES = Rules(
    authorize_path="/v1/authorize",
    token_path="/v1/access_token",  # noqa: S106
    scopes={
        READ: "See your meetings",
        WRITE: "Schedule, change and delete your meetings",
        PEOPLE: "See who you are",
    },
    refresh=Refresh.ROTATING,
    access_life=timedelta(days=14),
    refresh_life=timedelta(days=90),
    reports_refresh_life=True,
)
_HOST_DEFAULTS = {
    "enabledJoinBeforeHost": False,
    "joinBeforeHostMinutes": 0,
    "unlockedMeetingJoinSecurity": "allowJoin",
    "enabledAutoRecordMeeting": False,
}
_DAY = timedelta(hours=24)
_SHORTEST, _LONGEST = timedelta(minutes=10), timedelta(hours=23, minutes=59)


@dataclass
class Meeting:
    """A meeting without recurrence, which Webex calls a series of one."""

    id: str
    host: Person
    number: str
    password: str
    host_key: str
    title: str = ""
    agenda: str = ""
    time_zone: str = "UTC"
    starts_at: datetime = datetime.min
    ends_at: datetime = datetime.min
    tags: tuple[str, ...] = ()
    invitees: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By their ids."""
    options: dict[str, Any] = field(default_factory=lambda: dict(_HOST_DEFAULTS))

    @property
    def link(self) -> str:
        return f"https://example.webex.com/example/j.php?MTID=m{self.id}"


@dataclass(frozen=True)
class Mail:
    """What Webex would have mailed to the host: `what` became of the meeting."""

    what: str
    title: str


class WebexError(Exception):
    """A refusal by Webex: {"message", "errors", "trackingId"}."""

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after = status, message, retry_after


class Webex:
    """State and rules; hold `lock` while touching `held`. `redirect_uris` are matched exactly.

    Which media types PATCH takes is not established (the contract: JSON Patch's alone; others send JSON in production):
    `patch_types`, and the status `refuses_type_with`. `unknown_zones` are IANA's that Webex does not know. Each person
    may try to make `daily_limit` meetings in 24 hours. `mails` are those that Webex would have sent.
    `locked` are options of meetings that the site's administrator fixed, by Webex's names.
    `qualified` are the addresses of people who may be co-hosts; others become plain invitees, and those that end with
    `.invalid` are refused.
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
        daily_limit: int = 100,
    ) -> None:
        self.clock, self.random, self.daily_limit = clock, random or SystemRandom(), daily_limit
        self.identity = Identity(
            "Webex",
            _RULES,
            list(accounts),
            clock,
            self.random,
            client_id=client_id,
            client_secret=client_secret,
            redirect_uris=frozenset(redirect_uris),
            error_body=_oauth_error,
        )
        self.patch_types = frozenset({"application/json", "application/json-patch+json"})
        self.refuses_type_with = 415
        self.locked: dict[str, Any] = {}
        self.qualified: frozenset[str] = frozenset()
        self.unknown_zones: frozenset[str] = frozenset()
        self.lock = threading.RLock()
        self.faults = Faults()
        self.held: dict[str, Meeting] = {}
        self.mails: list[Mail] = []
        self._tries: dict[str, list[datetime]] = {}

    @property
    def meetings(self) -> list[HeldMeeting]:
        """The meetings that are alive."""
        with self.lock:
            return [
                HeldMeeting(m.id, m.title, m.starts_at, m.ends_at, m.link, m.host.email, next(iter(m.tags), None))
                for m in self.held.values()
            ]

    def delete_by_hand(self, meeting_id: str) -> None:
        """Delete the meeting as a person does on Webex's pages. Raises KeyError."""
        with self.lock:
            del self.held[meeting_id]

    def count(self, host: Person) -> None:
        """Count an attempt to create a meeting, successful or not. Raises WebexError above the daily limit."""
        now = self.clock()
        tries = self._tries[host.id] = [at for at in self._tries.get(host.id, []) if at > now - _DAY]
        if len(tries) >= self.daily_limit:
            seconds = int((tries[0] + _DAY - now).total_seconds()) + 1
            raise WebexError(429, "Too many requests have been sent in a given amount of time.", seconds)
        tries.append(now)

    def create(self, host: Person, body: Mapping[str, Any]) -> Meeting:
        meeting = Meeting(
            id=self._digits("0123456789abcdef", 32),
            host=host,
            number=self._digits("123456789", 11),
            password=self._digits("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789", 11),
            host_key=self._digits("123456789", 6),
        )
        self.change(meeting, body, "created")
        for invitee in body.get("invitees", ()):
            self.invite(meeting, invitee | {"sendEmail": False})
        self.held[meeting.id] = meeting
        return meeting

    def invite(self, meeting: Meeting, body: Mapping[str, Any]) -> dict[str, Any]:
        """Invite a person, and email them by default."""
        email = body["email"]
        if email.endswith(".invalid"):
            raise WebexError(400, "email is invalid")
        if email in {invitee["email"] for invitee in meeting.invitees.values()}:
            raise WebexError(409, "the invitee exists")
        invitee = {
            "id": self._digits("0123456789abcdef", 32),
            "email": email,
            "displayName": body.get("displayName", email),
            "coHost": bool(body.get("coHost")) and email in self.qualified,
            "meetingId": meeting.id,
            "panelist": False,
        }
        meeting.invitees[invitee["id"]] = invitee
        if body.get("sendEmail", True):
            self.mails.append(Mail("invited", email))
        return invitee

    def change(self, meeting: Meeting, body: Mapping[str, Any], what: str = "changed") -> None:
        title, agenda = body.get("title", meeting.title), body.get("agenda", meeting.agenda) or ""
        tags = body.get("integrationTags") or ()  # "an empty or null integrationTags will delete all existing"
        if not title or _units(title) > 128 or _units(agenda) > 1300:
            raise WebexError(400, "title or agenda is empty or too long")
        if len(tags) > 3 or any(_units(tag) > 64 for tag in tags):
            raise WebexError(400, "integrationTags are too many or too long")
        starts_at, ends_at = self._times(meeting, body)
        time_zone = _zone(body.get("timezone", meeting.time_zone))
        if "timezone" in body and time_zone in self.unknown_zones:
            raise WebexError(400, "timezone is not Webex's")
        meeting.title, meeting.agenda, meeting.tags = title, agenda, tuple(tags)
        meeting.starts_at, meeting.ends_at = starts_at, ends_at
        meeting.time_zone = time_zone
        meeting.options |= {name: body[name] for name in _HOST_DEFAULTS if name in body} | self.locked
        if body.get("sendEmail", True):
            self.mails.append(Mail(what, title))

    def delete(self, meeting: Meeting, *, mails: bool) -> None:
        del self.held[meeting.id]
        if mails:
            self.mails.append(Mail("deleted", meeting.title))

    def _times(self, meeting: Meeting, body: Mapping[str, Any]) -> tuple[datetime, datetime]:
        """Seconds go, and a start within the current minute moves to the next: as the contract has it."""
        this_minute = _floor(self.clock())
        starts_at = _floor(moment(body["start"])) if "start" in body else meeting.starts_at
        ends_at = _floor(moment(body["end"])) if "end" in body else meeting.ends_at
        if starts_at == this_minute and moment(body["start"]) >= self.clock():
            starts_at += timedelta(minutes=1)
        if starts_at <= this_minute:
            raise WebexError(400, "start cannot be before current date and time")
        if not _SHORTEST <= ends_at - starts_at <= _LONGEST:
            raise WebexError(400, "Duration cannot be shorter than 10 minutes or longer than 23 hours 59 minutes")
        return starts_at, ends_at

    def _digits(self, letters: str, length: int) -> str:
        return "".join(self.random.choices(letters, k=length))


def moment(text: str) -> datetime:
    """A time as Webex reads it. Raises WebexError."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise WebexError(400, "a time is not ISO 8601") from error
    if time.tzinfo is None:
        raise WebexError(400, "The stand-in requires an offset")
    return time.astimezone(UTC)


def _floor(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise WebexError(400, "timezone is not IANA's") from error


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def refused(message: str) -> dict[str, Any]:
    """The body of a refusal."""
    return {"message": message, "errors": [{"description": message}], "trackingId": "ROUTER_1"}


def _oauth_error(refusal: OAuthRefusal) -> dict[str, Any]:
    """Webex has no OAuth error code for a refresh token that is not accepted: only these words."""
    if isinstance(refusal, DeadToken):
        return refused("The refresh token provided is expired, revoked, malformed, or invalid.")
    return refused(refusal.description) | {"error": refusal.error}
