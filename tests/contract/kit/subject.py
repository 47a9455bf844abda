"""What a provider's test declares: the provider, its stand-in, and the answers that only this provider gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import httpx

from chalicelib.domain.connection import Tokens, tokens_of_key
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting_settings import MeetingSettings
from chalicelib.providers import oauth
from chalicelib.providers.base import KeyProvider, OAuthProvider, Provider
from chalicelib.providers.http_client import HttpClient
from infra.local.standins.base import HeldMeeting
from infra.local.standins.faults import Action, Fault, Faults
from infra.local.standins.server import InProcessTransport
from infra.local.visitor import sign_in_and_consent
from tests.support.clock import FakeClock

REDIRECT = "https://product.example/oauth/callback"
CREDENTIALS = ("client-1", "client-secret-1")
EMAIL, PASSWORD = "host@example.com", "password-1"
VERIFIER = "v" * 64
WITH_A_KEY = {
    "consent_grants_every_scope": "connected by a key",
    "a_denied_consent_returns_an_error": "connected by a key",
    "an_unticked_permission_is_detected": "connected by a key",
    "an_authorization_code_works_once": "connected by a key",
    "a_missing_permission_requires_the_owner": "a key has all permissions",
    "an_expired_token_requires_a_refresh": "a key does not expire",
    "a_refresh_returns_a_working_token": "a key does not expire",
    "a_used_refresh_token_behaves_as_declared": "a key does not expire",
    "a_revoked_grant_is_detected": "a key does not expire",
    "a_refresh_without_a_response_is_ambiguous": "a key does not expire",
    "the_expiry_of_a_refresh_token_is_known": "a key does not expire",
    "wrong_credentials_of_the_operator_break_no_grant": "a key does not expire",
    "a_failed_revocation_is_reported": "only the owner can revoke the key",
    "disconnecting_revokes_the_tokens": "only the owner can revoke the key",
}
"""What a provider lacks that is connected by a key."""
_NOTHING_THERE = "a room is only a name: there is no API to call"
WITHOUT_SETTINGS = dict.fromkeys(
    ("every_possible_setting_is_applied", "a_setting_that_the_account_locks_is_reported"), "has no settings"
)
"""What a provider lacks whose meetings have no settings."""
_COHOST_TESTS = (
    "cohosts_may_join_as_hosts_and_get_no_email",
    "a_refused_cohost_fails_neither_the_meeting_nor_the_others",
)
WITHOUT_COHOSTS = dict.fromkeys(_COHOST_TESTS, "co-hosts join as guests")
COHOSTS_BY_LINK = dict.fromkeys(_COHOST_TESTS, "co-hosts join as hosts with their own link")
COHOSTS = ("cohost@example.com", "stranger@example.com")
WITHOUT_A_SERVER = (
    WITHOUT_SETTINGS
    | COHOSTS_BY_LINK
    | WITH_A_KEY
    | dict.fromkeys(
        (
            "a_wrong_key_is_refused",
            "the_created_meeting_matches_the_request",
            "a_guest_enters_a_new_meeting_without_waiting",
            "a_reschedule_keeps_the_link",
            "a_deleted_meeting_is_gone",
            "a_deleted_meeting_admits_no_guest",
            "a_second_delete_reports_that_it_is_gone",
            "updating_a_meeting_deleted_by_hand_reports_that_it_is_gone",
            "a_meeting_deleted_by_hand_can_be_created_again",
            "find_returns_nothing_if_nothing_was_created",
            "a_create_without_a_response_leaves_one_meeting",
            "a_repeated_create_returns_the_same_meeting",
            "a_create_after_a_deletion_by_hand_does_not_return_the_dead_link",
            "any_length_is_accepted",
            "a_rejected_token_requires_a_refresh",
            "a_refusal_is_permanent_and_has_advice",
            "a_rate_limit_has_a_retry_time",
            "status_503_means_not_done",
            "a_create_with_status_404_is_permanent",
            "other_failures_are_ambiguous",
            "an_unreadable_success_is_ambiguous",
            "no_connection_means_not_done",
            "an_error_contains_no_secret",
        ),
        _NOTHING_THERE,
    )
)
"""What a provider lacks whose meetings are names alone."""


class Refreshing(StrEnum):
    """What a provider does with a refresh token that is used."""

    SINGLE_USE = "single use"
    ROTATING = "rotating, the old one stays valid"
    STATIC = "static"


@dataclass(frozen=True)
class Says:
    """An answer as the provider gives it."""

    status: int
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1

    def fault(self, path: str, method: str | None = None) -> Fault:
        return Fault(
            path,
            Action.BEFORE,
            method=method,
            status=self.status,
            headers=dict(self.headers),
            body=self.body,
            times=self.times,
        )


class Subject(ABC):
    """One provider with its stand-in, in process.

    `lacks` names behaviours (tests of the contract, without `test_`) that the provider does not have, each with the
    reason in a few words: they stand in the matrix. `create_path` is a regular expression that only the path of the
    call that makes a meeting matches.
    """

    kind: ClassVar[type[Provider]]
    lacks: ClassVar[Mapping[str, str]] = {}
    refreshing: ClassVar[Refreshing | None] = None
    create_path: ClassVar[str] = "."
    create_method: ClassVar[str] = "POST"
    token_rejected: ClassVar[Says] = Says(401)
    refused: ClassVar[Says] = Says(400)
    scope_missing: ClassVar[Says | None] = None
    can_untick: ClassVar[str] = ""
    shortest_minutes: ClassVar[int] = 1
    variant: ClassVar[str] = ""
    """What is different about a second subject of one provider that has a column of its own in the matrix."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.network = InProcessTransport(self.origins())
        self.provider = self.kind(HttpClient(lambda: httpx.Client(transport=self.network)), clock)

    @classmethod
    def column(cls) -> str:
        """The name of this subject's column in the matrix."""
        return f"{cls.kind.display_name}, {cls.variant}" if cls.variant else cls.kind.display_name

    @abstractmethod
    def origins(self) -> Mapping[str, Any]:
        """The stand-in's WSGI apps by origin; called once, when the subject is made."""

    @property
    @abstractmethod
    def faults(self) -> Faults:
        """The stand-in's faults and its log of calls."""

    @abstractmethod
    def held(self) -> list[HeldMeeting]:
        """The meetings that are alive at the stand-in."""

    @abstractmethod
    def delete_by_hand(self, meeting_id: str) -> None:
        """Someone deletes a meeting on the provider's own pages."""

    def has_setting(self, made: ProviderMeeting, name: str, value: Any) -> bool:
        """Whether the meeting has this setting at the stand-in, by the product's name."""
        raise NotImplementedError

    def lock_setting(self) -> tuple[Any, MeetingSettings]:
        """The account's administrator locks a setting. Return its value, and settings that want another one."""
        raise NotImplementedError

    def accept_cohosts(self, *emails: str) -> None:
        """Only these people may be co-hosts."""
        raise NotImplementedError

    def cohosts_of(self, made: ProviderMeeting) -> set[str]:
        """The people who may join the meeting as hosts, at the stand-in."""
        raise NotImplementedError

    def mailed_cohosts(self) -> list[str]:
        """The people whom the provider emailed."""
        return []

    def lets_guest_in(self, made: ProviderMeeting) -> bool:
        """Whether a stranger who opens the meeting's link is in the meeting at once."""
        return made.join_url in {held.link for held in self.held()}

    @abstractmethod
    def secrets(self) -> list[str]:
        """What must never leave the provider's file: host links, host keys and the like, of all meetings held."""

    @abstractmethod
    def end_access_tokens(self) -> None:
        """Access tokens expire; refresh tokens stay."""

    @abstractmethod
    def end_grant(self) -> None:
        """The owner takes the access away, or the key back."""

    def key_form(self) -> dict[str, str]:
        """What a user types to connect a provider with a key."""
        raise NotImplementedError

    def connect(self, *, allow: bool = True, untick: str = "") -> Tokens:
        """Connect as the product does: through the sign-in pages, or with the key."""
        if isinstance(self.provider, KeyProvider):
            return tokens_of_key(self.provider.read_key(self.key_form()))
        back = parse_qs(urlsplit(self.back_from_sign_in(allow=allow, untick=untick)).query)
        provider = self.oauth_provider()
        return oauth.exchange(provider, CREDENTIALS, code=back["code"][0], redirect_uri=REDIRECT, verifier=VERIFIER)

    def back_from_sign_in(self, *, allow: bool = True, untick: str = "") -> str:
        """The address that the stand-in's pages send the browser back to."""
        address = self.authorization_url()
        with httpx.Client(transport=self.network) as browser:
            return sign_in_and_consent(browser, address, EMAIL, PASSWORD, allow=allow, untick=untick)

    def authorization_url(self) -> str:
        provider = self.oauth_provider()
        return oauth.authorization_url(
            provider, CREDENTIALS[0], redirect_uri=REDIRECT, state="state-1", verifier=VERIFIER
        )

    def oauth_provider(self) -> OAuthProvider:
        assert isinstance(self.provider, OAuthProvider)
        return self.provider

    def refresh(self, tokens: Tokens) -> Tokens:
        return oauth.refresh(self.oauth_provider(), CREDENTIALS, tokens)

    def revoke(self, tokens: Tokens) -> None:
        oauth.revoke(self.oauth_provider(), CREDENTIALS, tokens.access_token)

    def request(self, tag: str = "a", *, days: float = 7, minutes: float = 30, title: str = "Talk") -> MeetingRequest:
        """A booking's wish. `tag` is filled up to the length of a real one."""
        starts_at = (self.clock() + timedelta(days=days)).replace(minute=0, second=0, microsecond=0)
        ends_at = starts_at + timedelta(minutes=minutes)
        return MeetingRequest(tag.ljust(32, "0"), title, "Questions first.", starts_at, ends_at, "Europe/Berlin")

    def create(self, tokens: Tokens, request: MeetingRequest | None = None) -> ProviderMeeting:
        return self.provider.create(tokens.access_token, request or self.request())


class ServerlessSubject(Subject):
    """A provider whose meetings are names alone: there is no stand-in, and nothing at the other end."""

    lacks = WITHOUT_A_SERVER

    def origins(self) -> Mapping[str, Any]:
        return {}

    @property
    def faults(self) -> Faults:
        return Faults()

    def held(self) -> list[HeldMeeting]:
        return []

    def delete_by_hand(self, meeting_id: str) -> None:
        raise NotImplementedError

    def end_access_tokens(self) -> None:
        raise NotImplementedError

    def end_grant(self) -> None:
        raise NotImplementedError


def utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None
