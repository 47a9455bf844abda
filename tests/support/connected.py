"""An account that is connected at the stand-in Zoom, in process: its grant is stored, its tokens are sealed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

import httpx

from chalicelib.domain.connection import Account, Connection, Grant, Tokens
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.zoom import Zoom as ZoomProvider
from chalicelib.settings import from_environment
from chalicelib.store.connections import ConnectionStore
from chalicelib.store.deployment_secrets import DeploymentSecrets
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.store.grants import GrantStore
from chalicelib.usecases.access_tokens import AccessTokens
from chalicelib.usecases.offered_providers import OfferedProviders
from infra.local.standins.faults import Action, Fault
from infra.local.standins.server import InProcessTransport
from infra.local.standins.zoom import Account as ZoomAccount
from infra.local.standins.zoom import Zoom, create_app
from tests.support.aws import Aws
from tests.support.clock import FakeClock

REDIRECT = "https://product.example/oauth/zoom/callback"
CREDENTIALS = {"ZOOM_CLIENT_ID": "client-1", "ZOOM_CLIENT_SECRET": "client-secret-1"}
HOST = ZoomAccount("user-1", "account-1", "host@example.com", "password-1", "Demo Host")


class ConnectedAccount:
    """A stand-in Zoom with one account, and the grant that this deployment has for it.

    `during_token_calls` holds what is to happen when a token call arrives, before it is answered: one entry a call.
    """

    def __init__(self, aws: Aws, clock: FakeClock) -> None:
        self._aws = aws
        self._clock = clock
        self.zoom = Zoom(
            client_id="client-1",
            client_secret="client-secret-1",
            webhook_secret="webhook-secret-1",
            redirect_uris=[REDIRECT],
            accounts=[HOST],
            clock=clock,
            random=Random(7),
        )
        app = create_app(self.zoom)
        self._network = InProcessTransport({"https://zoom.us": app, "https://api.zoom.us": app})
        self.during_token_calls: list[Callable[[], object]] = []
        self.grants = GrantStore()
        self.grant = self._store_grant()

    def keeper(
        self,
        *,
        sleep: Callable[[float], object] | None = None,
        credentials: dict[str, str] | None = None,
        kind: type[ZoomProvider] = ZoomProvider,
    ) -> AccessTokens:
        """A keeper as in a process of its own: with a vault of its own. It sleeps on the fake clock by default."""
        client = httpx.Client(transport=httpx.MockTransport(self._handle))
        zoom = kind(HttpClient(lambda: client), self._clock)
        given = from_environment(CREDENTIALS if credentials is None else credentials)
        secrets = DeploymentSecrets(given, self._aws.client("secretsmanager"), self._clock)
        wait = sleep or self._clock.advance
        return AccessTokens(
            self.grants,
            self._aws.vault(self._clock),
            OfferedProviders({"zoom": zoom}, secrets),
            self._clock,
            lambda s: _ignore(wait(s)),
        )

    def fault(self, action: Action, *, times: int | None = 1, **answer: object) -> None:
        """Let the next token calls go wrong."""
        self.zoom.faults.add(Fault("/oauth/token", action, times=times, **answer))  # type: ignore[arg-type]

    @property
    def token_calls(self) -> int:
        """How many token calls arrived at Zoom since the account was connected."""
        return sum(call.path == "/oauth/token" for call in self.zoom.faults.calls)

    def stored(self) -> Grant:
        grant = self.grants.get(self.grant.id)
        assert grant is not None
        return grant

    def stored_tokens(self) -> Tokens:
        return self.keeper().open(self.stored())

    def expire(self) -> None:
        """Let the access token's life end."""
        self._clock.advance(3600)

    def accepts(self, access_token: str) -> bool:
        """Whether Zoom takes the token."""
        headers = {"Authorization": f"Bearer {access_token}"}
        with httpx.Client(transport=self._network) as client:
            return client.get("https://api.zoom.us/v2/users/me", headers=headers).is_success

    def _handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth/token" and self.during_token_calls:
            self.during_token_calls.pop(0)()
        response = self._network.handle_request(request)
        response.read()
        return response

    def _store_grant(self) -> Grant:
        response = self.zoom.identity.consent(HOST.email)
        expires_at, scopes = self._clock() + timedelta(seconds=response["expires_in"]), tuple(response["scope"].split())
        tokens = Tokens(response["access_token"], response["refresh_token"], expires_at, scopes)
        account = Account(HOST.user_id, HOST.email, HOST.account_id)
        grant = self.keeper().seal(Grant("zoom", account, version=1, sealed_tokens=None), tokens)
        connection = Connection("ws-1", "u-1", "zoom", grant.id, account, self._clock())
        EphemeralStore().put("flow-1", {}, self._clock() + timedelta(minutes=10))
        ConnectionStore().establish(connection, grant, flow_key="flow-1")
        return grant


def _ignore(_: object) -> None:
    """Return None, as `sleep` does."""
