"""How a provider implements OAuth 2.0: its rules, the people who can sign in, tokens, and errors."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any


class Refresh(StrEnum):
    """What happens to a refresh token when it is used."""

    SINGLE_USE = "single_use"
    """The response contains a new one, and the old one is revoked."""
    ROTATING = "rotating"
    """The response contains a new one, and the old one still works."""
    STATIC = "static"
    """The response contains none, and the old one stays valid."""


@dataclass(frozen=True)
class Rules:
    """How one provider implements OAuth."""

    authorize_path: str
    token_path: str
    scopes: Mapping[str, str]
    """Each scope with the text that the consent page shows for it."""
    refresh: Refresh
    revoke_path: str | None = None
    basic_auth: bool = False
    """Whether client credentials are sent as HTTP Basic. Otherwise they are fields of the form."""
    client_error_status: int = 401
    """The status for wrong client credentials."""
    more_token_fields: frozenset[str] = frozenset()
    """Fields that the token endpoint accepts besides those of RFC 6749 and RFC 7636. It rejects any other field."""
    revokes_as_client: bool = True
    """Whether revoking requires the client credentials."""
    revokes_live_access_tokens_only: bool = False
    """Whether revoking fails for a refresh token and for an expired access token."""
    revoke_response: Mapping[str, str] = field(default_factory=dict)
    one_grant_per_person: bool = False
    """Whether a new consent ends the person's earlier grant."""
    access_life: timedelta = timedelta(hours=1)
    refresh_life: timedelta | None = None
    reports_refresh_life: bool = False
    """Whether token responses contain `refresh_token_expires_in`."""
    token_type: str = "Bearer"  # noqa: S105
    can_untick: bool = False
    """Whether a person can refuse single scopes."""
    gives_refresh_token: Callable[[Mapping[str, str]], bool] = lambda _: True
    """Decides from the query of the authorization request."""
    granted_names: Mapping[str, str] = field(default_factory=dict)
    """Scopes that token responses call by another name. An empty name leaves the scope out."""
    error_numbers: Mapping[str, int] = field(default_factory=dict)
    """The provider's number for an invalid parameter of the authorization request."""


@dataclass(frozen=True)
class Person:
    """A person with an account."""

    id: str
    email: str
    password: str
    name: str
    blocked: str | None = None
    """The OAuth error with which consent ends, for a person who may not consent."""
    blocked_description: str = ""
    """The `error_description` that goes with `blocked`."""


@dataclass(frozen=True)
class Challenge:
    """A PKCE code challenge (RFC 7636)."""

    value: str
    method: str

    def accepts(self, verifier: str) -> bool:
        if self.method == "S256":
            verifier = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        return hmac.compare_digest(verifier.encode(), self.value.encode())


@dataclass
class Token:
    """An access token or a refresh token. The tokens of one consent have the same `grant`."""

    person: Person
    scopes: tuple[str, ...]
    grant: int
    expires_at: datetime | None


class OAuthRefusal(Exception):
    """The token endpoint refuses a request. `error` is a code of RFC 6749, 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status


class DeadToken(OAuthRefusal):
    """The token is unknown, used, revoked or expired."""

    def __init__(self, error: str = "invalid_grant") -> None:
        super().__init__(error, "the token is unknown, used, revoked or expired")


class RedirectMismatch(OAuthRefusal):
    """The redirect address is not the one of the authorization request."""

    def __init__(self) -> None:
        super().__init__("invalid_grant", "Redirect URI mismatch")


class PageError(Exception):
    """An error that a person sees on a page. The browser is not redirected to an address that may not be the app's."""

    def __init__(self, message: str, number: int | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.number, self.status = message, number, status


def standard_error(refusal: OAuthRefusal) -> dict[str, Any]:
    """Return an error body as in RFC 6749."""
    return {"error": refusal.error, "error_description": refusal.description}
