"""The OAuth 2.0 side of a stand-in: accounts that sign in, a consent page, tokens that live, rotate and die.

Providers differ in `Rules`; what they say when they refuse is theirs (`Identity.refuse`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
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


class Refresh(StrEnum):
    """What becomes of a refresh token that is used."""

    SINGLE_USE = "single_use"  # a new one comes back, the old one is dead
    ROTATING = "rotating"  # a new one comes back, the old one still works
    STATIC = "static"  # none comes back, the old one stays


@dataclass(frozen=True)
class Rules:
    """How one provider does OAuth. `refresh_life` is told in the answer where `tells_refresh_life`.

    `revokes_as_client`: revoking takes the client's credentials beside the token, else the token and nothing else.
    `gives_refresh_token` decides from the authorization request's query; `optional` scopes can be unticked.
    """

    authorize_path: str
    token_path: str
    scopes: Mapping[str, str]
    refresh: Refresh
    revoke_path: str | None = None
    basic_auth: bool = False
    revokes_as_client: bool = True
    needs_pkce: bool = False
    access_life: timedelta = timedelta(hours=1)
    refresh_life: timedelta | None = None
    tells_refresh_life: bool = False
    can_untick: bool = False
    gives_refresh_token: Callable[[Mapping[str, str]], bool] = lambda _: True
    granted_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Person:
    """Somebody with an account. `blocked` is the OAuth error that consenting ends in, for those who may not.

    `blocked_words` is its `error_description`.
    """

    id: str
    email: str
    password: str
    name: str
    blocked: str | None = None
    blocked_words: str = ""


@dataclass
class _Code:
    person: Person
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: str | None
    with_refresh: bool
    ends: datetime


@dataclass
class Token:
    """An access or a refresh token; those of one consent share `grant`."""

    person: Person
    scopes: tuple[str, ...]
    grant: int
    ends: datetime | None


class OAuthRefusal(Exception):
    """The token endpoint says no: `error` as in RFC 6749, 5.2."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status


class Identity:
    """State and HTTP face. Give the app `blueprint()`; ask `bearer()` who is calling."""

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
        refuse: Callable[[OAuthRefusal], dict[str, Any]] = lambda no: {
            "error": no.error,
            "error_description": no.description,
        },
    ) -> None:
        self.display_name, self.rules, self.people = display_name, rules, {p.email: p for p in people}
        self.client_id, self.client_secret, self.redirect_uris = client_id, client_secret, redirect_uris
        self.lock = threading.RLock()
        self.access: dict[str, Token] = {}
        self.refresh: dict[str, Token] = {}
        self.refresh_calls = 0
        self._codes: dict[str, _Code] = {}
        self._clock, self._random, self._refuse = clock, random, refuse
        self._grants = 0

    def end_access_tokens(self) -> None:
        """Every access token is refused from now on; refresh tokens still work."""
        with self.lock:
            self.access.clear()

    def end_grant(self, person_id: str) -> None:
        """The person takes the app's access away."""
        with self.lock:
            for tokens in (self.access, self.refresh):
                for text in [text for text, token in tokens.items() if token.person.id == person_id]:
                    del tokens[text]

    def consent(self, email: str) -> dict[str, Any]:
        """What the token endpoint answers somebody who has just allowed everything that there is to allow."""
        with self.lock:
            self._grants += 1
            return self._issue(self.people[email], tuple(self.rules.scopes), self._grants, with_refresh=True)

    def bearer(self) -> Token | None:
        """Who the current request's access token belongs to; None if it is not accepted."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        with self.lock:
            token = self.access.get(text) if scheme.lower() == "bearer" else None
        return token if token and token.ends and token.ends > self._clock() else None

    def install(self, app: Flask) -> None:
        """Put the pages and endpoints on a stand-in's app."""
        rules, pages = self.rules, Blueprint("identity", __name__, template_folder=str(_HERE / "templates"))
        pages.add_url_rule(rules.authorize_path, "ask", self._ask, methods=["GET"])
        pages.add_url_rule(rules.authorize_path, "decide", self._decide, methods=["POST"])
        pages.add_url_rule(rules.token_path, "token", self._token, methods=["POST"])
        if rules.revoke_path:
            pages.add_url_rule(rules.revoke_path, "revoke", self._revoke, methods=["POST"])
        css = _HERE / "zoom" / "static"
        pages.add_url_rule("/standin.css", "style", lambda: send_from_directory(css, "standin.css"))
        app.register_blueprint(pages)
        app.register_error_handler(OAuthRefusal, lambda no: (self._refuse(no), no.status))

    def _asked(self) -> Mapping[str, str]:
        query = request.args
        if query.get("client_id") != self.client_id or query.get("redirect_uri") not in self.redirect_uris:
            raise OAuthRefusal("invalid_request", "unknown client_id or redirect_uri")
        wanted = query.get("scope", "").split()
        unknown = set(wanted) - set(self.rules.scopes)
        if query.get("response_type") != "code" or not wanted or unknown:
            raise OAuthRefusal("invalid_scope", f"unknown scopes: {sorted(unknown)}")
        if self.rules.needs_pkce and query.get("code_challenge_method") != "S256":
            raise OAuthRefusal("invalid_request", "code_challenge is missing")
        return query

    def _ask(self) -> str:
        return self._page(self._asked())

    def _page(self, asked: Mapping[str, str], problem: str = "") -> str:
        scopes = [(scope, self.rules.scopes[scope]) for scope in asked["scope"].split()]
        return render_template("consent_standin.html", identity=self, scopes=scopes, problem=problem)

    def _decide(self) -> str | tuple[str, int] | Response:
        asked, form = self._asked(), request.form
        person = self.people.get(form.get("email", "").strip().lower())
        if form.get("decision") == "deny":
            return self._back(asked, error="access_denied")
        if person is None or not hmac.compare_digest(form.get("password", "").encode(), person.password.encode()):
            return self._page(asked, "Wrong email or password."), 403
        if person.blocked:
            words = {"error_description": person.blocked_words} if person.blocked_words else {}
            return self._back(asked, error=person.blocked, **words)
        wanted = asked["scope"].split()
        ticked = [s for s in wanted if s in form.getlist("scope")] if self.rules.can_untick else wanted
        with self.lock:
            code = self._text(40)
            self._codes[code] = _Code(
                person,
                tuple(ticked),
                asked["redirect_uri"],
                asked.get("code_challenge"),
                self.rules.gives_refresh_token(asked),
                self._clock() + _CODE_LIFE,
            )
        return self._back(asked, code=code)

    def _back(self, asked: Mapping[str, str], **answer: str) -> Response:
        parts = urlsplit(asked["redirect_uri"])
        state = {"state": asked["state"]} if "state" in asked else {}
        query = urlencode([*parse_qsl(parts.query), *answer.items(), *state.items()])
        return redirect(urlunsplit(parts._replace(query=query)))

    def _token(self) -> dict[str, Any]:
        self._authenticate()
        form = request.form
        with self.lock:
            match form.get("grant_type"):
                case "authorization_code":
                    return self._exchange(form)
                case "refresh_token":
                    return self._refreshed(form.get("refresh_token", ""))
        raise OAuthRefusal("unsupported_grant_type", "unsupported grant_type")

    def _authenticate(self) -> None:
        basic = request.authorization
        if self.rules.basic_auth:
            given = f"{basic.username}:{basic.password}" if basic and basic.type == "basic" else ""
        else:
            given = f"{request.form.get('client_id')}:{request.form.get('client_secret')}"
        if not hmac.compare_digest(given.encode(), f"{self.client_id}:{self.client_secret}".encode()):
            raise OAuthRefusal("invalid_client", "unknown client", 401)

    def _exchange(self, form: Mapping[str, str]) -> dict[str, Any]:
        code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.ends <= self._clock() or code.redirect_uri != form.get("redirect_uri"):
            raise OAuthRefusal("invalid_grant", "the code is unknown, used or expired")
        if code.challenge is not None:
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            if base64.urlsafe_b64encode(digest).decode().rstrip("=") != code.challenge:
                raise OAuthRefusal("invalid_grant", "code_verifier does not match")
        self._grants += 1
        return self._issue(code.person, code.scopes, self._grants, with_refresh=code.with_refresh)

    def _refreshed(self, text: str) -> dict[str, Any]:
        self.refresh_calls += 1
        old = self.refresh.get(text)
        if old is None or (old.ends is not None and old.ends <= self._clock()):
            raise OAuthRefusal("invalid_grant", "the refresh token is unknown, used, revoked or expired")
        if self.rules.refresh is Refresh.SINGLE_USE:
            del self.refresh[text]
        return self._issue(old.person, old.scopes, old.grant, with_refresh=self.rules.refresh is not Refresh.STATIC)

    def _issue(self, person: Person, scopes: tuple[str, ...], grant: int, *, with_refresh: bool) -> dict[str, Any]:
        rules, now = self.rules, self._clock()
        access = self._text(60)
        self.access[access] = Token(person, scopes, grant, now + rules.access_life)
        names = (rules.granted_names.get(scope, scope) for scope in scopes)
        answer: dict[str, Any] = {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": int(rules.access_life.total_seconds()) - 1,
            "scope": " ".join(name for name in names if name),
        }
        if with_refresh:
            ends = now + rules.refresh_life if rules.refresh_life else None
            answer["refresh_token"] = self._text(60)
            self.refresh[answer["refresh_token"]] = Token(person, scopes, grant, ends)
            if rules.tells_refresh_life and rules.refresh_life:
                answer["refresh_token_expires_in"] = int(rules.refresh_life.total_seconds())
        return answer

    def _revoke(self) -> dict[str, Any]:
        if self.rules.revokes_as_client:
            self._authenticate()
        elif set(request.form) != {"token"}:
            raise OAuthRefusal("invalid_request", "revoking takes the token alone")
        text = request.form.get("token", "")
        with self.lock:
            token = self.access.get(text) or self.refresh.get(text)
            if token is None:
                raise OAuthRefusal("invalid_token", "unknown token")
            for tokens in (self.access, self.refresh):
                for known in [known for known, one in tokens.items() if one.grant == token.grant]:
                    del tokens[known]
        return {}

    def _text(self, length: int) -> str:
        return "".join(self._random.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", k=length))
