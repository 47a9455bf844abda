"""Authorization codes, access tokens and refresh tokens, with Zoom's rules for their lives.

Sources: https://developers.zoom.us/docs/integrations/oauth/ and zoom/skills `oauth/concepts/token-lifecycle.md`. Zoom
publishes few of the token endpoint's words; only "Invalid Token!" is known from reports (PROVIDERS 1.5), the other
reasons are ours.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from infra.local.standins.base import Clock
from infra.local.standins.zoom.errors import OAuthError, invalid_access_token
from infra.local.standins.zoom.minting import Mint

CODE_LIFE = timedelta(minutes=5)
ACCESS_TOKEN_LIFE = timedelta(hours=1)
REFRESH_TOKEN_LIFE = timedelta(days=90)


@dataclass(frozen=True)
class Challenge:
    """A PKCE code challenge (RFC 7636); `method` is "S256" or "plain"."""

    value: str
    method: str

    def accepts(self, verifier: str) -> bool:
        """Tell whether the verifier is the one the challenge was made from."""
        if self.method == "S256":
            digest = hashlib.sha256(verifier.encode()).digest()
            verifier = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return hmac.compare_digest(verifier.encode(), self.value.encode())


@dataclass(frozen=True)
class Code:
    """An authorization code's meaning."""

    user_id: str
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: Challenge | None
    expires_at: datetime


@dataclass(frozen=True)
class Token:
    """An access or refresh token's meaning."""

    user_id: str
    scopes: tuple[str, ...]
    expires_at: datetime


@dataclass(frozen=True)
class Pair:
    """What the token endpoint hands out."""

    access_token: str
    refresh_token: str
    scopes: tuple[str, ...]


class Grants:
    """All codes and tokens alive. Not safe for threads: callers hold the stand-in's lock."""

    def __init__(self, clock: Clock, mint: Mint) -> None:
        self._clock = clock
        self._mint = mint
        self.reset()

    def reset(self) -> None:
        """Forget everything, and count refreshes from 0."""
        self.refresh_calls = 0
        self._codes: dict[str, Code] = {}
        self._access: dict[str, Token] = {}
        self._refresh: dict[str, Token] = {}

    def issue_code(
        self, user_id: str, scopes: tuple[str, ...], redirect_uri: str, challenge: Challenge | None = None
    ) -> str:
        """Make a code for a person who allowed the app."""
        code = self._mint.text(32)
        self._codes[code] = Code(user_id, scopes, redirect_uri, challenge, self._clock() + CODE_LIFE)
        return code

    def exchange(self, code: str, redirect_uri: str, verifier: str) -> Pair:
        """Turn a code into a pair; raises OAuthError. The code is spent by the first attempt, good or bad."""
        grant = self._codes.pop(code, None)
        if grant is None:
            raise OAuthError("Invalid authorization code", "invalid_grant")  # 4734
        if self._clock() >= grant.expires_at:
            raise OAuthError("Authorization code expired", "invalid_grant")  # 4733
        if redirect_uri != grant.redirect_uri:
            raise OAuthError("Redirect URI mismatch", "invalid_request")  # 4709
        if grant.challenge and not grant.challenge.accepts(verifier):
            raise OAuthError("Invalid code verifier", "invalid_grant")
        # "Re-authorising the same user + app revokes the earlier pair" (zoom/skills `oauth-errors.md`, 4741).
        self.end(grant.user_id)
        return self._issue_pair(grant.user_id, grant.scopes)

    def refresh(self, refresh_token: str) -> Pair:
        """Rotate a pair; raises OAuthError. The old refresh token dies at once, without a grace period.

        The old access token lives on until it expires: no source says otherwise.
        """
        self.refresh_calls += 1
        grant = self._refresh.pop(refresh_token, None)
        if grant is None or self._clock() >= grant.expires_at:
            raise invalid_token()
        return self._issue_pair(grant.user_id, grant.scopes)

    def revoke(self, access_token: str) -> None:
        """End the whole grant a live access token belongs to; raises OAuthError."""
        token = self._access.get(access_token)
        if token is None or self._clock() >= token.expires_at:
            raise invalid_token()
        self.end(token.user_id)

    def end(self, user_id: str) -> None:
        """Kill all codes and tokens of a person."""
        self._codes = {code: grant for code, grant in self._codes.items() if grant.user_id != user_id}
        self._access = {token: grant for token, grant in self._access.items() if grant.user_id != user_id}
        self._refresh = {token: grant for token, grant in self._refresh.items() if grant.user_id != user_id}

    def access(self, access_token: str) -> Token:
        """Look up an access token; raises ApiError 401."""
        token = self._access.get(access_token)
        if token is None:
            raise invalid_access_token()
        if self._clock() >= token.expires_at:
            raise invalid_access_token("Access token is expired.")
        return token

    def alive(self) -> list[str]:
        """Every access and refresh token that is known now, for tests that look for leaks."""
        return [*self._access, *self._refresh]

    def is_installed(self, user_id: str) -> bool:
        """Tell whether the person has a grant to the app."""
        return any(grant.user_id == user_id for grant in self._refresh.values())

    def _issue_pair(self, user_id: str, scopes: tuple[str, ...]) -> Pair:
        now = self._clock()
        pair = Pair(self._mint.text(64), self._mint.text(64), scopes)
        # Dropping the dead keeps long simulations from filling the memory; a day's delay keeps "is expired" true to
        # its word for tokens that have just expired.
        day = timedelta(days=1)
        self._access = {text: token for text, token in self._access.items() if token.expires_at + day > now}
        self._access[pair.access_token] = Token(user_id, scopes, now + ACCESS_TOKEN_LIFE)
        self._refresh[pair.refresh_token] = Token(user_id, scopes, now + REFRESH_TOKEN_LIFE)
        return pair


def invalid_token() -> OAuthError:
    """The token is dead; words as reported in https://github.com/raycast/extensions/issues/10896"""
    return OAuthError("Invalid Token!", "invalid_grant")
