"""The authorization codes, tokens and grants of a stand-in, under a provider's rules."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from infra.local.standins.base import Clock
from infra.local.standins.oauth_rules import (
    Challenge,
    DeadToken,
    OAuthRefusal,
    Person,
    RedirectMismatch,
    Refresh,
    Rules,
    Token,
)

_CODE_LIFE = timedelta(minutes=5)
_EXPIRED_TOKENS_KEPT = timedelta(days=1)


@dataclass
class _Code:
    person: Person
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: Challenge | None
    with_refresh: bool
    expires_at: datetime


class Grants:
    """Issue, refresh and revoke tokens. Safe to use from many threads."""

    def __init__(
        self,
        rules: Rules,
        people: list[Person],
        clock: Clock,
        random: Random,
        more_token_values: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """`more_token_values` are added to token responses."""
        self.rules, self.people = rules, {person.email.lower(): person for person in people}
        self.lock = threading.RLock()
        self._clock, self._random, self._more_token_values = clock, random, more_token_values
        self._grants = 0
        self.reset()

    def reset(self) -> None:
        """Remove every code and token, and count refreshes from 0."""
        with self.lock:
            self.access_tokens: dict[str, Token] = {}
            self.refresh_tokens: dict[str, Token] = {}
            self.refresh_calls = 0
            self._codes: dict[str, _Code] = {}

    def end_access_tokens(self) -> None:
        """End every access token. Refresh tokens still work."""
        with self.lock:
            self.access_tokens.clear()

    def end_grant(self, person_id: str) -> None:
        """End the app's access to a person's account, with its codes and tokens."""
        with self.lock:
            self.access_tokens = {k: token for k, token in self.access_tokens.items() if token.person.id != person_id}
            self.refresh_tokens = {k: token for k, token in self.refresh_tokens.items() if token.person.id != person_id}
            self._codes = {k: code for k, code in self._codes.items() if code.person.id != person_id}

    def has_grant(self, person_id: str) -> bool:
        """Return whether the app has access to a person's account."""
        with self.lock:
            return any(token.person.id == person_id for token in self.refresh_tokens.values())

    def all_tokens(self) -> list[str]:
        """Return every access token and refresh token, for tests that look for leaks."""
        with self.lock:
            return [*self.access_tokens, *self.refresh_tokens]

    def consent(self, email: str) -> dict[str, Any]:
        """Return the token response for a person who allows everything, without a browser."""
        person = self.people[email.lower()]
        with self.lock:
            return self._start_grant(person, self.grantable_scopes(person), with_refresh=True)

    def grantable_scopes(self, person: Person | None) -> tuple[str, ...]:
        """Return the scopes that a person can grant, or all scopes for None."""
        return tuple(self.rules.scopes)

    def is_expired(self, token: Token) -> bool:
        """Return whether a token has expired."""
        return token.expires_at is not None and token.expires_at <= self._clock()

    def issue_code(
        self,
        person: Person,
        scopes: tuple[str, ...],
        redirect_uri: str,
        challenge: Challenge | None,
        *,
        with_refresh: bool,
    ) -> str:
        """Issue an authorization code."""
        with self.lock:
            code = self._random_text(40)
            self._codes[code] = _Code(person, scopes, redirect_uri, challenge, with_refresh, self._clock() + _CODE_LIFE)
        return code

    def exchange(self, code_text: str, redirect_uri: str, verifier: str) -> dict[str, Any]:
        """Exchange a code for tokens. The first attempt uses the code up, even if it fails."""
        code = self._codes.pop(code_text, None)
        if code is None:
            raise OAuthRefusal("invalid_grant", "Invalid authorization code")
        if code.expires_at <= self._clock():
            raise OAuthRefusal("invalid_grant", "Authorization code expired")
        if code.redirect_uri != redirect_uri:
            raise RedirectMismatch
        if code.challenge and not code.challenge.accepts(verifier):
            raise OAuthRefusal("invalid_grant", "Invalid code verifier")
        return self._start_grant(code.person, code.scopes, with_refresh=code.with_refresh)

    def _start_grant(self, person: Person, scopes: tuple[str, ...], *, with_refresh: bool) -> dict[str, Any]:
        if self.rules.one_grant_per_person:
            self.end_grant(person.id)
        self._grants += 1
        return self._issue_tokens(person, scopes, self._grants, with_refresh=with_refresh)

    def refresh(self, text: str) -> dict[str, Any]:
        self.refresh_calls += 1
        old = self.refresh_tokens.get(text)
        if old is None or self.is_expired(old):
            raise DeadToken
        if self.rules.refresh is Refresh.SINGLE_USE:
            del self.refresh_tokens[text]
        with_refresh = self.rules.refresh is not Refresh.STATIC
        return self._issue_tokens(old.person, old.scopes, old.grant, with_refresh=with_refresh)

    def _issue_tokens(
        self, person: Person, scopes: tuple[str, ...], grant: int, *, with_refresh: bool
    ) -> dict[str, Any]:
        rules, now = self.rules, self._clock()
        access_token = self._random_text(60)
        self._drop_expired(now)
        self.access_tokens[access_token] = Token(person, scopes, grant, now + rules.access_life)
        names = (rules.granted_names.get(scope, scope) for scope in scopes)
        response: dict[str, Any] = {
            "access_token": access_token,
            "token_type": rules.token_type,
            "expires_in": int(rules.access_life.total_seconds()) - 1,
            "scope": " ".join(name for name in names if name),
            **self._more_token_values(),
        }
        if with_refresh:
            expires_at = now + rules.refresh_life if rules.refresh_life else None
            response["refresh_token"] = self._random_text(60)
            self.refresh_tokens[response["refresh_token"]] = Token(person, scopes, grant, expires_at)
            if rules.reports_refresh_life and rules.refresh_life:
                response["refresh_token_expires_in"] = int(rules.refresh_life.total_seconds())
        return response

    def _drop_expired(self, now: datetime) -> None:
        """Keep long simulations from filling the memory. Expired tokens stay a day, so that errors can name them."""
        oldest = now - _EXPIRED_TOKENS_KEPT
        self.access_tokens = {k: t for k, t in self.access_tokens.items() if not t.expires_at or t.expires_at > oldest}

    def revoke(self, text: str) -> None:
        """End the grant of a token."""
        with self.lock:
            token = self.access_tokens.get(text)
            if self.rules.revokes_live_access_tokens_only:
                token = None if token is None or self.is_expired(token) else token
            else:
                token = token or self.refresh_tokens.get(text)
            if token is None:
                raise DeadToken("invalid_token")
            grant = token.grant
            self.access_tokens = {k: token for k, token in self.access_tokens.items() if token.grant != grant}
            self.refresh_tokens = {k: token for k, token in self.refresh_tokens.items() if token.grant != grant}

    def _random_text(self, length: int) -> str:
        return "".join(self._random.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", k=length))
