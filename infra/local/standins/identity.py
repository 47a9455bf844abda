"""OAuth 2.0 for every stand-in: accounts, a sign-in and consent page, authorization codes, and tokens.

Providers differ in `Rules` and in the bodies of their errors.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import Blueprint, Flask, redirect, render_template, request, send_from_directory
from werkzeug.wrappers import Response

from infra.local.standins.base import Clock

_HERE = Path(__file__).parent
_CODE_LIFE = timedelta(minutes=5)
_EXPIRED_TOKENS_KEPT = timedelta(days=1)
_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")
"""RFC 7636, 4.2."""
_TOKEN_FIELDS = {
    "authorization_code": {"grant_type", "code", "redirect_uri", "code_verifier"},
    "refresh_token": {"grant_type", "refresh_token"},
}
_PAGE_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
"""Pages need only their own style sheet. `form-action` is missing: it would block the redirect back to the app."""


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
class _Challenge:
    """A PKCE code challenge (RFC 7636)."""

    value: str
    method: str

    def accepts(self, verifier: str) -> bool:
        if self.method == "S256":
            verifier = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        return hmac.compare_digest(verifier.encode(), self.value.encode())


@dataclass
class _Code:
    person: Person
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: _Challenge | None
    with_refresh: bool
    expires_at: datetime


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


class Identity:
    """The accounts, grants and tokens of one provider, with its OAuth pages and endpoints."""

    def __init__(
        self,
        display_name: str,
        rules: Rules,
        people: list[Person],
        clock: Clock,
        random: Random,
        *,
        client_id: str,
        client_secret: str,
        redirect_uris: frozenset[str] = frozenset(),
        error_body: Callable[[OAuthRefusal], dict[str, Any]] = standard_error,
        app_scopes: Callable[[Person | None], tuple[str, ...]] | None = None,
        more_token_values: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """`app_scopes` returns the scopes of the app that a person can grant, or all for None.

        Without it, the authorization request names the scopes. `more_token_values` are added to token responses.
        """
        self.display_name, self.rules, self.people = display_name, rules, {p.email.lower(): p for p in people}
        self.client_id, self.client_secret, self.redirect_uris = client_id, client_secret, redirect_uris
        self.shows_login = True
        """Whether the consent page is filled in with the first person's email address and password."""
        self.lock = threading.RLock()
        self._clock, self._random, self._error_body = clock, random, error_body
        self._app_scopes, self._more_token_values = app_scopes, more_token_values
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
        with self.lock:
            person = self.people[email.lower()]
            scopes = self._app_scopes(person) if self._app_scopes else tuple(self.rules.scopes)
            return self._start_grant(person, scopes, with_refresh=True)

    def bearer(self) -> Token | None:
        """Return the access token of the current request, or None if it is not accepted."""
        token = self.presented_token()
        return token if token and not self.is_expired(token) else None

    def presented_token(self) -> Token | None:
        """Return the access token of the current request, even if it has expired, or None if it is unknown."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        with self.lock:
            return self.access_tokens.get(text) if scheme.lower() == "bearer" else None

    def is_expired(self, token: Token) -> bool:
        """Return whether a token has expired."""
        return token.expires_at is not None and token.expires_at <= self._clock()

    def install(self, app: Flask) -> None:
        """Add the pages and endpoints to a stand-in's app."""
        rules, pages = self.rules, Blueprint("identity", __name__, template_folder=str(_HERE / "templates"))
        pages.add_url_rule(rules.authorize_path, "ask", self._ask, methods=["GET"])
        pages.add_url_rule(rules.authorize_path, "decide", self._decide, methods=["POST"])
        pages.add_url_rule(rules.token_path, "token", self._token, methods=["POST"])
        if rules.revoke_path:
            pages.add_url_rule(rules.revoke_path, "revoke", self._revoke, methods=["POST"])
        pages.add_url_rule("/standin.css", "style", lambda: send_from_directory(_HERE / "static", "standin.css"))
        app.register_blueprint(pages)
        app.context_processor(lambda: {"identity": self})
        app.register_error_handler(OAuthRefusal, lambda refusal: (self._error_body(refusal), refusal.status))
        app.register_error_handler(PageError, lambda e: (render_template("error.html", error=e), e.status))
        app.after_request(_protect)

    def sign_in(self) -> Person | None:
        """Return the person whose email address and password are in the submitted form."""
        person = self.people.get(request.form.get("email", "").strip().lower())
        password = request.form.get("password", "")
        return person if person and hmac.compare_digest(password.encode(), person.password.encode()) else None

    def redirect_with_code(
        self, person: Person, query: Mapping[str, str], scopes: tuple[str, ...], challenge: _Challenge | None = None
    ) -> Response:
        """Issue an authorization code and redirect the browser to the app with it."""
        expires_at, with_refresh = self._clock() + _CODE_LIFE, self.rules.gives_refresh_token(query)
        with self.lock:
            code = self._random_text(40)
            self._codes[code] = _Code(person, scopes, query["redirect_uri"], challenge, with_refresh, expires_at)
        return _redirect_to_app(query, code=code)

    def _read_query(self) -> tuple[Mapping[str, str], _Challenge | None]:
        """Check the authorization request. Raises `PageError`."""
        query, numbers = request.args, self.rules.error_numbers
        if query.get("client_id") != self.client_id:
            raise PageError("Invalid client_id", numbers.get("client_id"))
        if query.get("redirect_uri") not in self.redirect_uris:
            raise PageError("Invalid redirect URL", numbers.get("redirect_uri"))
        if query.get("response_type") != "code":
            raise PageError("Invalid response_type")
        requested = query.get("scope", "").split()
        if self._app_scopes is None and (not requested or set(requested) - set(self.rules.scopes)):
            raise PageError("Invalid scope")
        if "code_challenge" not in query:
            return query, None
        challenge = _Challenge(query["code_challenge"], query.get("code_challenge_method", "plain"))  # RFC 7636, 4.3
        if challenge.method not in ("S256", "plain") or not _CHALLENGE.fullmatch(challenge.value):
            raise PageError("Invalid code_challenge")
        return query, challenge

    def _requested_scopes(self, query: Mapping[str, str], person: Person | None = None) -> tuple[str, ...]:
        return self._app_scopes(person) if self._app_scopes else tuple(query["scope"].split())

    def _ask(self) -> str:
        query, _ = self._read_query()
        return self.consent_page(self._requested_scopes(query))

    def consent_page(self, scopes: tuple[str, ...], problem: str = "") -> str:
        """Render the page on which a person signs in and allows or denies the scopes."""
        texts = [(scope, self.rules.scopes.get(scope, scope)) for scope in scopes]
        return render_template("consent.html", scopes=texts, problem=problem)

    def _decide(self) -> str | tuple[str, int] | Response:
        (query, challenge), person = self._read_query(), self.sign_in()
        if request.form.get("decision") == "deny":
            return _redirect_to_app(query, error="access_denied")
        if person is None:
            return self.consent_page(self._requested_scopes(query), "Wrong email or password."), 403
        if person.blocked:
            description = {"error_description": person.blocked_description} if person.blocked_description else {}
            return _redirect_to_app(query, error=person.blocked, **description)
        if request.form.get("decision") != "allow":
            raise PageError("Choose Allow or Deny")
        scopes = self._requested_scopes(query, person)
        if self.rules.can_untick:
            scopes = tuple(scope for scope in scopes if scope in request.form.getlist("scope"))
        return self.redirect_with_code(person, query, scopes, challenge)

    def _token(self) -> dict[str, Any]:
        self._authenticate_client()
        form = request.form
        grant_type = form.get("grant_type", "")
        if grant_type not in _TOKEN_FIELDS:
            raise OAuthRefusal("unsupported_grant_type", "Unsupported grant type")
        self._reject_unknown_fields(_TOKEN_FIELDS[grant_type] | self.rules.more_token_fields)
        with self.lock:
            if grant_type == "authorization_code":
                return self._exchange(form)
            return self._refresh(form.get("refresh_token", ""))

    def _authenticate_client(self) -> None:
        basic = request.authorization
        if self.rules.basic_auth:
            credentials = f"{basic.username}:{basic.password}" if basic and basic.type == "basic" else ""
        else:
            credentials = f"{request.form.get('client_id')}:{request.form.get('client_secret')}"
        if not hmac.compare_digest(credentials.encode(), f"{self.client_id}:{self.client_secret}".encode()):
            message = "Invalid client_id or client_secret"
            raise OAuthRefusal("invalid_client", message, self.rules.client_error_status)

    def _reject_unknown_fields(self, fields: set[str] | frozenset[str], *, as_client: bool = True) -> None:
        if as_client and not self.rules.basic_auth:
            fields = fields | {"client_id", "client_secret"}
        unknown = (set(request.form) - fields) | set(request.args)
        if unknown:
            raise OAuthRefusal("invalid_request", f"Unexpected parameters: {', '.join(sorted(unknown))}")

    def _exchange(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Exchange a code for tokens. The first attempt uses the code up, even if it fails."""
        code = self._codes.pop(form.get("code", ""), None)
        if code is None:
            raise OAuthRefusal("invalid_grant", "Invalid authorization code")
        if code.expires_at <= self._clock():
            raise OAuthRefusal("invalid_grant", "Authorization code expired")
        if code.redirect_uri != form.get("redirect_uri"):
            raise RedirectMismatch
        if code.challenge and not code.challenge.accepts(form.get("code_verifier", "")):
            raise OAuthRefusal("invalid_grant", "Invalid code verifier")
        return self._start_grant(code.person, code.scopes, with_refresh=code.with_refresh)

    def _start_grant(self, person: Person, scopes: tuple[str, ...], *, with_refresh: bool) -> dict[str, Any]:
        if self.rules.one_grant_per_person:
            self.end_grant(person.id)
        self._grants += 1
        return self._issue_tokens(person, scopes, self._grants, with_refresh=with_refresh)

    def _refresh(self, text: str) -> dict[str, Any]:
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

    def _revoke(self) -> dict[str, Any]:
        """End the grant of a token."""
        rules = self.rules
        if rules.revokes_as_client:
            self._authenticate_client()
        self._reject_unknown_fields({"token"}, as_client=rules.revokes_as_client)
        text = request.form.get("token", "")
        with self.lock:
            token = self.access_tokens.get(text)
            if rules.revokes_live_access_tokens_only:
                token = None if token is None or self.is_expired(token) else token
            else:
                token = token or self.refresh_tokens.get(text)
            if token is None:
                raise DeadToken("invalid_token")
            grant = token.grant
            self.access_tokens = {k: token for k, token in self.access_tokens.items() if token.grant != grant}
            self.refresh_tokens = {k: token for k, token in self.refresh_tokens.items() if token.grant != grant}
        return dict(rules.revoke_response)

    def _random_text(self, length: int) -> str:
        return "".join(self._random.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", k=length))


def _redirect_to_app(query: Mapping[str, str], **parameters: str) -> Response:
    parts = urlsplit(query["redirect_uri"])
    state = {"state": query["state"]} if "state" in query else {}
    answer = urlencode([*parse_qsl(parts.query), *parameters.items(), *state.items()])
    return redirect(urlunsplit(parts._replace(query=answer)))


def _protect(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _PAGE_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
