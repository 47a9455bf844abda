"""Connect a user to a provider account in a browser, and let go again.

Only the browser session that started an OAuth flow can finish it: a callback that reaches somebody else attaches
nobody's account.
"""

from __future__ import annotations

import hashlib
import secrets as random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from chalicelib.domain.connection import (
    Account,
    Connection,
    ConnectionStatus,
    Grant,
    Reason,
    SignInProblem,
    Tokens,
    grant_id,
    keeps_key,
    status,
)
from chalicelib.domain.redacted import Redacted
from chalicelib.errors import (
    ClientRefused,
    Conflict,
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
from chalicelib.providers.base import KeyProvider, OAuthProvider, Provider
from chalicelib.store.bookings import BookingStore
from chalicelib.store.connections import ConnectionStore, GrantStore
from chalicelib.store.deployment_secrets import DeploymentSecrets
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.store.workspaces import WorkspaceStore
from chalicelib.usecases.access_tokens import AccessTokens
from chalicelib.usecases.bookings import Bookings
from chalicelib.usecases.connect_links import ConnectLinks, Session, Visitor, secret_key

FLOW_LIFE = timedelta(minutes=10)
_TOKEN_BYTES = 32
_TRIES = 3
_CLOCKS_DIFFER = timedelta(minutes=5)  # And some senders cut their times to the second.
_FIRST_LOOK = timedelta(days=1)
_REVOKE_AFTER = timedelta(seconds=5)  # Lets the index of connections by grant catch up.


class _Flow(Redacted, frozen=True):
    """One OAuth attempt: it belongs to the session (by the hash of its token) and to the provider."""

    session_key: str
    provider: str
    redirect_uri: str
    base_url: str
    verifier: str


class SignInFailed(MeetlinkError):
    """The user, the provider or its policy refused. The settings page says what to do about `problem`."""

    def __init__(self, problem: SignInProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


class KeyRefused(Forbidden):
    """The key that was typed in does not do. The detail is shown on the settings page."""

    reason = "key_refused"


class FlowRefused(Forbidden):
    """The callback does not belong to an attempt of this browser session, or comes too late."""

    reason = "flow_refused"


class Connections:
    """Links, sessions, OAuth flows, connections."""

    def __init__(
        self,
        ephemeral: EphemeralStore,
        connections: ConnectionStore,
        grants: GrantStore,
        bookings: BookingStore,
        booker: Bookings,
        workspaces: WorkspaceStore,
        tokens: AccessTokens,
        providers: Mapping[str, Provider],
        secrets: DeploymentSecrets,
        sessions: ConnectLinks,
        clock: Callable[[], datetime],
    ) -> None:
        self._ephemeral = ephemeral
        self._connections = connections
        self._grants = grants
        self._bookings = bookings
        self._booker = booker
        self._workspaces = workspaces
        self._tokens = tokens
        self._providers = providers
        self._secrets = secrets
        self._sessions = sessions
        self._clock = clock

    def offered(self) -> list[Provider]:
        """The providers that this deployment has credentials for, and those that need none."""
        return [p for p in self._providers.values() if isinstance(p, KeyProvider) or self._secrets.credentials(p.name)]

    def start(self, session: Session, provider_name: str, base_url: str) -> str:
        """The provider's address to send the browser to. Raises `NotFound` for a provider that is not offered."""
        redirect_uri = f"{base_url}/oauth/{provider_name}/callback"  # One address a provider: RFC 9700, 4.4.
        provider, credentials = self._offered(provider_name)
        state, verifier = random.token_urlsafe(_TOKEN_BYTES), random.token_urlsafe(48)
        flow = _Flow(secret_key("session", session.token), provider_name, redirect_uri, base_url, verifier)
        self._ephemeral.put(secret_key("flow", state), flow, self._clock() + FLOW_LIFE)
        return oauth.authorization_url(
            provider, credentials[0], redirect_uri=redirect_uri, state=state, verifier=verifier
        )

    def admin_consent(self, provider_name: str, base_url: str) -> str | None:
        """The link for an organization's administrator, where the provider knows such a thing."""
        provider, credentials = self._offered(provider_name)
        redirect_uri = f"{base_url}/oauth/{provider_name}/approved"
        return oauth.admin_consent_url(provider, credentials[0], redirect_uri=redirect_uri)

    def connect_with_key(
        self, session: Session, provider_name: str, typed: Mapping[str, str], base_url: str
    ) -> Connection:
        """Connect with a key that was typed in, once it is seen to work.

        Raises `KeyRefused` with what is wrong, `NotFound`, or `ProviderError`.
        """
        provider = self._providers.get(provider_name)
        if not isinstance(provider, KeyProvider):
            raise NotFound("This provider is not connected by a key.")
        typed = {name: text.strip() for name, text in typed.items()}
        for field in provider.fields:
            if len(typed.get(field.name, "")) > field.longest:
                raise KeyRefused(f"{field.label}: this is too long. It has at most {field.longest} characters.")
        try:
            key = provider.read_key(typed)
            account = provider.read_account(key)
        except (TokenRejected, ReconnectNeeded) as error:
            raise KeyRefused(f"{provider.display_name} does not accept this key. Copy it again.") from error
        except Rejected as error:
            raise KeyRefused(error.advice or f"{provider.display_name} refuses this key.") from error
        # Whoever knows a key need not own the account: unlike one that was signed in to, it is shared with nobody.
        visitor = session.visitor
        owner = hashlib.sha256(f"{visitor.workspace_id}\0{visitor.user_id}".encode()).hexdigest()[:16]
        own = replace(account, id=f"{account.id}/{owner}")
        return self._establish(session, provider, own, keeps_key(key), base_url)

    def finish(self, session: Session | None, provider_name: str, answer: Mapping[str, str]) -> Connection:
        """Handle the redirect back from the provider (RFC 6749, 4.1.2) and establish the connection.

        Raises `FlowRefused` (nothing is used up by a browser that did not start the flow), `SignInFailed`, or
        `ProviderError`.
        """
        flow_key = secret_key("flow", answer.get("state", ""))
        flow = self._ephemeral.get(flow_key, _Flow, self._clock())
        mine = session is not None and flow is not None and flow.session_key == secret_key("session", session.token)
        if session is None or flow is None or not mine or flow.provider != provider_name:
            raise FlowRefused(
                "This sign-in was not started in this browser, was already finished, or took longer than ten minutes. "
                "Open the settings page again from the service that you take bookings with, and connect there."
            )
        provider, credentials = self._offered(provider_name)
        try:
            tokens, account = self._authorized(provider, credentials, flow, answer)
        except SignInFailed:
            self._ephemeral.take(flow_key)
            raise
        return self._establish(session, provider, account, tokens, flow.base_url, flow_key)

    def _authorized(
        self, provider: OAuthProvider, credentials: tuple[str, str], flow: _Flow, answer: Mapping[str, str]
    ) -> tuple[Tokens, Account]:
        """Return the tokens that the provider issues and whose they are. Raise `SignInFailed`."""
        if "code" not in answer:
            error = answer.get("error", "access_denied")
            raise SignInFailed(_problem(provider.oauth.error_code(error, answer.get("error_description", ""))))
        try:
            tokens = oauth.exchange(
                provider, credentials, code=answer["code"], redirect_uri=flow.redirect_uri, verifier=flow.verifier
            )
            missing = provider.oauth.missing_scopes(frozenset(tokens.scopes))
            if missing:
                log.warning("a sign-in lacks scopes", provider=provider.name, missing=sorted(missing))
                raise SignInFailed(SignInProblem.MISSING_SCOPES)
            if tokens.refresh_token is None:
                raise SignInFailed(SignInProblem.NO_LASTING_ACCESS)
            return tokens, provider.read_account(tokens.access_token)
        except Rejected as error:
            raise SignInFailed(SignInProblem.UNUSABLE_ACCOUNT) from error
        except (ClientRefused, ReconnectNeeded, TokenRejected) as error:
            raise SignInFailed(_problem(error.code or "")) from error

    def status(self, workspace_id: str, user_id: str) -> ConnectionStatus:
        """The user's connection as it is now."""
        connection = self._connections.get(workspace_id, user_id)
        return status(connection, self._grants.get(connection.grant_id) if connection else None)

    def upcoming(self, workspace_id: str, user_id: str) -> list[tuple[str, datetime, str]]:
        """(booking id, start, link) of coming meetings, which nobody could change any more after disconnecting."""
        records = self._bookings.upcoming(workspace_id, user_id, self._clock())
        meetings = ((r.booking, r.settlement.meeting) for r in records)
        return [
            (booking.booking_id, booking.appointment.starts_at, meeting.join_url)
            for booking, meeting in meetings
            if meeting.exists and meeting.join_url
        ]

    def confirm(self, workspace_id: str, user_id: str, account_id: str) -> ConnectionStatus:
        """Let bookings made from now on get links from the account, as the caller's backend knows it as the user's.

        Raises `Conflict` if there is no connection to confirm, or if it is to another account than `account_id`.
        """
        connection = self._connections.get(workspace_id, user_id)
        if connection is None or connection.ended_reason:
            raise Conflict("There is no connection to confirm.", reason="not_connected")
        changed = Conflict(
            "Another account is connected by now. Look at GET …/connection, then confirm that account or disconnect.",
            reason="account_changed",
        )
        if connection.account.id != account_id:
            raise changed
        confirmed = replace(connection, confirmed=True, connected_at=self._clock())
        if not connection.confirmed and not self._connections.replace(confirmed):
            raise changed
        return self.status(workspace_id, user_id)

    def disconnect(
        self, workspace_id: str, user_id: str, *, delete_meetings: bool = False, session: Session | None = None
    ) -> None:
        """End the connection and every link and session of the user but `session`, from which this was asked.

        Revoking at the provider follows from the schedule. With `delete_meetings` coming meetings are removed first:
        the connection serves for that and for nothing else.
        """
        if session is not None:
            self._sessions.end_others(session)
        else:
            self._sessions.end_all(workspace_id, user_id)
        connection = self._connections.get(workspace_id, user_id)
        if connection is None:
            return
        if delete_meetings:
            self._connections.replace(connection.ended(Reason.DISCONNECTED, self._clock()))
            self._grants.set_due(connection.grant_id, self._clock() + _REVOKE_AFTER)
            self._give_up_meetings(workspace_id, user_id)
            return
        # Due before the row goes: a crash between the two leaves a grant that the schedule still looks at.
        self._grants.set_due(connection.grant_id, self._clock() + _REVOKE_AFTER)
        self._connections.delete(workspace_id, user_id)
        self._wake(workspace_id, user_id)

    def _offered(self, name: str) -> tuple[OAuthProvider, tuple[str, str]]:
        provider, credentials = self._providers.get(name), self._secrets.credentials(name)
        if credentials is None or not isinstance(provider, OAuthProvider):
            raise NotFound("This provider is not available here.")
        return provider, (credentials.client_id, credentials.client_secret)

    def _establish(
        self,
        session: Session,
        provider: Provider,
        account: Account,
        tokens: Tokens,
        base_url: str,
        flow_key: str | None = None,
    ) -> Connection:
        """Store grant and connection in one write.

        It also uses up the flow that led here, if there was one, and ends the user's other links and sessions.
        """
        now, visitor = self._clock(), session.visitor
        workspace = self._workspaces.get(visitor.workspace_id)
        needs_confirmation = workspace is not None and workspace.confirms_connections
        for _ in range(_TRIES):
            before = self._connections.get(visitor.workspace_id, visitor.user_id)
            known = self._grants.get(grant_id(provider.name, account.id))
            connection = _connection(visitor, provider.name, account, before, now, confirmed=not needs_confirmation)
            connection = replace(connection, base_url=base_url)
            version = known.version + 1 if known else 1
            grant = Grant(provider.name, account, version, None, authorized_at=now, due_at=now + _FIRST_LOOK)
            try:
                sealed, ending = self._tokens.seal(grant, tokens), self._sessions.ending_others(session)
                self._connections.establish(connection, sealed, flow_key=flow_key, now=now, also=ending)
            except LostRace:
                if flow_key is not None and self._ephemeral.get(flow_key, _Flow, now) is None:
                    raise FlowRefused("This sign-in was already finished.") from None
                continue  # Somebody refreshed or connected the same account at the same moment.
            if before is not None and before.grant_id != connection.grant_id:
                self._grants.set_due(before.grant_id, now + _REVOKE_AFTER)
            # The grant is shared: whoever waited for this account need wait no longer.
            for key in {(visitor.workspace_id, visitor.user_id), *self._connections.users_of(grant.id)}:
                self._wake(*key)
            return connection
        raise StoreUnavailable("the grant changes too fast")

    def deauthorized(self, provider: str, account_id: str, at: datetime) -> None:
        """The provider says that the account's owner took the access away at `at`.

        The tokens go at once, in one write; the schedule then forgets the owner everywhere. A late or repeated event
        about an authorization that was given again since changes nothing. Two clocks are not compared to decide which
        came first: within `_CLOCKS_DIFFER` the provider is asked whether it still accepts the tokens. Raises
        `ProviderUnavailable` or `Ambiguous` if it gives no answer; the sender then has to send the event again.
        """
        for _ in range(_TRIES):
            grant = self._grants.get(grant_id(provider, account_id))
            if grant is None:
                return
            since = at - grant.authorized_at if grant.authorized_at else None
            if since is not None and since < -_CLOCKS_DIFFER:
                return
            if since is not None and since <= _CLOCKS_DIFFER and self._is_accepted(grant):
                return
            grant = self._grants.get(grant.id) or grant
            ended = replace(grant, sealed_tokens=None, broken_reason=Reason.DEAUTHORIZED, broken_at=self._clock())
            try:
                self._grants.write(ended)
            except LostRace:
                continue
            self._grants.set_due(grant.id, self._clock())
            return
        raise StoreUnavailable("the grant changes too fast")

    def _is_accepted(self, grant: Grant) -> bool:
        """Whether the provider accepts the grant's tokens now."""
        provider, rejected = self._providers.get(grant.provider), None
        if provider is None:
            return False
        for _ in range(2):  # An access token can end early; the refresh token decides.
            try:
                token = self._tokens.access_token(grant, rejected=rejected)
                provider.read_account(token)
            except TokenRejected:
                rejected = token
            except ReconnectNeeded:
                return False
            else:
                return True
        return False

    def _give_up_meetings(self, workspace_id: str, user_id: str) -> None:
        for record in self._bookings.upcoming(workspace_id, user_id, self._clock()):
            if record.settlement.meeting.exists or record.booking.eligibility:
                self._booker.give_up_meeting(workspace_id, record.booking.booking_id)

    def _wake(self, workspace_id: str, user_id: str) -> None:
        """Have bookings that wait for this connection looked at now rather than at their next poll."""
        for record in self._bookings.upcoming(workspace_id, user_id, self._clock()):
            if not record.is_settled:
                self._bookings.wake(workspace_id, record.booking.booking_id, self._clock())


def _connection(
    visitor: Visitor, provider: str, account: Account, before: Connection | None, now: datetime, *, confirmed: bool
) -> Connection:
    new = Connection(
        workspace_id=visitor.workspace_id,
        user_id=visitor.user_id,
        provider=provider,
        grant_id=grant_id(provider, account.id),
        account=account,
        connected_at=now,
        user_email=visitor.email,
        user_name=visitor.name,
        confirmed=confirmed,
    )
    if before is None or before.grant_id != new.grant_id or before.ended_reason:
        return new
    # The same account again repairs the connection: bookings made since it was first established keep their claim.
    return replace(
        new,
        connected_at=before.connected_at,
        user_email=new.user_email or before.user_email,
        user_name=new.user_name or before.user_name,
        last_meeting_at=before.last_meeting_at,
        # The same account again does not replace the confirmation, and needs no second one.
        confirmed=before.confirmed or confirmed,
    )


def _problem(code: str) -> SignInProblem:
    """Return what an OAuth error (RFC 6749, 4.1.2.1; OpenID Connect; Zoom's own numbers) means."""
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
