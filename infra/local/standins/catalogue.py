"""Every stand-in in the same form, for the local stack and for tests that run with any provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from importlib import import_module
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any

import httpx

from infra.local.standins.base import Clock, HeldMeeting, utc_now
from infra.local.standins.faults import Faults
from infra.local.standins.identity import Identity
from infra.local.standins.oauth_rules import Person
from infra.local.visitor import sign_in_and_consent

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from infra.local.standins.zoom import Zoom

CLIENT_ID = "local-client"
COHOST = "cohost@example.com"
"""A person with a licence in the host's account, who may be a co-host."""
_KEPT_OF_IDENTITY = ("access_tokens", "refresh_tokens", "_grants")
_GOOGLE_IDS = ("100000000000000000001", "100000000000000000002")
_MICROSOFT_IDS = ("5b1c4ed2-7c9d-4ab8-9f6e-0d2c1a3b4c5d", "5b1c4ed2-7c9d-4ab8-9f6e-0d2c1a3b4c5e")


class UnknownProvider(ValueError):
    """There is no stand-in for this provider. The message lists those that exist."""


@dataclass(frozen=True)
class Host:
    """A person with an account at the provider."""

    email: str
    password: str
    name: str


@dataclass
class StandIn:
    """A stand-in, ready to be served."""

    provider: str
    app: WSGIApplication | None
    """None for a provider without a server."""
    faults: Faults
    held: Callable[[], list[HeldMeeting]]
    """Returns the meetings that exist at the stand-in."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """The provider's real addresses that `app` replaces, by the kind of setting that changes them: API, OAUTH, …"""
    secrets: Mapping[str, str] = field(default_factory=dict)
    sign_in: Callable[[httpx.Client, str], str] | None = None
    """Sign in and consent: takes the authorization address, returns the address that the browser is redirected to."""
    key_form: Mapping[str, str] = field(default_factory=dict)
    """The product's form for a provider that is connected with a key, filled in."""
    configure: Callable[[str, frozenset[str]], None] = lambda url, redirect_uris: None
    """Called with the address of the stand-in and the product's redirect addresses."""
    take_place: Callable[[str], object] | None = None
    """Let the meeting of this id take place with host and guest; None for a stand-in that reports no meetings."""
    identity: Identity | None = None
    """Issues tokens without a browser."""
    delete_by_hand: Callable[[str], object] | None = None
    """Delete the meeting of this id as its host does on the provider's pages; None: not possible here."""
    remove_app: Callable[[], object] | None = None
    """Have the host remove the app at the provider, which reports it; None: the provider reports nothing."""
    kept: Sequence[tuple[Any, Sequence[str]]] = ()
    """Objects and the names of those of their attributes that a restarted stand-in needs."""
    limit_day: Callable[[bool], object] | None = None
    """Use up the host's creates and updates of the day, or restore them; None: the provider has no such limit."""

    def keep(self) -> list[list[Any]]:
        """Return the state of the stand-in: tokens and meetings."""
        return [[getattr(owner, name) for name in names] for owner, names in self.kept]

    def restore(self, state: list[list[Any]]) -> None:
        """Continue with what `keep` of an earlier stand-in returned."""
        for (owner, names), values in zip(self.kept, state, strict=True):
            for name, value in zip(names, values, strict=True):
                setattr(owner, name, value)

    def environment(self, url: str) -> dict[str, str]:
        """Return the settings that point the product at this stand-in, which is served at `url`."""
        name = self.provider.upper()
        addresses = {f"{name}_{kind}_URL": url for kind in self.origins}
        return addresses | {f"{name}_{kind.upper()}": value for kind, value in self.secrets.items()}


def create_stand_in(provider: str, host: Host, *, clock: Clock = utc_now, random: Random | None = None) -> StandIn:
    """Create a provider's stand-in with an account of `host` and, where people sign in, one at `second_address`.

    Raises `UnknownProvider`.
    """
    if provider not in _MAKERS:
        raise UnknownProvider(f"there is no stand-in for {provider!r}; choose one of {', '.join(sorted(_MAKERS))}")
    return _MAKERS[provider](host, clock, random or SystemRandom())


def second_address(host: Host) -> str:
    """Return the email address of the second account."""
    return f"second-{host.email}"


def _zoom(host: Host, clock: Clock, random: Random) -> StandIn:
    from infra.local.standins.zoom import Account, Zoom, create_app
    from infra.local.standins.zoom.limits import DAILY_LIMIT

    secrets = {"client_id": CLIENT_ID, "client_secret": _secret(random), "webhook_secret": _secret(random)}
    zoom = Zoom(
        client_id=secrets["client_id"],
        client_secret=secrets["client_secret"],
        webhook_secret=secrets["webhook_secret"],
        redirect_uris=[],
        accounts=[
            Account("zoom-user-1", "zoom-account-1", host.email, host.password, host.name),
            Account("zoom-user-2", "zoom-account-1", second_address(host), host.password, "Second Host"),
        ],
        clock=clock,
        random=random,
    )
    zoom.held.licensed = frozenset({COHOST})
    return StandIn(
        "zoom",
        create_app(zoom),
        zoom.faults,
        partial(_zoom_meetings, zoom),
        origins={"OAUTH": "https://zoom.us", "API": "https://api.zoom.us"},
        secrets=secrets,
        sign_in=lambda browser, address: sign_in_and_consent(browser, address, host.email, host.password),
        configure=partial(_configure_zoom, zoom),
        take_place=lambda meeting_id: zoom.sessions.take_place(int(meeting_id)),
        identity=zoom.identity,
        kept=((zoom.identity, _KEPT_OF_IDENTITY), (zoom.held, ("by_id",))),
        delete_by_hand=lambda meeting_id: zoom.sessions.delete_by_hand(int(meeting_id)),
        remove_app=lambda: zoom.deauthorize("zoom-user-1"),
        limit_day=lambda is_used_up: setattr(zoom.limits, "daily_limit", 0 if is_used_up else DAILY_LIMIT),
    )


def _zoom_meetings(zoom: Zoom) -> list[HeldMeeting]:
    from infra.local.standins.zoom.bodies import join_url

    return [
        HeldMeeting(
            str(meeting.id),
            meeting.topic,
            meeting.start_time,
            meeting.start_time + timedelta(minutes=meeting.duration),
            join_url(meeting, zoom.web_url),
        )
        for meeting in zoom.meetings.values()
    ]


def _configure_zoom(zoom: Zoom, url: str, redirects: frozenset[str]) -> None:
    zoom.api_url = zoom.web_url = url
    zoom.redirect_uris = redirects
    app_url = min(redirects, default="").removesuffix("/oauth/zoom/callback")
    zoom.webhook_url = f"{app_url}/v1/webhooks/providers/zoom" if app_url else None


def _with_oauth(
    provider: str,
    world_name: str,
    ids: tuple[str, str],
    held: Callable[[Any], list[HeldMeeting]],
    host: Host,
    clock: Clock,
    random: Random,
) -> StandIn:
    """The stand-in `world_name`, such as `google.Google`, with two people of these ids; `held` are its meetings."""
    from chalicelib.providers.registry import PROVIDERS

    package_name, _, kind = world_name.partition(".")
    package = import_module(f"infra.local.standins.{package_name}")
    secrets = {"client_id": CLIENT_ID, "client_secret": _secret(random)}
    accounts = [
        Person(ids[0], host.email, host.password, host.name),
        Person(ids[1], second_address(host), host.password, "Second Host"),
    ]
    world = getattr(package, kind)(**secrets, redirect_uris=[], accounts=accounts, clock=clock, random=random)

    def configure(url: str, redirects: frozenset[str]) -> None:
        world.identity.redirect_uris = redirects

    def sign_in(browser: httpx.Client, address: str) -> str:
        return sign_in_and_consent(browser, address, host.email, host.password)

    kept_names = [name for name in ("held", "deleted", "events", "spaces") if isinstance(vars(world).get(name), dict)]
    return StandIn(
        provider,
        package.create_app(world),
        world.faults,
        partial(held, world),
        PROVIDERS[provider].urls,
        secrets,
        sign_in,
        configure=configure,
        identity=world.identity,
        kept=((world.identity, _KEPT_OF_IDENTITY), (world, kept_names)),
        delete_by_hand=getattr(world, "delete_by_hand", None),
    )


def _daily(host: Host, clock: Clock, random: Random) -> StandIn:
    from infra.local.standins.daily import Daily

    key = _secret(random)
    daily = Daily(api_key=key, clock=clock, random=random)
    origins = {"API": "https://api.daily.co"}
    stand_in = StandIn("daily", daily.app(), daily.faults, daily.held, origins=origins, key_form={"api_key": key})
    stand_in.kept = ((daily, ("keys", "rooms", "tokens")), (stand_in, ("key_form",)))
    return stand_in


def _jitsi(host: Host, clock: Clock, random: Random) -> StandIn:
    return StandIn("jitsi", None, Faults(), list, key_form={"server": "", "app_id": "", "app_secret": ""})


def _jaas(host: Host, clock: Clock, random: Random) -> StandIn:
    from joserfc.jwk import RSAKey

    form = {
        "app_id": f"vpaas-magic-cookie-{random.getrandbits(128):032x}",
        "key_id": "demo",
        "private_key": RSAKey.generate_key(2048).as_pem(private=True).decode(),
    }
    return StandIn("jaas", None, Faults(), list, key_form=form)


def _secret(random: Random) -> str:
    return f"{random.getrandbits(128):032x}"


_MAKERS: Mapping[str, Callable[[Host, Clock, Random], StandIn]] = {
    "zoom": _zoom,
    "google_meet": partial(_with_oauth, "google_meet", "google.Google", _GOOGLE_IDS, lambda world: world.held_events()),
    "google_meet_spaces": partial(
        _with_oauth, "google_meet_spaces", "google.Google", _GOOGLE_IDS, lambda world: world.held_spaces()
    ),
    "microsoft_teams": partial(
        _with_oauth, "microsoft_teams", "microsoft.Microsoft", _MICROSOFT_IDS, lambda world: world.meetings
    ),
    "webex": partial(_with_oauth, "webex", "webex.Webex", ("person-1", "person-2"), lambda world: world.meetings),
    "daily": _daily,
    "jitsi": _jitsi,
    "jaas": _jaas,
}
