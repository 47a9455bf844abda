"""The meetings people hold on the stand-in, and what may be asked of them.

Source: the contract's descriptions of the meeting operations.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from infra.local.standins.base import Clock
from infra.local.standins.zoom.accounts import Account
from infra.local.standins.zoom.errors import invalid_field, no_such_meeting
from infra.local.standins.zoom.minting import Mint

INSTANT, SCHEDULED = 1, 2
PAGE_TOKEN_LIFE = timedelta(minutes=15)

_START_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ?")
_PASSCODE = re.compile(r"[A-Za-z0-9@_*!#$%&.-]*")
_HOST_DEFAULTS: Mapping[str, Any] = {
    "host_video": False,
    "participant_video": False,
    "join_before_host": False,
    "jbh_time": 0,
    "mute_upon_entry": False,
    "use_pmi": False,
    "approval_type": 2,
    "audio": "both",
    "auto_recording": "none",
    "auto_start_meeting_summary": False,
    "waiting_room": True,
    "meeting_authentication": False,
    "email_notification": True,
    "global_dial_in_countries": ["US", "GB"],
}


@dataclass(frozen=True)
class Meeting:
    """One meeting; named as Zoom names things: `start_time` is aware UTC, `duration` is in minutes."""

    id: int
    uuid: str
    host_user_id: str
    type: int
    topic: str
    agenda: str
    start_time: datetime
    duration: int
    timezone: str
    password: str
    encrypted_password: str
    dial_in_password: str
    settings: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class Page:
    """One page of a host's meetings; `next_page_token` is empty on the last."""

    meetings: list[Meeting]
    next_page_token: str
    total_records: int


@dataclass(frozen=True)
class _Rest:
    user_id: str
    meeting_ids: list[int]
    total_records: int
    expires_at: datetime


class Meetings:
    """All meetings alive. Not safe for threads: callers hold the stand-in's lock."""

    def __init__(self, clock: Clock, mint: Mint) -> None:
        self.list_lag = timedelta()
        self.unknown_zones: frozenset[str] = frozenset()
        self.locked: Mapping[str, Any] = {}
        """Settings that the account's administrator locked, by Zoom's names: a request does not change them."""
        self.licensed: frozenset[str] = frozenset()
        """The addresses of the account's other licensed users, who may be alternative hosts."""
        self.mailed: set[str] = set()
        """The alternative hosts that Zoom emailed."""
        self.requires_passcode = False
        """Whether the administrator locked that every meeting has a passcode."""
        self.passcode_pattern = re.compile(r".*")
        """The account's rule for passcodes."""
        self._clock = clock
        self._mint = mint
        self.reset()

    def reset(self) -> None:
        """Forget all meetings."""
        self.by_id: dict[int, Meeting] = {}
        self._rests: dict[str, _Rest] = {}

    def create(self, host: Account, body: Mapping[str, Any]) -> Meeting:
        """Hold a new meeting from a body that passed the contract; raises ApiError 300."""
        zone = self._zone(body, host.timezone)
        start_time = _start_time(body, zone)
        if body.get("type", SCHEDULED) != SCHEDULED:
            raise invalid_field("type", "The stand-in holds scheduled meetings (type 2) only.")
        password = self._passcode(body)
        if not password and (self.requires_passcode or body.get("default_password", True)):
            password = self._mint.text(6)
        meeting = Meeting(
            id=self._new_id(),
            uuid=self._mint.text(22) + "==",
            host_user_id=host.user_id,
            # "If no start_time is set for a scheduled meeting, the start_time is set at the current time and the
            # meeting type changes to an instant meeting": contract, start_time.
            type=SCHEDULED if start_time else INSTANT,
            topic=body.get("topic", "Zoom Meeting"),
            agenda=body.get("agenda", ""),
            start_time=start_time or self._now(),
            duration=body.get("duration", 60),
            timezone=zone,
            password=password,
            encrypted_password=self._encrypt(password),
            dial_in_password=self._mint.digits(6) if password else "",
            settings=self._settings(_HOST_DEFAULTS, body),
            created_at=self._now(),
        )
        self.by_id[meeting.id] = meeting
        return meeting

    def get(self, host: Account, meeting_id: int) -> Meeting:
        """Return a host's meeting. Raises ApiError 3001, also for another user's meeting."""
        meeting = self.by_id.get(meeting_id)
        if meeting is None or meeting.host_user_id != host.user_id:
            raise no_such_meeting(meeting_id)
        return meeting

    def update(self, meeting: Meeting, body: Mapping[str, Any]) -> None:
        """Change what the body names; raises ApiError 300."""
        zone = self._zone(body, meeting.timezone)
        start_time = _start_time(body, zone)
        if body.get("type", SCHEDULED) != SCHEDULED:
            raise invalid_field("type", "The stand-in holds scheduled meetings (type 2) only.")
        changes: dict[str, Any] = {name: body[name] for name in ("topic", "agenda", "duration") if name in body}
        # "If the value is omitted or a date is in the past, the API ignores this value": contract, meetingUpdate.
        if start_time and start_time > self._clock():
            changes |= {"start_time": start_time, "type": SCHEDULED}
        if "password" in body:
            password = self._passcode(body)
            changes |= {"password": password, "encrypted_password": self._encrypt(password)}
        settings = self._settings(meeting.settings, body)
        self.by_id[meeting.id] = replace(meeting, timezone=zone, settings=settings, **changes)

    def _settings(self, before: Mapping[str, Any], body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings after a request. A waiting room "disables" `join_before_host`: contract."""
        settings = {**before, **body.get("settings", {}), **self.locked}
        self._check_alternative_hosts(settings)
        return settings | ({"join_before_host": False} if settings["waiting_room"] else {})

    def _check_alternative_hosts(self, settings: Mapping[str, Any]) -> None:
        """Refuse people without a licence of the account: github.com/ncstate-delta/moodle-mod_zoom/issues/302."""
        hosts = [email for email in settings.get("alternative_hosts", "").split(";") if email]
        if not set(hosts) <= self.licensed:
            raise invalid_field("settings.alternative_hosts", "Invalid alternative hosts.")
        if hosts and settings.get("alternative_hosts_email_notification", True):
            self.mailed |= set(hosts)

    def _passcode(self, body: Mapping[str, Any]) -> str:
        password = _passcode(body)
        if password and not self.passcode_pattern.fullmatch(password):
            raise invalid_field("password", "The passcode does not meet the account's requirements.")
        return password

    def delete(self, meeting: Meeting) -> None:
        """End a meeting's life."""
        del self.by_id[meeting.id]

    def first_page(self, host: Account, kind: str, page_size: int) -> Page:
        """List a host's meetings by start; `kind` is "scheduled" (all) or "upcoming" (not yet over).

        Instant meetings are never listed, and new ones only once the stand-in's lag has passed.
        """
        now = self._clock()
        listed = [
            meeting
            for meeting in self.by_id.values()
            if meeting.host_user_id == host.user_id
            and meeting.type == SCHEDULED
            and meeting.created_at + self.list_lag <= now
            and (kind == "scheduled" or meeting.start_time + timedelta(minutes=meeting.duration) > now)
        ]
        ids = [meeting.id for meeting in sorted(listed, key=lambda meeting: (meeting.start_time, meeting.id))]
        return self._page(host.user_id, ids, page_size, len(ids))

    def next_page(self, host: Account, token: str, page_size: int) -> Page:
        """Continue a list; raises ApiError 300 for a token that is unknown, used or older than 15 minutes."""
        rest = self._rests.pop(token, None)
        if rest is None or rest.user_id != host.user_id or rest.expires_at <= self._clock():
            raise invalid_field("next_page_token", "The next page token is invalid or expired.")
        return self._page(host.user_id, rest.meeting_ids, page_size, rest.total_records)

    def _page(self, user_id: str, ids: list[int], page_size: int, total_records: int) -> Page:
        token = ""
        if len(ids) > page_size:
            token = self._mint.text(35)
            self._rests[token] = _Rest(user_id, ids[page_size:], total_records, self._clock() + PAGE_TOKEN_LIFE)
        meetings = [self.by_id[meeting_id] for meeting_id in ids[:page_size] if meeting_id in self.by_id]
        return Page(meetings, token, total_records)

    def _new_id(self) -> int:
        while (meeting_id := int(self._mint.digits(11))) in self.by_id:
            pass
        return meeting_id

    def _zone(self, body: Mapping[str, Any], default: str) -> str:
        """Zoom has a list of its own: how far it goes is not known, so `unknown_zones` says what it lacks."""
        zone: str = body.get("timezone") or default
        if zone not in _known_zones() or ("timezone" in body and zone in self.unknown_zones):
            raise invalid_field("timezone", "Not a time zone that Zoom knows.")
        return zone

    def _encrypt(self, password: str) -> str:
        return self._mint.text(32) + ".1" if password else ""

    def _now(self) -> datetime:
        return self._clock().replace(microsecond=0)


@cache
def _known_zones() -> set[str]:
    return available_timezones()  # it reads the whole database from disk each time


def _start_time(body: Mapping[str, Any], zone: str) -> datetime | None:
    """Read UTC ("…Z") or local time in `zone`; None if the body has none."""
    text: str | None = body.get("start_time")
    if text is None:
        return None
    try:
        if not _START_TIME.fullmatch(text):
            raise ValueError(text)
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid_field("start_time", "Use yyyy-MM-ddTHH:mm:ssZ, or yyyy-MM-ddTHH:mm:ss and timezone.") from error
    return (time if time.tzinfo else time.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def _passcode(body: Mapping[str, Any]) -> str:
    passcode: str = body.get("password", "")
    if not _PASSCODE.fullmatch(passcode):
        raise invalid_field("password", "The passcode has characters that Zoom does not allow.")
    return passcode
