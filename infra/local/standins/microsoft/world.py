"""The stand-in itself: the people of an organization, their meetings, and the rules of Entra and Graph for them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from random import Random, SystemRandom
from typing import Any

from infra.local.standins.base import Clock, HeldMeeting, utc_now
from infra.local.standins.faults import Faults
from infra.local.standins.identity import Identity
from infra.local.standins.oauth_rules import OAuthRefusal, Person, Refresh, Rules

PREFIX = "https://graph.microsoft.com/"
MAY_MEET = PREFIX + "OnlineMeetings.ReadWrite"
RULES = Rules(
    authorize_path="/organizations/oauth2/v2.0/authorize",
    token_path="/organizations/oauth2/v2.0/token",  # noqa: S106
    scopes={
        MAY_MEET: "Read and create your online meetings",
        PREFIX + "User.Read": "Sign you in and read your profile",
        "offline_access": "Maintain access to data you have given it access to",
    },
    refresh=Refresh.ROTATING,
    refresh_life=timedelta(days=90),
    gives_refresh_token=lambda query: "offline_access" in query.get("scope", "").split(),
    granted_names={"offline_access": "", PREFIX + "User.Read": "User.Read"},  # Entra answers in either form.
)
# The numbers of Entra's errors (learn.microsoft.com/entra/identity-platform/reference-error-codes).
_NUMBERS = {"invalid_grant": 70008, "invalid_client": 7000215, "invalid_request": 900144, "invalid_scope": 70011}
_NEEDS_ADMIN = {"blocked": "access_denied", "blocked_description": "AADSTS90094: The grant requires admin permission."}


_ORGANIZATION = "organization"
"""Who bypasses the lobby by default: learn.microsoft.com/graph/api/resources/lobbybypasssettings."""


class LobbyPolicy(StrEnum):
    """What the organization's policy does when a meeting's lobby is opened for everyone, or when it is recorded."""

    ALLOWS = "allows"
    REFUSES = "refuses"
    """The request gets 403."""
    IGNORES = "ignores"
    """The request succeeds, and the lobby stays as it was."""


class Door(StrEnum):
    """What a person meets who opens a meeting's link."""

    ENTERS = "enters"
    WAITS = "waits in the lobby"
    CLOSED = "no such meeting"


@dataclass
class Meeting:
    """An online meeting of `user_id`. The `external_id` of a deleted one is free again."""

    id: str
    user_id: str
    external_id: str
    subject: str
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    passcode: str
    digits: str
    lobby: str = _ORGANIZATION
    dial_in_bypasses: bool = False
    records: bool = False

    @property
    def link(self) -> str:
        return f"https://teams.microsoft.com/l/meetup-join/19%3ameeting_{self.passcode}%40thread.v2/0"


class GraphError(Exception):
    """A refusal by Graph: {"error": {"code", "message", "innerError"}}."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Microsoft:
    """State and rules; hold `lock` while touching `held`.

    `unlicensed` are ids of people without a Teams licence. `needs_admin` makes consent wait for the administrator,
    who gives it at /organizations/v2.0/adminconsent. `redirect_uris` are matched exactly. `lobby_policy` and
    `recording_policy` may be changed at any time. `without_audio` are ids of people without a licence for audio
    conferencing.

    Deleting a meeting leaves its link alive: opening it restores the meeting with the settings that it had
    (github.com/microsoftgraph/microsoft-graph-docs/issues/7802 and 17590).
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
        unlicensed: Iterable[str] = (),
        needs_admin: bool = False,
        lobby_policy: LobbyPolicy = LobbyPolicy.ALLOWS,
        without_audio: Iterable[str] = (),
    ) -> None:
        self.clock, self.random = clock, random or SystemRandom()
        people = [replace(person, **_NEEDS_ADMIN) if needs_admin else person for person in accounts]
        self.identity = Identity(
            "Microsoft Teams",
            RULES,
            people,
            clock,
            self.random,
            client_id=client_id,
            client_secret=client_secret,
            redirect_uris=frozenset(redirect_uris),
            error_body=_oauth_error,
        )
        self.unlicensed = set(unlicensed)
        self.lock = threading.RLock()
        self.faults = Faults()
        self.held: dict[str, Meeting] = {}
        self.deleted: dict[str, Meeting] = {}
        self.lobby_policy, self.recording_policy = lobby_policy, LobbyPolicy.ALLOWS
        self.without_audio = set(without_audio)

    @property
    def meetings(self) -> list[HeldMeeting]:
        """The meetings that are alive."""
        with self.lock:
            addresses = {person.id: address for address, person in self.identity.people.items()}
            return [
                HeldMeeting(
                    m.id,
                    m.subject,
                    m.starts_at,
                    m.ends_at,
                    m.link,
                    addresses[m.user_id],
                    m.external_id,
                    m.lobby == "everyone",
                )
                for m in self.held.values()
            ]

    def delete_by_hand(self, meeting_id: str) -> None:
        """Delete the meeting as a person does in Teams. Raises KeyError."""
        with self.lock:
            self.deleted[meeting_id] = self.held.pop(meeting_id)

    def open_link(self, link: str, visitor_id: str | None = None) -> Door:
        """A person opens a link, signed in as `visitor_id` or not at all. A deleted meeting comes back."""
        with self.lock:
            for meeting_id in [m.id for m in self.deleted.values() if m.link == link]:
                self.held[meeting_id] = self.deleted.pop(meeting_id)
            meeting = next((m for m in self.held.values() if m.link == link), None)
            if meeting is None:
                return Door.CLOSED
            colleagues = {person.id for person in self.identity.people.values()}
            enters: dict[str, set[str | None]] = {
                "organizer": {meeting.user_id},
                _ORGANIZATION: {*colleagues},
                "everyone": {*colleagues, visitor_id},
            }
            return Door.ENTERS if visitor_id in enters[meeting.lobby] else Door.WAITS

    def create_or_get(self, person: Person, body: Mapping[str, Any]) -> tuple[Meeting, bool]:
        """Return the meeting, and whether it is new. An existing one does not change."""
        external_id, subject = body.get("externalId"), body.get("subject") or ""
        if not external_id or not external_id.isascii():
            raise GraphError(400, "BadRequest", "externalId is required and must be ASCII")
        # Whether Graph minds is not known. The metadata says so, and the stand-in takes it at its word.
        if not subject.isascii():
            raise GraphError(400, "BadRequest", "subject must be ASCII in createOrGet")
        starts_at, ends_at = self._times(body)
        for meeting in self.held.values():
            if (meeting.user_id, meeting.external_id) == (person.id, external_id):
                return meeting, False
        meeting = Meeting(
            id="MSp" + self._text(60),
            user_id=person.id,
            external_id=external_id,
            subject=subject,
            starts_at=starts_at,
            ends_at=ends_at,
            created_at=self.clock(),
            passcode=self._text(6),
            digits="".join(self.random.choices("123456789", k=9)),
        )
        self.held[meeting.id] = meeting
        return meeting, True

    def change(self, meeting: Meeting, body: Mapping[str, Any]) -> None:
        if ("startDateTime" in body) != ("endDateTime" in body):
            raise GraphError(400, "BadRequest", "startDateTime and endDateTime go together")
        times = self._times(body) if "startDateTime" in body else (meeting.starts_at, meeting.ends_at)
        if body.get("recordAutomatically") and self.recording_policy is LobbyPolicy.REFUSES:
            raise GraphError(403, "Forbidden", "Not allowed by the meeting policy.")
        self._set_lobby(meeting, body.get("lobbyBypassSettings") or {})
        if self.recording_policy is LobbyPolicy.ALLOWS:
            meeting.records = body.get("recordAutomatically", meeting.records)
        meeting.starts_at, meeting.ends_at = times
        meeting.subject = body.get("subject", meeting.subject)

    def _set_lobby(self, meeting: Meeting, settings: Mapping[str, Any]) -> None:
        scope = settings.get("scope", meeting.lobby)
        if scope not in ("organizer", _ORGANIZATION, "everyone"):
            raise GraphError(400, "BadRequest", "The stand-in does not know this scope of the lobby.")
        if scope == "everyone" and self.lobby_policy is LobbyPolicy.REFUSES:
            raise GraphError(403, "Forbidden", "Not allowed by the meeting policy.")
        if scope == "everyone" and self.lobby_policy is LobbyPolicy.IGNORES:
            return
        meeting.lobby = scope
        meeting.dial_in_bypasses = settings.get("isDialInBypassEnabled", meeting.dial_in_bypasses)

    def _times(self, body: Mapping[str, Any]) -> tuple[datetime, datetime]:
        start, end = body.get("startDateTime"), body.get("endDateTime")
        if end and not start:
            raise GraphError(400, "BadRequest", "endDateTime without startDateTime")
        starts_at = datetime.fromisoformat(start).astimezone(UTC) if start else self.clock()
        ends_at = datetime.fromisoformat(end).astimezone(UTC) if end else starts_at + timedelta(hours=1)
        if ends_at <= starts_at:
            raise GraphError(400, "BadRequest", "endDateTime must come after startDateTime")
        return starts_at, ends_at

    def _text(self, length: int) -> str:
        return "".join(self.random.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", k=length))


def _oauth_error(refusal: OAuthRefusal) -> dict[str, Any]:
    number = _NUMBERS.get(refusal.error, 50000)
    return {
        "error": refusal.error,
        "error_description": f"AADSTS{number}: {refusal.description}",
        "error_codes": [number],
        "trace_id": "trace-1",
        "correlation_id": "correlation-1",
    }
