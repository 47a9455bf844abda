"""OAuth 2.0 for every stand-in: accounts, a sign-in and consent page, authorization codes, and tokens.

Providers differ in `Rules` and in the bodies of their errors.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import Blueprint, Flask, redirect, render_template, request, send_from_directory
from werkzeug.wrappers import Response

from infra.local.standins.base import Clock
from infra.local.standins.grants import Grants
from infra.local.standins.oauth_rules import (
    Challenge,
    OAuthRefusal,
    PageError,
    Person,
    Rules,
    Token,
    standard_error,
)

_HERE = Path(__file__).parent
_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")
"""RFC 7636, 4.2."""
_TOKEN_FIELDS = {
    "authorization_code": {"grant_type", "code", "redirect_uri", "code_verifier"},
    "refresh_token": {"grant_type", "refresh_token"},
}
_PAGE_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
"""Pages need only their own style sheet. `form-action` is missing: it would block the redirect back to the app."""


class Identity(Grants):
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
        super().__init__(rules, people, clock, random, more_token_values)
        self.display_name = display_name
        self.client_id, self.client_secret, self.redirect_uris = client_id, client_secret, redirect_uris
        self.shows_login = True
        """Whether the consent page is filled in with the first person's email address and password."""
        self._error_body, self._app_scopes = error_body, app_scopes

    def bearer(self) -> Token | None:
        """Return the access token of the current request, or None if it is not accepted."""
        token = self.presented_token()
        return token if token and not self.is_expired(token) else None

    def presented_token(self) -> Token | None:
        """Return the access token of the current request, even if it has expired, or None if it is unknown."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        with self.lock:
            return self.access_tokens.get(text) if scheme.lower() == "bearer" else None

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
        """Return the person with the email address and password of the submitted form."""
        person = self.people.get(request.form.get("email", "").strip().lower())
        password = request.form.get("password", "")
        return person if person and hmac.compare_digest(password.encode(), person.password.encode()) else None

    def redirect_with_code(
        self, person: Person, query: Mapping[str, str], scopes: tuple[str, ...], challenge: Challenge | None = None
    ) -> Response:
        """Issue an authorization code and redirect the browser to the app with it."""
        with_refresh = self.rules.gives_refresh_token(query)
        code = self.issue_code(person, scopes, query["redirect_uri"], challenge, with_refresh=with_refresh)
        return _redirect_to_app(query, code=code)

    def _read_query(self) -> tuple[Mapping[str, str], Challenge | None]:
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
        challenge = Challenge(query["code_challenge"], query.get("code_challenge_method", "plain"))  # RFC 7636, 4.3
        if challenge.method not in ("S256", "plain") or not _CHALLENGE.fullmatch(challenge.value):
            raise PageError("Invalid code_challenge")
        return query, challenge

    def grantable_scopes(self, person: Person | None) -> tuple[str, ...]:
        return self._app_scopes(person) if self._app_scopes else super().grantable_scopes(person)

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
            if grant_type == "refresh_token":
                return self.refresh(form.get("refresh_token", ""))
            return self.exchange(form.get("code", ""), form.get("redirect_uri", ""), form.get("code_verifier", ""))

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

    def _revoke(self) -> dict[str, Any]:
        as_client = self.rules.revokes_as_client
        if as_client:
            self._authenticate_client()
        self._reject_unknown_fields({"token"}, as_client=as_client)
        self.revoke(request.form.get("token", ""))
        return dict(self.rules.revoke_response)


def _redirect_to_app(query: Mapping[str, str], **parameters: str) -> Response:
    parts = urlsplit(query["redirect_uri"])
    state = {"state": query["state"]} if "state" in query else {}
    answer = urlencode([*parse_qsl(parts.query), *parameters.items(), *state.items()])
    return redirect(urlunsplit(parts._replace(query=answer)))


def _protect(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = _PAGE_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
