"""Sign a user in at a provider (OAuth 2.0) and connect the account.

Only the browser session that started a flow can finish it. A callback that reaches another browser connects nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from chalicelib.domain.connection import Account, Connection, SignInProblem, Tokens
from chalicelib.domain.redacted import Redacted
from chalicelib.errors import (
    ClientRefused,
    Forbidden,
    LostRace,
    MeetlinkError,
    NotFound,
    ReconnectNeeded,
    Rejected,
    StoreUnavailable,
    TokenRejected,
)
from chalicelib.observability import log
from chalicelib.providers import oauth
from chalicelib.providers.base import OAuthProvider
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.usecases.connect_links import Session, storage_key
from chalicelib.usecases.connection_setup import ConnectionSetup
from chalicelib.usecases.offered_providers import OAuthClient, OfferedProviders

FLOW_LIFE = timedelta(minutes=10)
_STATE_BYTES = 32
_VERIFIER_BYTES = 48


class SignInFailed(MeetlinkError):
    """The user, the provider or its policy refused. The settings page says what to do about `problem`."""

    def __init__(self, problem: SignInProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


class FlowRefused(Forbidden):
    """The callback does not belong to a flow of this browser session, or the flow has ended."""

    reason = "flow_refused"


class _Flow(Redacted, frozen=True):
    """One attempt to sign in."""

    session_key: str
    """Key of the browser session that started the flow: a hash of its token."""
    provider: str
    redirect_uri: str
    base_url: str
    verifier: str
    """PKCE code verifier."""


class OAuthFlow:
    """The authorization code flow (RFC 6749, 4.1)."""

    def __init__(
        self,
        ephemeral: EphemeralStore,
        providers: OfferedProviders,
        setup: ConnectionSetup,
        clock: Callable[[], datetime],
    ) -> None:
        self._ephemeral = ephemeral
        self._providers = providers
        self._setup = setup
        self._clock = clock

    def start(self, session: Session, provider_name: str, base_url: str) -> str:
        """Return the provider's address to send the browser to. Raises `NotFound` if the provider is not offered."""
        redirect_uri = f"{base_url}/oauth/{provider_name}/callback"  # Each provider has its own: RFC 9700, 4.4.
        client = self._client(provider_name)
        state, verifier = secrets.token_urlsafe(_STATE_BYTES), secrets.token_urlsafe(_VERIFIER_BYTES)
        flow = _Flow(storage_key("session", session.token), provider_name, redirect_uri, base_url, verifier)
        self._ephemeral.put(storage_key("flow", state), flow, self._clock() + FLOW_LIFE)
        return oauth.authorization_url(
            client.provider, client.credentials[0], redirect_uri=redirect_uri, state=state, verifier=verifier
        )

    def admin_consent_url(self, provider_name: str, base_url: str) -> str | None:
        """Return the approval link for an organization's administrator; None if the provider has no such page."""
        client = self._client(provider_name)
        redirect_uri = f"{base_url}/oauth/{provider_name}/approved"
        return oauth.admin_consent_url(client.provider, client.credentials[0], redirect_uri=redirect_uri)

    def finish(self, session: Session | None, provider_name: str, response: Mapping[str, str]) -> Connection:
        """Handle the redirect back from the provider (RFC 6749, 4.1.2) and establish the connection.

        Raises `FlowRefused` (the flow stays open if another browser started it), `SignInFailed`, or `ProviderError`.
        """
        flow_key = storage_key("flow", response.get("state", ""))
        flow = self._ephemeral.get(flow_key, _Flow, self._clock())
        if session is None or flow is None or not _may_finish(flow, session, provider_name):
            raise FlowRefused("There is no open flow of this browser session.")
        try:
            tokens, account = _authorize(self._client(provider_name), flow, response)
        except SignInFailed:
            self._ephemeral.consume(flow_key)
            raise
        try:
            return self._setup.establish(session, provider_name, account, tokens, flow.base_url, flow_key=flow_key)
        except LostRace as error:
            if self._ephemeral.get(flow_key, _Flow, self._clock()) is None:
                raise FlowRefused("This sign-in was already finished.") from None
            raise StoreUnavailable("the grant changes too fast") from error

    def _client(self, provider_name: str) -> OAuthClient:
        client = self._providers.oauth_client(provider_name)
        if client is None:
            raise NotFound("This provider is not available here.")
        return client


def _may_finish(flow: _Flow, session: Session, provider_name: str) -> bool:
    return flow.session_key == storage_key("session", session.token) and flow.provider == provider_name


def _authorize(client: OAuthClient, flow: _Flow, response: Mapping[str, str]) -> tuple[Tokens, Account]:
    """Exchange the code for tokens and return them with the account. Raises `SignInFailed` or `ProviderError`."""
    provider = client.provider
    if "code" not in response:
        error = response.get("error", "access_denied")
        raise SignInFailed(_problem(provider.oauth.error_code(error, response.get("error_description", ""))))
    try:
        tokens = oauth.exchange(
            provider,
            client.credentials,
            code=response["code"],
            redirect_uri=flow.redirect_uri,
            verifier=flow.verifier,
        )
        _check_tokens(provider, tokens)
        return tokens, provider.read_account(tokens.access_token)
    except Rejected as error:
        raise SignInFailed(SignInProblem.UNUSABLE_ACCOUNT) from error
    except (ClientRefused, ReconnectNeeded, TokenRejected) as error:
        raise SignInFailed(_problem(error.code or "")) from error


def _check_tokens(provider: OAuthProvider, tokens: Tokens) -> None:
    """Raise `SignInFailed` if the tokens lack scopes or cannot be refreshed."""
    missing = provider.oauth.missing_scopes(frozenset(tokens.scopes))
    if missing:
        log.warning("a sign-in lacks scopes", provider=provider.name, missing=sorted(missing))
        raise SignInFailed(SignInProblem.MISSING_SCOPES)
    if tokens.refresh_token is None:
        raise SignInFailed(SignInProblem.NO_LASTING_ACCESS)


def _problem(code: str) -> SignInProblem:
    """Return what an OAuth error code means (RFC 6749, 4.1.2.1; OpenID Connect; Zoom's own numbers)."""
    match code:
        case "access_denied":
            return SignInProblem.CANCELLED
        case "consent_required" | "interaction_required" | "admin_consent_required" | "4738" | "4737":
            return SignInProblem.NEEDS_APPROVAL
        case "unauthorized_client" | "4717":
            return SignInProblem.APP_DISABLED
        case "invalid_client" | "4702" | "4704":
            return SignInProblem.CREDENTIALS_REFUSED
        case "invalid_scope":
            return SignInProblem.UNKNOWN_PERMISSION
        case "temporarily_unavailable" | "server_error":
            return SignInProblem.UNAVAILABLE
        case "invalid_grant" | "4733" | "4734":
            return SignInProblem.TOO_LATE
    return SignInProblem.REFUSED
