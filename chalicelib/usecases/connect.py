"""Connect a user to a provider account in a browser, and let go again.

A connect link opens one session for one user; only that session can finish the OAuth flow that it started. So a
link or a callback that reaches somebody else attaches nobody's account.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets as random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.domain.connection import Account, Connection, ConnectionStatus, Grant, Tokens, grant_id, status
from chalicelib.errors import Conflict, Forbidden, LostRace, NotFound, StoreUnavailable
from chalicelib.providers import oauth
from chalicelib.providers.base import Provider
from chalicelib.store.bookings import BookingStore
from chalicelib.store.connections import ConnectionStore, GrantStore
from chalicelib.store.documents import EphemeralStore
from chalicelib.store.secrets import Secrets
from chalicelib.usecases.tokens import TokenKeeper

LINK_LIFE = timedelta(minutes=10)
FLOW_LIFE = timedelta(minutes=10)
SESSION_LIFE = timedelta(hours=1)
_TOKEN_BYTES = 32
_TRIES = 3
_REVOKE_AFTER = timedelta(seconds=5)  # Lets the index of connections by grant catch up.


@dataclass(frozen=True, slots=True)
class Visitor:
    """The user whom a link or session stands for, and where their browser may go back to."""

    workspace_id: str
    user_id: str
    email: str | None = None
    name: str | None = None
    provider: str | None = None
    return_to: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser session. `token` is the cookie's value; `csrf` stands on its forms."""

    visitor: Visitor
    token: str = field(repr=False)

    @property
    def csrf(self) -> str:
        return hmac.new(self.token.encode(), b"csrf", hashlib.sha256).hexdigest()

    def accepts(self, csrf: str) -> bool:
        return hmac.compare_digest(self.csrf.encode(), csrf.encode())


@dataclass(frozen=True, slots=True)
class _Flow:
    """One OAuth attempt: it belongs to the session (by the hash of its token) and to the provider."""

    session_key: str
    provider: str
    redirect_uri: str
    verifier: str = field(repr=False)


class ConsentDenied(Forbidden):
    """The user, or the provider's policy, said no. `reason` is shown on the settings page."""

    reason = "consent_denied"


class FlowRefused(Forbidden):
    """The callback does not belong to an attempt of this browser session, or comes too late."""

    reason = "flow_refused"


class Connector:
    """Links, sessions, OAuth flows, connections."""

    def __init__(
        self,
        ephemeral: EphemeralStore,
        connections: ConnectionStore,
        grants: GrantStore,
        bookings: BookingStore,
        tokens: TokenKeeper,
        providers: Mapping[str, Provider],
        secrets: Secrets,
        clock: Callable[[], datetime],
    ) -> None:
        self._ephemeral = ephemeral
        self._connections = connections
        self._grants = grants
        self._bookings = bookings
        self._tokens = tokens
        self._providers = providers
        self._secrets = secrets
        self._clock = clock

    def offered(self) -> list[Provider]:
        """The providers that this deployment has credentials for."""
        return [p for p in self._providers.values() if self._secrets.credentials(p.name) is not None]

    def make_link(self, visitor: Visitor) -> tuple[str, datetime]:
        """A connect link's token and when it ends."""
        token, ends = random.token_urlsafe(_TOKEN_BYTES), self._clock() + LINK_LIFE
        self._ephemeral.put(_key("link", token), visitor, ends)
        return token, ends

    def visitor_of(self, link: str) -> Visitor | None:
        """Whom a link is for; looking does not use it up. None if it is used, expired or no link at all."""
        return self._ephemeral.get(_key("link", link), Visitor, self._clock())

    def open_session(self, link: str) -> Session:
        """Use the link up. Raises `NotFound` for one that is used or expired."""
        visitor = self.visitor_of(link)
        if visitor is None or not self._ephemeral.take(_key("link", link)):
            raise NotFound("This link has expired or was already used. Ask for a new one where you got it.")
        token = random.token_urlsafe(_TOKEN_BYTES)
        self._ephemeral.put(_key("session", token), visitor, self._clock() + SESSION_LIFE)
        return Session(visitor, token)

    def session(self, token: str | None) -> Session | None:
        """The session of a cookie; None if there is none (any more)."""
        if not token:
            return None
        visitor = self._ephemeral.get(_key("session", token), Visitor, self._clock())
        return None if visitor is None else Session(visitor, token)

    def start(self, session: Session, provider_name: str, redirect_uri: str) -> str:
        """The provider's address to send the browser to. Raises `NotFound` for a provider that is not offered."""
        provider, credentials = self._offered(provider_name)
        state, verifier = random.token_urlsafe(_TOKEN_BYTES), random.token_urlsafe(48)
        flow = _Flow(_key("session", session.token), provider_name, redirect_uri, verifier)
        self._ephemeral.put(_key("flow", state), flow, self._clock() + FLOW_LIFE)
        return oauth.authorization_url(
            provider, credentials[0], redirect_uri=redirect_uri, state=state, verifier=verifier
        )

    def finish(self, session: Session | None, provider_name: str, answer: Mapping[str, str]) -> Connection:
        """Handle the redirect back from the provider (RFC 6749, 4.1.2) and establish the connection.

        Raises `FlowRefused` (nothing is used up by a browser that did not start the flow), `ConsentDenied`, or
        `ProviderError`.
        """
        flow_key = _key("flow", answer.get("state", ""))
        flow = self._ephemeral.get(flow_key, _Flow, self._clock())
        mine = session is not None and flow is not None and flow.session_key == _key("session", session.token)
        if session is None or flow is None or not mine or flow.provider != provider_name:
            raise FlowRefused(
                "This sign-in was not started in this browser, was already finished, or took longer than ten minutes. "
                "Open the settings page and connect again."
            )
        if "code" not in answer:
            self._ephemeral.take(flow_key)
            raise ConsentDenied("The sign-in was cancelled. Nothing was connected.")
        provider, credentials = self._offered(provider_name)
        tokens = oauth.exchange(
            provider, credentials, code=answer["code"], redirect_uri=flow.redirect_uri, verifier=flow.verifier
        )
        missing = provider.oauth.missing_scopes(frozenset(tokens.scopes))
        if missing:
            self._ephemeral.take(flow_key)
            raise ConsentDenied(
                f"{provider.display_name} did not grant everything that is needed: {', '.join(sorted(missing))}. "
                "Connect again and allow all of it, or add these scopes to the app.",
                reason="missing_scopes",
            )
        return self._establish(session.visitor, provider, provider.account(tokens.access_token), tokens, flow_key)

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

    def disconnect(self, workspace_id: str, user_id: str) -> None:
        """End the connection here and now; revoking at the provider follows from the schedule."""
        connection = self._connections.get(workspace_id, user_id)
        if connection is None:
            return
        # Due before the row goes: a crash between the two leaves a grant that the schedule still looks at.
        self._grants.set_due(connection.grant_id, self._clock() + _REVOKE_AFTER)
        self._connections.delete(workspace_id, user_id)
        self._wake(workspace_id, user_id)

    def _offered(self, name: str) -> tuple[Provider, tuple[str, str]]:
        provider, credentials = self._providers.get(name), self._secrets.credentials(name)
        if provider is None or credentials is None:
            raise NotFound("This provider is not available here.")
        return provider, (credentials.client_id, credentials.client_secret)

    def _establish(
        self, visitor: Visitor, provider: Provider, account: Account, tokens: Tokens, flow_key: str
    ) -> Connection:
        now = self._clock()
        for _ in range(_TRIES):
            before = self._connections.get(visitor.workspace_id, visitor.user_id)
            known = self._grants.get(grant_id(provider.name, account.id))
            connection = _connection(visitor, provider.name, account, before, now)
            grant = Grant(provider.name, account, version=known.version + 1 if known else 1, sealed_tokens=None)
            try:
                self._connections.establish(connection, self._tokens.seal(grant, tokens), flow_key=flow_key, now=now)
            except LostRace:
                if self._ephemeral.get(flow_key, _Flow, now) is None:
                    raise Conflict("This sign-in was already finished.", reason="flow_refused") from None
                continue  # Somebody refreshed or connected the same account at the same moment.
            if before is not None and before.grant_id != connection.grant_id:
                self._grants.set_due(before.grant_id, now + _REVOKE_AFTER)
            self._wake(visitor.workspace_id, visitor.user_id)
            return connection
        raise StoreUnavailable("the grant changes too fast")

    def _wake(self, workspace_id: str, user_id: str) -> None:
        """Have bookings that wait for this connection looked at now rather than at their next poll."""
        for record in self._bookings.upcoming(workspace_id, user_id, self._clock()):
            if not record.is_settled:
                self._bookings.wake(workspace_id, record.booking.booking_id, self._clock())


def _connection(
    visitor: Visitor, provider: str, account: Account, before: Connection | None, now: datetime
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
    )


def _key(kind: str, token: str) -> str:
    # Only hashes are stored: who can read the table can use no link and no session.
    return f"{kind}#{hashlib.sha256(token.encode('utf-8', 'replace')).hexdigest()}"
