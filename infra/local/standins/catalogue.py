"""Every stand-in in one form, for the local stack and for whoever tests with any provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from importlib import import_module
from random import Random, SystemRandom
from typing import TYPE_CHECKING, Any

import httpx

from infra.local.standins.identity import Identity, Person
from infra.local.standins.kit import Clock, Faults, Held, utc_now
from infra.local.visitor import sign_in_and_consent

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

CLIENT_ID = "local-client"
_GOOGLE_IDS = ("100000000000000000001", "100000000000000000002")
_MICROSOFT_IDS = ("5b1c4ed2-7c9d-4ab8-9f6e-0d2c1a3b4c5d", "5b1c4ed2-7c9d-4ab8-9f6e-0d2c1a3b4c5e")


class UnknownProvider(ValueError):
    """There is no stand-in for it; the message names those that there are."""


@dataclass(frozen=True)
class Host:
    """Somebody with an account at the provider."""

    email: str
    password: str
    name: str


@dataclass
class Standing:
    """A stand-in that is ready to be served.

    `origins` are the real addresses that its `app` stands for, by the kind of setting that moves them; a provider
    without a server has none. People sign in with `sign_in` (from the authorization address to the one that they are
    sent back to), or by what is typed into the product's form. `moved` is told where it is served and which redirect
    addresses the product has. `identity` is where tokens come from, for who wants some without a browser.
    """

    provider: str
    app: WSGIApplication | None
    faults: Faults
    held: Callable[[], list[Held]]
    origins: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    sign_in: Callable[[httpx.Client, str], str] | None = None
    key_form: Mapping[str, str] = field(default_factory=dict)
    moved: Callable[[str, frozenset[str]], None] = lambda url, redirects: None
    identity: Identity | None = None

    def environment(self, url: str) -> dict[str, str]:
        """The settings that point the product at this stand-in, served at `url`."""
        name = self.provider.upper()
        addresses = {f"{name}_{kind}_URL": url for kind in self.origins}
        return addresses | {f"{name}_{kind.upper()}": value for kind, value in self.secrets.items()}


def make(provider: str, host: Host, *, clock: Clock = utc_now, random: Random | None = None) -> Standing:
    """The provider's stand-in, with an account of `host` and, where people sign in, one at `second_address`.

    Raises `UnknownProvider`.
    """
    if provider not in _MAKERS:
        raise UnknownProvider(f"there is no stand-in for {provider!r}; there are {', '.join(sorted(_MAKERS))}")
    return _MAKERS[provider](host, clock, random or SystemRandom())


def second_address(host: Host) -> str:
    """The address of the other person who has an account there."""
    return f"second-{host.email}"


def _zoom(host: Host, clock: Clock, random: Random) -> Standing:
    from infra.local.standins.zoom import Account, Zoom, create_app
    from infra.local.standins.zoom.bodies import join_url
    from infra.local.standins.zoom.visitor import answer_consent

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

    def held() -> list[Held]:
        return [
            Held(
                str(m.id),
                m.topic,
                m.start_time,
                m.start_time + timedelta(minutes=m.duration),
                join_url(m, zoom.web_url),
            )
            for m in zoom.meetings.values()
        ]

    def moved(url: str, redirects: frozenset[str]) -> None:
        zoom.api_url = zoom.web_url = url
        zoom.redirect_uris = redirects
        app_url = min(redirects, default="").removesuffix("/oauth/zoom/callback")
        zoom.webhook_url = f"{app_url}/v1/webhooks/providers/zoom" if app_url else None

    return Standing(
        "zoom",
        create_app(zoom),
        zoom.faults,
        held,
        origins={"OAUTH": "https://zoom.us", "API": "https://api.zoom.us"},
        secrets=secrets,
        sign_in=lambda browser, address: answer_consent(browser, address, host.email, host.password),
        moved=moved,
    )


def _with_oauth(
    provider: str,
    world_name: str,
    ids: tuple[str, str],
    held: Callable[[Any], list[Held]],
    host: Host,
    clock: Clock,
    random: Random,
) -> Standing:
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

    def moved(url: str, redirects: frozenset[str]) -> None:
        world.identity.redirect_uris = redirects

    def sign_in(browser: httpx.Client, address: str) -> str:
        return sign_in_and_consent(browser, address, host.email, host.password)

    return Standing(
        provider,
        package.create_app(world),
        world.faults,
        partial(held, world),
        PROVIDERS[provider].urls,
        secrets,
        sign_in,
        moved=moved,
        identity=world.identity,
    )


def _daily(host: Host, clock: Clock, random: Random) -> Standing:
    from infra.local.standins.daily import Daily

    key = _secret(random)
    daily = Daily(api_key=key, clock=clock, random=random)
    origins = {"API": "https://api.daily.co"}
    return Standing("daily", daily.app(), daily.faults, daily.held, origins=origins, key_form={"api_key": key})


def _jitsi(host: Host, clock: Clock, random: Random) -> Standing:
    return Standing("jitsi", None, Faults(), list, key_form={"server": "", "app_id": "", "app_secret": ""})


def _jaas(host: Host, clock: Clock, random: Random) -> Standing:
    from joserfc.jwk import RSAKey

    form = {
        "app_id": f"vpaas-magic-cookie-{random.getrandbits(128):032x}",
        "key_id": "demo",
        "private_key": RSAKey.generate_key(2048).as_pem(private=True).decode(),
    }
    return Standing("jaas", None, Faults(), list, key_form=form)


def _secret(random: Random) -> str:
    return f"{random.getrandbits(128):032x}"


_MAKERS: Mapping[str, Callable[[Host, Clock, Random], Standing]] = {
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
