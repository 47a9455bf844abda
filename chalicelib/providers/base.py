"""The interface of a provider: what a provider declares, and the flow of a call that all providers share.

To add a provider, subclass `OAuthProvider` (the host signs in at the provider) or `KeyProvider` (the host enters a
key), and add the class to `registry`. `docs/providers.md` has the steps and an example.

The interface fits providers with an idempotent create, providers without one (`find` looks the meeting up by its tag),
providers that cannot change a meeting (`update` raises `MeetingGone`, and a new meeting replaces the old one), and
providers without any API call (`rooms.RoomProvider`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from msgspec import Struct, field
from msgspec.structs import replace

from chalicelib.domain.cohost import CohostResult
from chalicelib.domain.connection import Account
from chalicelib.domain.guest_experience import GuestExperience
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting, Visit
from chalicelib.domain.meeting_plan import CreateSemantics
from chalicelib.domain.meeting_report import MeetingReport
from chalicelib.domain.meeting_settings import NO_SETTINGS, NOTHING_POSSIBLE, MeetingSettings, PossibleSettings
from chalicelib.errors import (
    Ambiguous,
    FailedCall,
    MeetingGone,
    ProviderError,
    ProviderUnavailable,
    Rejected,
    TokenRejected,
)
from chalicelib.providers.cohost_changes import CohostChange
from chalicelib.providers.http_client import HttpClient, ProviderResponse, parse_retry_after


class OAuth(Struct, frozen=True):
    """How a provider's OAuth 2.0 (RFC 6749) differs from that of other providers."""

    authorize_path: str
    """Path of the authorization endpoint, below the address `OAUTH`."""
    token_path: str
    """Path of the token endpoint, below the address `TOKEN` if there is one, else `OAUTH`."""
    revoke_path: str | None
    """Path of the revocation endpoint (RFC 7009); None if there is none."""
    scope_sets: tuple[frozenset[str], ...]
    """Sets of scopes, without `scope_prefix`. A grant is sufficient if it contains one complete set."""
    requested_scopes: tuple[str, ...] | None = None
    """The scopes to request, exactly as sent; None if scopes are configured on the app at the provider."""
    scope_prefix: str = ""
    """A prefix of granted scopes that is ignored when they are compared with `scope_sets`."""
    basic_auth: bool = True
    """True: the client authenticates with HTTP Basic. False: with fields of the form."""
    pkce: bool = True
    """Whether the provider supports PKCE (RFC 7636)."""
    revoke_needs_client: bool = True
    """Whether the revocation endpoint requires the client's credentials."""
    invalid_grant_codes: frozenset[str] = frozenset()
    """The provider's own error codes that mean `invalid_grant`."""
    invalid_grant_phrases: tuple[str, ...] = ()
    """Phrases in an error's text that mean `invalid_grant`, in lower case, where there is no code for it."""
    invalid_client_codes: frozenset[str] = frozenset({"invalid_client", "unauthorized_client"})
    """Error codes that mean that the client's id or secret is wrong."""
    ambiguous_client_codes: frozenset[str] = frozenset()
    """Error codes that mean either a wrong client or that an organization removed the app: see `access_tokens`."""
    extra_parameters: dict[str, str] = field(default_factory=dict)
    """Further query parameters of the authorization request."""
    admin_consent_path: str | None = None
    """Where an administrator can approve the app for an organization; None if the provider has no such page."""
    approval_phrases: tuple[str, ...] = ()
    """Parts of `error_description` that mean that an administrator must approve the app first."""

    def missing_scopes(self, granted: frozenset[str]) -> frozenset[str]:
        """Return the scopes that are missing from the closest scope set; empty if `granted` is sufficient."""
        names = {scope.removeprefix(self.scope_prefix) for scope in granted}
        return min((scopes - names for scopes in self.scope_sets), key=len)

    def error_code(self, error: str, description: str) -> str:
        """Return `error`, or `admin_consent_required` if only `description` reveals it."""
        return "admin_consent_required" if any(phrase in description for phrase in self.approval_phrases) else error


class KeyField(Struct, frozen=True):
    """One field of the form that connects a `KeyProvider`."""

    name: str
    """The key of the value in the mapping that `read_key` gets."""
    label: str
    hint: str
    """One sentence below the field."""
    secret: bool = False
    """Whether the value is hidden while it is typed, and never shown again."""
    optional: bool = False
    lines: int = 1
    """Height of the field; more than one line makes it a text area."""
    longest: int = 255
    """Maximum length in characters: the value becomes part of a row, and some of it of the row's key."""


class Reply(Struct, frozen=True):
    """An event that only needs a response, such as the validation of a webhook's address."""

    body: dict[str, Any]
    """The JSON body of the response."""


class Deauthorized(Struct, frozen=True):
    """The owner of an account removed the app."""

    account_id: str
    at: datetime


class Ignored(Struct, frozen=True):
    """An authentic event that needs no action."""


Event = Reply | Deauthorized | MeetingReport | Ignored


class Provider(ABC):
    """One video-conferencing system.

    Each method that calls the provider takes `token`, the access token or the key of the grant it acts for, and raises
    a `ProviderError`. Which one matters: raise `Ambiguous` if the provider may have done the call, and
    `ProviderUnavailable` if it certainly did not.
    """

    name: ClassVar[str]
    """The identifier in the API, in stored rows and in addresses, such as `google_meet`."""
    display_name: ClassVar[str]
    """The name that people see, such as `Google Meet`."""
    needs: ClassVar[str]
    """What a person needs before they connect, in one or two sentences."""
    limits: ClassVar[str] = ""
    """What a person should know before they choose this provider: quotas, costs, time limits."""
    urls: ClassVar[Mapping[str, str]]
    """Base addresses by kind: `API`, for an `OAuthProvider` also `OAUTH`, and further ones where `call` names them."""
    create_semantics: ClassVar[CreateSemantics]
    """What happens if a create is sent twice; decides how a create without a response is resolved."""
    possible_settings: ClassVar[PossibleSettings] = NOTHING_POSSIBLE
    """The settings of a meeting that `create` and `update` apply. A request contains no others."""
    adds_cohosts: ClassVar[bool] = False
    """Whether the provider can make other accounts co-hosts of a meeting; see `set_cohosts`."""
    is_local: ClassVar[bool] = False
    """True if a meeting is only a room's name: creating it calls no one and needs no stored intent."""
    meetings_at_once: ClassVar[int | None] = None
    """How many meetings of one account can run at a time, unless its workspace has another number; None: any number."""
    reports_meetings: ClassVar[bool] = False
    """Whether the provider can send events about meetings; see `read_event`."""
    writes_calendar_events: ClassVar[bool] = False
    """True if each meeting is an event in the account's own calendar. Emails to the account's address then have no
    calendar part."""
    no_place_advice: ClassVar[str] = (
        "This account has nowhere to create meetings. Ask its administrator for help, or connect again."
    )
    """Advice for the host if the provider responds to a create with 404."""

    def __init__(self, http: HttpClient, clock: Callable[[], datetime], urls: Mapping[str, str] | None = None) -> None:
        self.http = http
        self.clock = clock
        self.addresses = {**self.urls, **(urls or {})}
        """`urls`, with those that this deployment overrides (`settings.addresses`)."""

    @abstractmethod
    def read_account(self, token: str) -> Account:
        """Return the account that the token or key belongs to. Raises a `ProviderError` if the token does not work."""

    @abstractmethod
    def guest_experience(self, account: Account) -> GuestExperience:
        """Return what guests of this account experience according to the provider's documentation, without a call."""

    def observe_guest_experience(self, token: str, meeting: ProviderMeeting, account: Account) -> GuestExperience:
        """Return what guests of the newly created `meeting` experience. Raises `ProviderError`.

        Providers that do not report it return what they document.
        """
        return self.guest_experience(account)

    @abstractmethod
    def create(self, token: str, request: MeetingRequest) -> ProviderMeeting:
        """Create the meeting. Where the create is idempotent, a repeated call returns the existing meeting."""

    @abstractmethod
    def update(self, token: str, meeting_id: str, request: MeetingRequest) -> ProviderMeeting | None:
        """Change the meeting. Return None if its link stays the same. Raises `MeetingGone`."""

    @abstractmethod
    def delete(self, token: str, meeting_id: str) -> None:
        """Delete the meeting. Raises `MeetingGone` if it does not exist, which the caller treats as success."""

    @abstractmethod
    def find(self, token: str, request: MeetingRequest) -> list[ProviderMeeting]:
        """Return every meeting that has the request's tag."""

    def read_settings(self, token: str, meeting_id: str) -> MeetingSettings:
        """Return the settings that the meeting has, as far as the provider reports them.

        Called after an update with settings: a policy of the account may have locked another value.
        """
        return NO_SETTINGS

    def set_cohosts(self, token: str, meeting_id: str, change: CohostChange) -> tuple[CohostResult, ...]:
        """Make these people co-hosts, and former ones no longer. Return the result for each, in order.

        The provider must not email them. An address that it refuses is a result. Called after a create whose result has
        none for the request's co-hosts, and when they change; only if `adds_cohosts`. It can take a call for each
        person: see `CohostChange.before_each_call`.
        """
        raise NotImplementedError(f"{self.name} has no co-hosts")

    def create_join_link(self, token: str, meeting_id: str, visit: Visit) -> str:
        """Return an address that admits this visitor only, and only for a short time.

        Called only if `create` returned a meeting without a link.
        """
        raise NotImplementedError(f"{self.name} has links of its own")

    def read_event(self, headers: Mapping[str, str], raw: bytes, secret: str) -> Event | None:
        """Read a webhook of this provider. Return None unless its signature proves the sender and a recent time.

        Providers without webhooks do not override this.
        """
        return None

    def reports_own_change(self, report: MeetingReport, request: MeetingRequest) -> bool:
        """Return whether an update contains only values of `request`, as after the product's own update.

        Called only if `read_event` returns reports.
        """
        raise NotImplementedError(f"{self.name} reports no meetings")

    def read_error(self, response: ProviderResponse) -> ProviderError | None:
        """Return the error that `response` means, where this provider differs from what the HTTP status says.

        The error code in the body takes precedence over the status.
        """
        return None

    def request_id(self, response: ProviderResponse) -> str | None:
        """Return the provider's own id of the request, which its support asks for."""
        return None

    def call(
        self, token: str, method: str, path: str, *, json: Any = None, at: str = "API", content_type: str | None = None
    ) -> ProviderResponse:
        """Send one API request. Raise a `ProviderError` unless it succeeds. `at` is the kind of address in `urls`."""
        headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": content_type} if content_type else {})
        response = self.http.send(self.name, method, self.addresses[at] + path, headers=headers, json=json)
        if response.ok:
            return response
        raise self.read_error(response) or self._error_by_status(response)

    def guarded_call(self, token: str, before_each: Callable[[], None]) -> Callable[..., ProviderResponse]:
        """Return `call` with this token, which first calls `before_each`."""

        def call(method: str, path: str, **options: Any) -> ProviderResponse:
            before_each()
            return self.call(token, method, path, **options)

        return call

    def send_create(self, token: str, path: str, body: Any, *, method: str = "POST") -> ProviderResponse:
        """Send the request that creates a meeting.

        A 404 means that the place for meetings is missing, so another tag would not help: raises `Rejected`.
        """
        try:
            return self.call(token, method, path, json=body)
        except MeetingGone as error:
            call = replace(error.call, what="there is no place to create the meeting")
            raise Rejected(call, advice=self.no_place_advice) from error

    def failed_call(self, response: ProviderResponse, what: str, *, code: str | None = None) -> FailedCall:
        """Describe the failed request for an error."""
        return FailedCall(self.name, what, response.status, code, self.request_id(response))

    def _error_by_status(self, response: ProviderResponse) -> ProviderError:
        call = self.failed_call(response, f"HTTP {response.status}")
        retry_at = parse_retry_after(response.headers, self.now())
        match response.status:
            case 401:
                return TokenRejected(call)
            case 404 | 410:
                return MeetingGone(call)
            case 429:
                return ProviderUnavailable(call, retry_at=retry_at, reason="rate_limited")
            case 503:
                return ProviderUnavailable(call, retry_at=retry_at)
            case status if status >= 500 or status < 400 or status == 408:
                return Ambiguous(call)
        return Rejected(call)

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return self.clock().astimezone(UTC)


class OAuthProvider(Provider):
    """A provider where the host signs in (RFC 6749), with this deployment's client credentials."""

    oauth: ClassVar[OAuth]
    """The OAuth endpoints, scopes and error codes."""
    may_use_pkce: bool = True
    """False if the deployment turned PKCE off (`MEETLINK_WITHOUT_PKCE`)."""

    @property
    def uses_pkce(self) -> bool:
        return self.oauth.pkce and self.may_use_pkce

    @property
    def token_address(self) -> str:
        """The base address of the token endpoint; some providers have it on a different host than the sign-in."""
        return self.addresses.get("TOKEN", self.addresses["OAUTH"])


class KeyProvider(Provider):
    """A provider where the host enters a key into a form. The key is checked, then stored encrypted like a token."""

    fields: ClassVar[tuple[KeyField, ...]]
    """The fields of the form, in order."""

    @abstractmethod
    def read_key(self, values: Mapping[str, str]) -> str:
        """Return the key to store, from the values of `fields`. Raises `Rejected` with advice if a value is invalid."""

    def invalid_key(self, advice: str) -> Rejected:
        """Return the error for `read_key` to raise."""
        return Rejected(FailedCall(self.name, "the key is invalid"), advice=advice)
