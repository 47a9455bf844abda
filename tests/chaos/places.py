"""The provider that a run is about: what the harness needs of its stand-in, whichever it is."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import httpx

from chalicelib.domain.connection import Tokens, tokens_of_key
from chalicelib.providers.base import KeyProvider, OAuthProvider
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.registry import PROVIDERS
from infra.local.standins.base import Clock, HeldMeeting, utc_now
from infra.local.standins.catalogue import Host, StandIn, create_stand_in, second_address
from infra.local.standins.server import InProcessTransport
from infra.local.standins.zoom import Account as ZoomAccount
from infra.local.standins.zoom import Zoom, create_app
from infra.local.standins.zoom.bodies import join_url

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from infra.local.standins.identity import Identity

USERS = ("u-1", "u-2")
_HOST = Host("u-1@host.example.com", "canary-password", "Demo Host")
_ADDRESSES = {"u-1": _HOST.email, "u-2": second_address(_HOST)}
_REDIRECT = "https://product.example/oauth/zoom/callback"


class Place(ABC):
    """A stand-in with an account for each of `USERS`.

    `settings` is what the product must know of it. `calls` matches the points of all calls to it.
    """

    def __init__(self, name: str, apps: Mapping[str, WSGIApplication], settings: Mapping[str, str]) -> None:
        self.name, self.kind, self.settings = name, PROVIDERS[name], settings
        self.transport = InProcessTransport(apps)
        hosts = "|".join(sorted(re.escape(httpx.URL(origin).host) for origin in apps))
        self.calls = rf"http \S+ ({hosts})/"

    @property
    def has_tokens(self) -> bool:
        """Whether its access tokens can be refreshed; a key cannot."""
        return issubclass(self.kind, OAuthProvider)

    @property
    def marks(self) -> bool:
        """Whether its meetings can be found or repeated; else a create without an answer may leave one behind."""
        return self.name != "google_meet_spaces"

    @abstractmethod
    def connect(self, user_id: str, now: datetime) -> Tokens:
        """What signing in, or typing a key in, leaves the product with."""

    @abstractmethod
    def end_grants(self) -> None:
        """The owners take the product's access away."""

    @abstractmethod
    def end_access_tokens(self) -> None:
        """No access token is accepted any more; refresh tokens are."""

    @abstractmethod
    def held(self) -> list[HeldMeeting]:
        """The meetings that are alive."""

    @abstractmethod
    def owner(self, user_id: str) -> str:
        """Who `HeldMeeting.owner` must be for a user's meetings."""


class ZoomPlace(Place):
    """Zoom, whose own faults reach into the stand-in. The stand-in lives longer than one run."""

    def __init__(self, clock: Clock, seed: int) -> None:
        shared = _shared_zoom()
        shared.clock.clock = clock
        shared.random.seed(seed)
        self.zoom = shared.zoom
        self.zoom.reset()
        settings = {"ZOOM_CLIENT_ID": "client-1", "ZOOM_CLIENT_SECRET": "canary-client-secret"}
        super().__init__("zoom", shared.apps, settings)

    def connect(self, user_id: str, now: datetime) -> Tokens:
        return _tokens(self.zoom.identity.consent(f"{user_id}@host.example.com"), now)

    def end_grants(self) -> None:
        for user_id in USERS:
            self.zoom.identity.end_grant(f"zoom-{user_id}")

    def end_access_tokens(self) -> None:
        self.zoom.identity.end_access_tokens()

    def held(self) -> list[HeldMeeting]:
        return [
            HeldMeeting(
                str(meeting.id),
                meeting.topic,
                meeting.start_time.astimezone(UTC),
                None,
                join_url(meeting, self.zoom.web_url),
                meeting.host_user_id,
                meeting.agenda[:32],
            )
            for meeting in self.zoom.held.by_id.values()
        ]

    def owner(self, user_id: str) -> str:
        return f"zoom-{user_id}"


class AnyPlace(Place):
    """Any other provider. Those without a server hold nothing."""

    def __init__(self, name: str, clock: Clock, seed: int) -> None:
        self._stand_in = _stand_in(name, clock, seed)
        apps = dict.fromkeys(self._stand_in.origins.values(), self._stand_in.app) if self._stand_in.app else {}
        secrets = {f"{name.upper()}_{kind.upper()}": value for kind, value in self._stand_in.secrets.items()}
        super().__init__(name, apps, secrets)  # type: ignore[arg-type]

    def connect(self, user_id: str, now: datetime) -> Tokens:
        if issubclass(self.kind, KeyProvider):
            return tokens_of_key(_read_key(self.kind, tuple(self._stand_in.key_form.items())))
        return _tokens(self._identity.consent(_ADDRESSES[user_id]), now)

    def end_grants(self) -> None:
        for person in self._identity.people.values():
            self._identity.end_grant(person.id)

    def end_access_tokens(self) -> None:
        self._identity.end_access_tokens()

    def held(self) -> list[HeldMeeting]:
        return self._stand_in.held()

    def owner(self, user_id: str) -> str:
        return _ADDRESSES[user_id]

    @property
    def _identity(self) -> Identity:
        if self._stand_in.identity is None:
            raise NotImplementedError(f"{self.name} has no sign-in")
        return self._stand_in.identity


def place(name: str, clock: Clock, seed: int) -> Place:
    """The stand-in of the provider `name`, with nothing in it."""
    return ZoomPlace(clock, seed) if name == "zoom" else AnyPlace(name, clock, seed)


def _tokens(response: dict[str, Any], now: datetime) -> Tokens:
    expires_at = now + timedelta(seconds=response["expires_in"])
    return Tokens(response["access_token"], response["refresh_token"], expires_at, tuple(response["scope"].split()))


class _Now:
    """The clock of a stand-in that lives longer than one run: it is exchanged."""

    clock: Callable[[], datetime]

    def __call__(self) -> datetime:
        return self.clock()


@dataclass(frozen=True)
class _SharedZoom:
    clock: _Now
    random: Random
    zoom: Zoom
    apps: Mapping[str, WSGIApplication]


@cache
def _shared_zoom() -> _SharedZoom:
    clock, random = _Now(), Random()
    zoom = Zoom(
        client_id="client-1",
        client_secret="canary-client-secret",
        webhook_secret="canary-webhook-secret",
        redirect_uris=[_REDIRECT],
        accounts=[
            ZoomAccount(f"zoom-{u}", f"org-{u}", f"{u}@host.example.com", "canary-password", f"Demo Host {u}")
            for u in USERS
        ],
        clock=clock,
        random=random,
    )
    zoom.held.licensed = frozenset({"cohost-1@host.example.com", "cohost-2@host.example.com"})
    app = create_app(zoom)
    return _SharedZoom(clock, random, zoom, {"https://zoom.us": app, "https://api.zoom.us": app})


def _stand_in(name: str, clock: Clock, seed: int) -> StandIn:
    if PROVIDERS[name].is_local:
        return _serverless(name)
    return create_stand_in(name, _HOST, clock=clock, random=Random(seed))


@cache
def _read_key(kind: type[KeyProvider], typed: tuple[tuple[str, str], ...]) -> str:
    """What the product keeps of it; reading an RSA key takes longer than a run."""
    return kind(HttpClient(lambda: httpx.Client(transport=InProcessTransport({}), trust_env=False)), utc_now).read_key(
        dict(typed)
    )


@cache
def _serverless(name: str) -> StandIn:
    """It remembers nothing, so one does for all runs."""
    return create_stand_in(name, _HOST)
