"""What a provider declares and can do. The base owns the flow of a call; a provider says what differs.

The interface fits providers with an idempotent create (`idempotent`), without one (`find` by tag instead), without
an update (`update` raises `MeetingGone`, so a new meeting takes the old one's place), and without any call at all
(`local`). `OAuthProvider`s are connected by signing in there, `KeyProvider`s by a key that is typed in here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestExperience
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting, Visit
from chalicelib.domain.meeting_plan import CreateSemantics
from chalicelib.errors import (
    Ambiguous,
    FailedCall,
    MeetingGone,
    ProviderError,
    ProviderUnavailable,
    Rejected,
    TokenRejected,
)
from chalicelib.providers.http_client import Answer, HttpClient, retry_at


class OAuth(Struct, frozen=True):
    """A provider's OAuth 2.0 (RFC 6749) as it differs from others.

    `scope_sets`: any one of these sets of granted scopes will do, each scope without `scope_prefix`. `asks` are the
    scopes to ask for, as they are sent; None where they are configured on the app. `basic_auth`: the client
    authenticates by HTTP Basic, else in the form. `revokes_as_client`: the revocation endpoint takes the client's
    credentials too. `dead_codes` are the provider's own ways to say `invalid_grant`,
    `dead_words` its ways to say it in words only (lower case). `client_codes` say that the client's id or secret is
    wrong. `doubtful_codes` say either that or that an organization removed the app: see `usecases.tokens`.
    `admin_consent_path` is where an administrator can
    approve the app for a whole organization, `approval_words` are parts of `error_description` that ask for it.
    """

    authorize_path: str
    token_path: str
    revoke_path: str | None
    scope_sets: tuple[frozenset[str], ...]
    asks: tuple[str, ...] | None = None
    scope_prefix: str = ""
    basic_auth: bool = True
    pkce: bool = True
    revokes_as_client: bool = True
    dead_codes: frozenset[str] = frozenset()
    dead_words: tuple[str, ...] = ()
    client_codes: frozenset[str] = frozenset({"invalid_client", "unauthorized_client"})
    doubtful_codes: frozenset[str] = frozenset()
    extra: dict[str, str] = field(default_factory=dict)
    admin_consent_path: str | None = None
    approval_words: tuple[str, ...] = ()

    def missing_scopes(self, granted: frozenset[str]) -> frozenset[str]:
        """What is missing from the set that comes nearest; empty if the granted scopes are enough."""
        had = {scope.removeprefix(self.scope_prefix) for scope in granted}
        return min((wanted - had for wanted in self.scope_sets), key=len)

    def error_code(self, error: str, description: str) -> str:
        """What an OAuth error means: `error`, or `admin_consent_required` where only `description` tells it."""
        return "admin_consent_required" if any(words in description for words in self.approval_words) else error


class KeyField(Struct, frozen=True):
    """One field of the form that connects a `KeyProvider`. A `secret` one is never shown again.

    `longest` is in characters: what is typed becomes part of a row, some of it of the row's key.
    """

    name: str
    label: str
    hint: str
    secret: bool = False
    optional: bool = False
    lines: int = 1
    longest: int = 255


class Reply(Struct, frozen=True):
    """An event that wants an answer and nothing else, such as the check of a webhook's address."""

    body: dict[str, Any]


class Deauthorized(Struct, frozen=True):
    """The owner of an account took our access away at `at`."""

    account_id: str
    at: datetime


class Ignored(Struct, frozen=True):
    """A genuine event that asks for nothing."""


Event = Reply | Deauthorized | Ignored


class Provider(ABC):
    """One video-conferencing system. Every call takes the access token, or the key, of the grant that it acts for.

    All calls raise `ProviderError`s: see `errors` for which means what. `urls` are its addresses by kind, as
    `settings.addresses` has them: `API`, for an `OAuthProvider` `OAUTH`, and more where it needs them. `limits` and
    `needs` are for people who choose one. `keeps_tags`: where a tag was used once, a create that arrives late makes
    nothing any more, even if the meeting is deleted by then. `makes_to_find`: `find` makes what it does not find.
    `no_place` is for the host where not a meeting is missing, but where it would be made.
    """

    name: ClassVar[str]
    display_name: ClassVar[str]
    needs: ClassVar[str]
    limits: ClassVar[str] = ""
    urls: ClassVar[Mapping[str, str]]
    idempotent: ClassVar[bool]
    keeps_tags: ClassVar[bool] = False
    makes_to_find: ClassVar[bool] = False
    local: ClassVar[bool] = False
    no_place: ClassVar[str] = "The account has no place for meetings any more. Ask its administrator, or connect again."

    def __init__(self, http: HttpClient, clock: Callable[[], datetime], urls: Mapping[str, str] | None = None) -> None:
        self.http = http
        self.clock = clock
        self.addresses = {**self.urls, **(urls or {})}

    @property
    def create_semantics(self) -> CreateSemantics:
        """What a repeated create does, for the plan."""
        return CreateSemantics(self.idempotent, self.keeps_tags, self.makes_to_find)

    @abstractmethod
    def account(self, token: str) -> Account:
        """Whose the token or key is. Asks the provider: a key that does not work raises."""

    @abstractmethod
    def guest_experience(self, account: Account) -> GuestExperience:
        """What guests of this account experience, without a call: what the provider documents."""

    def observe_guest_experience(self, token: str, meeting: ProviderMeeting, account: Account) -> GuestExperience:
        """What guests of `meeting`, which was just created, experience. Raises `ProviderError`.

        Providers that do not report it return what they document.
        """
        return self.guest_experience(account)

    @abstractmethod
    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        """Make the meeting. Where `idempotent`, a repeated call answers with the meeting that is there."""

    @abstractmethod
    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        """Change the meeting; None if its link stays. Raises `MeetingGone`."""

    @abstractmethod
    def delete(self, token: str, meeting_id: str) -> None:
        """Remove the meeting. Raises `MeetingGone` if it is not there: for the caller that is success."""

    @abstractmethod
    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        """Every meeting that carries the request's tag."""

    def join(self, token: str, meeting_id: str, visit: Visit) -> str:
        """The address that lets this visitor in, and nobody else for long.

        Asked for only where `create` answered with a meeting that has no link of its own.
        """
        raise NotImplementedError(f"{self.name} has links of its own")

    def read_event(self, headers: Mapping[str, str], raw: bytes, secret: str) -> Event | None:
        """What a webhook of this provider says; None if it is not proven to come from there, now.

        Providers without webhooks leave this as it is.
        """
        return None

    def explain(self, answer: Answer) -> ProviderError | None:
        """The error that this provider means by `answer`, where it differs from what HTTP says. Body before status."""
        return None

    def request_id(self, answer: Answer) -> str | None:
        """The provider's own id of the call, for its support."""
        return None

    def call(
        self, token: str, method: str, path: str, *, json: Any = None, at: str = "API", content_type: str | None = None
    ) -> Answer:
        """One API call; every answer but a success becomes an error. `at` is the kind of address."""
        headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": content_type} if content_type else {})
        answer = self.http.send(self.name, method, self.addresses[at] + path, headers=headers, json=json)
        if answer.ok:
            return answer
        raise self.explain(answer) or self._by_status(answer)

    def make(self, token: str, path: str, body: Any, *, method: str = "POST") -> Answer:
        """The call that makes a meeting: what is not found there is no meeting, and another tag would not help."""
        try:
            return self.call(token, method, path, json=body)
        except MeetingGone as error:
            call = replace(error.call, what="nowhere to make it")
            raise Rejected(call, advice=self.no_place) from error

    def failed_call(self, answer: Answer, what: str, *, code: str | None = None) -> FailedCall:
        """Describe the call that `answer` refused, for an error."""
        return FailedCall(self.name, what, answer.status, code, self.request_id(answer))

    def _by_status(self, answer: Answer) -> ProviderError:
        call = self.failed_call(answer, f"HTTP {answer.status}")
        match answer.status:
            case 401:
                return TokenRejected(call)
            case 404 | 410:
                return MeetingGone(call)
            case 429:
                at = retry_at(answer.headers, self.now())
                return ProviderUnavailable(call, retry_at=at, reason="rate_limited")
            case 503:
                return ProviderUnavailable(call, retry_at=retry_at(answer.headers, self.now()))
            case status if status >= 500 or status < 400 or status == 408:
                return Ambiguous(call)
        return Rejected(call)

    def now(self) -> datetime:
        return self.clock().astimezone(UTC)


class OAuthProvider(Provider):
    """Connected by signing in at the provider (RFC 6749), with the credentials that this deployment has there."""

    oauth: ClassVar[OAuth]
    may_use_pkce: bool = True
    """False where a deployment switched PKCE off (`MEETLINK_WITHOUT_PKCE`)."""

    @property
    def uses_pkce(self) -> bool:
        return self.oauth.pkce and self.may_use_pkce

    @property
    def token_address(self) -> str:
        """Where the token endpoint is: at some providers not where people sign in."""
        return self.addresses.get("TOKEN", self.addresses["OAUTH"])


class KeyProvider(Provider):
    """Connected by a form; what was typed is checked and then kept like a token, encrypted."""

    fields: ClassVar[tuple[KeyField, ...]]

    @abstractmethod
    def read_key(self, typed: Mapping[str, str]) -> str:
        """What to keep, from what was typed into `fields`. Raises `Rejected` whose `advice` says what is wrong."""


class RoomProvider(KeyProvider):
    """Meetings that are nothing but the name of a room: there is nobody to call, and nothing to change or remove."""

    idempotent = True
    local = True

    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        return None

    def delete(self, token: str, meeting_id: str) -> None:
        return

    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        return [self.create(token, request)]

    def refused(self, advice: str) -> Rejected:
        """What `read_key` raises."""
        return Rejected(FailedCall(self.name, "the key is incomplete"), advice=advice)
