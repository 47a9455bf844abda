"""A provider as it really is: real addresses, real credentials, and no power over what is at the other end."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from msgspec.structs import replace

from chalicelib.domain.connection import Tokens, tokens_of_key
from chalicelib.domain.meeting import MeetingRequest, ProviderMeeting
from chalicelib.domain.meeting import tag as meeting_tag
from chalicelib.errors import MeetingGone
from chalicelib.providers import oauth
from chalicelib.providers.base import KeyProvider, OAuthProvider, Provider
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.registry import PROVIDERS
from chalicelib.settings import from_environment
from infra.local.standins.base import HeldMeeting
from infra.local.standins.faults import Faults
from tests.contract.kit.subject import VERIFIER, Subject
from tests.support.clock import FakeClock

REDIRECT = "http://localhost:8000/oauth/{provider}/callback"
_HTTPS_ONLY = {"zoom"}
_SECRET = 8
"""No secret of a provider has fewer characters."""


class NotSetUp(Exception):
    """Something that the run needs is missing; the message says what to set."""


class LiveSubject(Subject):
    """Meetings that were asked for are looked up by their tags, and all are deleted in the end (`clean_up`).

    `sign_in` takes the authorization address and gives the address that the browser was sent back to.
    """

    def __init__(
        self, name: str, environment: Mapping[str, str], sign_in: Callable[[str], str], clock: FakeClock
    ) -> None:
        if name not in PROVIDERS:
            raise NotSetUp(f"PROVIDER must be one of {', '.join(PROVIDERS)}.")
        self.clock = clock
        kind = PROVIDERS[name]
        settings = from_environment(environment)
        self.provider: Provider = kind(HttpClient(httpx.Client), clock, settings.provider_urls(name, kind.urls))
        if isinstance(self.provider, OAuthProvider):
            self.provider.may_use_pkce = name not in settings.providers_without_pkce
        if name in _HTTPS_ONLY and not environment.get("REDIRECT_URI"):
            raise NotSetUp("Register any https address of yours, which need not answer, and give it as REDIRECT_URI.")
        self.redirect = environment.get("REDIRECT_URI") or REDIRECT.format(provider=name)
        self._seen: set[str] = set()
        self._environment, self._sign_in = environment, sign_in
        self._tokens: Tokens | None = None
        self._asked: dict[str, MeetingRequest] = {}
        self._made: dict[str, ProviderMeeting] = {}
        self._round = secrets.token_bytes(16)

    def origins(self) -> Mapping[str, Any]:
        return {}

    @property
    def faults(self) -> Faults:
        raise NotImplementedError("a live provider has no faults on demand")

    def connect(self, *, allow: bool = True, untick: str = "") -> Tokens:
        """Signed in once for all behaviours; a key is read from the environment."""
        if self._tokens is None:
            self._keep(self._connected())
        assert self._tokens is not None
        return self._tokens

    def connect_again(self, back: str) -> None:
        """Take the tokens of another sign-in, which ended at the address `back`."""
        self._keep(self._exchanged(back))

    def secrets_seen(self) -> list[str]:
        """The secrets and personal values of this run that a report must not have, longest first."""
        prefix = f"{self.provider.name.upper()}_"
        own = {value for name, value in self._environment.items() if name.startswith(prefix) and len(value) >= _SECRET}
        return sorted((self._seen | own) - {""}, key=len, reverse=True)

    def _keep(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._seen |= {tokens.access_token, tokens.refresh_token or ""}

    def _connected(self) -> Tokens:
        provider = self.provider
        if isinstance(provider, KeyProvider):
            return tokens_of_key(provider.read_key(self.typed()))
        return self._exchanged(self._sign_in(self.sign_in_address()))

    def typed(self) -> dict[str, str]:
        """What a host types to connect a provider with a key, from the environment."""
        assert isinstance(self.provider, KeyProvider)
        return {field.name: self._setting(field.name, optional=field.optional) for field in self.provider.fields}

    def sign_in_address(self) -> str:
        return oauth.authorization_url(
            self.oauth_provider(), self.credentials()[0], redirect_uri=self.redirect, state="live", verifier=VERIFIER
        )

    def _exchanged(self, back: str) -> Tokens:
        answer = parse_qs(urlsplit(back).query)
        if "code" not in answer:
            raise NotSetUp(f"The provider sent the browser back without a code: {sorted(answer)}.")
        self._seen.add(answer["code"][0])
        code = {"code": answer["code"][0], "redirect_uri": self.redirect, "verifier": VERIFIER}
        return oauth.exchange(self.oauth_provider(), self.credentials(), **code)

    def refresh(self, tokens: Tokens) -> Tokens:
        self._keep(oauth.refresh(self.oauth_provider(), self.credentials(), tokens))
        assert self._tokens is not None
        return self._tokens

    def revoke(self, tokens: Tokens) -> None:
        oauth.revoke(self.oauth_provider(), self.credentials(), tokens.access_token)

    def create(self, tokens: Tokens, request: MeetingRequest | None = None) -> ProviderMeeting:
        request = request or self.request()
        self._asked[request.tag] = request
        made = self.provider.create(tokens.access_token, request)
        self._made[made.id] = made
        return made

    def request(self, tag: str = "a", **wish: Any) -> MeetingRequest:
        """As in the suite, under tags that no earlier run has used up."""
        return replace(super().request(tag, **wish), tag=meeting_tag(self._round, "live", tag, 0))

    def held(self) -> list[HeldMeeting]:
        """What is found by the tags that were asked for; the provider's times are not told.

        Where nothing can be found by a tag, what was made is looked at one by one.
        """
        token = self.connect().access_token
        found = [one for request in self._asked.values() for one in self.provider.find(token, request)]
        if "the_meeting_is_found_by_its_tag" in self.lacks:
            found = [one for made in self._made.values() for one in self._look(token, made)]
        return [HeldMeeting(one.id, "", None, None, one.join_url) for one in found]

    def _look(self, token: str, made: ProviderMeeting) -> list[ProviderMeeting]:
        """The meeting as it is now; a meeting that cannot be found has no times that an update would change."""
        with suppress(MeetingGone):
            return [self.provider.update(token, made.id, self.request()) or made]
        return []

    def clean_up(self) -> None:
        """Delete whatever this run made."""
        for meeting_id in self._made:
            try:
                self.provider.delete(self.connect().access_token, meeting_id)
            except MeetingGone:
                continue
        self._asked.clear()
        self._made.clear()
        self._round = secrets.token_bytes(16)

    def delete_by_hand(self, meeting_id: str) -> None:
        raise NotImplementedError

    def secrets(self) -> list[str]:
        return [self.connect().access_token]

    def end_access_tokens(self) -> None:
        raise NotImplementedError

    def end_grant(self) -> None:
        raise NotImplementedError

    def credentials(self) -> tuple[str, str]:
        return self._setting("client_id"), self._setting("client_secret")

    def _setting(self, name: str, *, optional: bool = False) -> str:
        variable = f"{self.provider.name}_{name}".upper()
        value = self._environment.get(variable, "")
        if not value and not optional:
            raise NotSetUp(f"Set {variable} to run against {self.provider.display_name}.")
        return value
