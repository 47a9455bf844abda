"""The pages a person clicks through: sign in, allow or deny, remove the app, open a meeting. No JavaScript."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from infra.local.standins.zoom.accounts import Account
from infra.local.standins.zoom.bodies import join_url
from infra.local.standins.zoom.current import current_zoom, locked
from infra.local.standins.zoom.grants import Challenge
from infra.local.standins.zoom.world import Session

blueprint = Blueprint("pages", __name__)

Answer = str | Response | tuple[str, int]

_COOKIE = "standin_zoom_session"
_CHALLENGE = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 section 4.2
_SCOPE_WORDS: Mapping[str, str] = {
    "meeting:write:meeting": "Create meetings for you",
    "meeting:update:meeting": "Change your meetings",
    "meeting:delete:meeting": "Delete your meetings",
    "meeting:read:meeting": "See a meeting's details",
    "meeting:read:list_meetings": "See the list of your meetings",
    "meeting:read:invitation": "See a meeting's invitation",
    "user:read:user": "See your profile",
    "user:read:email": "See your email address",
}


class PageError(Exception):
    """Something a person must be told on a page of its own: what, and Zoom's number for it, if any."""

    def __init__(self, message: str, code: int | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status


@dataclass(frozen=True)
class AuthorizationRequest:
    """What an app asks for by sending a browser to /oauth/authorize."""

    redirect_uri: str
    state: str | None
    challenge: Challenge | None

    @classmethod
    def read(cls) -> AuthorizationRequest:
        """Read the query; raises PageError, since an address that is not the app's own must never be redirected to."""
        zoom, query = current_zoom(), request.args
        if query.get("client_id") != zoom.client_id:
            raise PageError("Invalid client_id", 4702)
        if query.get("redirect_uri") not in zoom.redirect_uris - zoom.not_in_allow_list:
            raise PageError("Invalid redirect URL", 4700)
        if query.get("response_type") != "code":
            raise PageError("Invalid response_type")
        challenge = None
        if "code_challenge" in query:
            # "plain, which is the default if the method is omitted": PROVIDERS 1.1.
            challenge = Challenge(query["code_challenge"], query.get("code_challenge_method", "plain"))
            if challenge.method not in ("S256", "plain") or not _CHALLENGE.fullmatch(challenge.value):
                raise PageError("Invalid code_challenge")
        return cls(query["redirect_uri"], query.get("state"), challenge)

    def back(self, **answer: str) -> Response:
        """Send the browser back to the app."""
        parts = urlsplit(self.redirect_uri)
        state = {} if self.state is None else {"state": self.state}
        query = urlencode([*parse_qsl(parts.query), *answer.items(), *state.items()])
        return redirect(urlunsplit(parts._replace(query=query)))


@blueprint.get("/oauth/authorize")
@locked
def ask() -> Answer:
    """Show the consent page, or the sign-in page first."""
    AuthorizationRequest.read()
    session = _session()
    if session is None:
        return _sign_in_page(request.full_path)
    zoom = current_zoom()
    account = zoom.accounts[session.user_id]
    scopes = [(scope, _SCOPE_WORDS.get(scope, scope)) for scope in account.grantable(zoom.scopes)]
    return render_template("consent.html", account=account, csrf=session.csrf, scopes=scopes, here=request.full_path)


@blueprint.post("/oauth/authorize")
@locked
def decide() -> Answer:
    """Act on Allow or Deny; the form posts back to its own address with the same query."""
    asked, account = AuthorizationRequest.read(), _signed_in_by_form()
    zoom = current_zoom()
    match request.form.get("decision"):
        case "allow":
            code = zoom.grants.issue_code(
                account.user_id, account.grantable(zoom.scopes), asked.redirect_uri, asked.challenge
            )
            return asked.back(code=code)
        case "deny":
            return asked.back(error="access_denied")
        case _:
            raise PageError("Choose Allow or Deny")


@blueprint.get("/signin")
@locked
def sign_in_page() -> Answer:
    """Show the sign-in page on its own."""
    return _sign_in_page(request.args.get("next", "/apps"))


@blueprint.post("/signin")
@locked
def sign_in() -> Answer:
    """Start a session and go on to where the person wanted to go."""
    zoom, target = current_zoom(), request.form.get("next", "/apps")
    if not target.startswith("/") or target.startswith("//") or "\\" in target:
        raise PageError("Invalid address to go on to")
    email, password = request.form.get("email", ""), request.form.get("password", "")
    for account in zoom.accounts.values():
        same_password = hmac.compare_digest(password.encode(), account.password.encode())
        if account.email.lower() == email.strip().lower() and same_password:
            session_id = zoom.mint.text(32)
            zoom.sessions[session_id] = Session(account.user_id, csrf=zoom.mint.text(32))
            answer = redirect(target, 303)
            answer.set_cookie(_COOKIE, session_id, httponly=True, samesite="Lax")
            return answer
    return _sign_in_page(target, message="Wrong email or password.", email=email), 403


@blueprint.post("/signout")
@locked
def sign_out() -> Answer:
    """End the session, so that somebody else can sign in."""
    _signed_in_by_form()
    current_zoom().sessions.pop(request.cookies.get(_COOKIE, ""), None)
    return redirect(url_for("pages.sign_in_page", next=request.form.get("next", "/apps")), 303)


@blueprint.get("/apps")
@locked
def apps() -> Answer:
    """Show the person's installed app."""
    session = _session()
    if session is None:
        return _sign_in_page("/apps")
    zoom = current_zoom()
    installed = zoom.grants.is_installed(session.user_id)
    account = zoom.accounts[session.user_id]
    return render_template("apps.html", account=account, csrf=session.csrf, installed=installed)


@blueprint.post("/apps/add")
@locked
def add_app() -> Answer:
    """Install the app as "Add app" in Zoom's Marketplace does: with a code, but without the app's own state."""
    account, zoom = _signed_in_by_form(), current_zoom()
    redirect_uri = min(zoom.redirect_uris)
    code = zoom.grants.issue_code(account.user_id, account.grantable(zoom.scopes), redirect_uri)
    return AuthorizationRequest(redirect_uri, None, None).back(code=code)


@blueprint.post("/apps/remove")
def remove_app() -> Answer:
    """Uninstall the app; without the lock, since the event's receiver may call back."""
    current_zoom().deauthorize(_signed_in_by_form().user_id)
    return redirect("/apps", 303)


@blueprint.get("/j/<int:meeting_id>")
@locked
def join(meeting_id: int) -> Answer:
    """Where guests' links lead, if `web_url` is the stand-in's own address."""
    zoom = current_zoom()
    meeting = zoom.held.by_id.get(meeting_id)
    path = request.full_path.removesuffix("?")
    if meeting is None or join_url(meeting, "") != path:
        raise PageError("This meeting link is invalid", 3001, status=404)
    return render_template("meeting.html", meeting=meeting)


@blueprint.app_errorhandler(PageError)
def show_error(error: PageError) -> Answer:
    """Show what went wrong, with the number as Zoom writes it: "Invalid client_id (4,702)"."""
    return render_template("error.html", error=error), error.status


def _session() -> Session | None:
    return current_zoom().sessions.get(request.cookies.get(_COOKIE, ""))


def _signed_in_by_form() -> Account:
    session = _session()
    if session is None or not hmac.compare_digest(request.form.get("csrf", "").encode(), session.csrf.encode()):
        raise PageError("This form is no longer valid, please start again", status=403)
    return current_zoom().accounts[session.user_id]


def _sign_in_page(target: str, message: str = "", email: str = "") -> str:
    zoom = current_zoom()
    demo = next(iter(zoom.accounts.values())) if zoom.show_demo_login else None
    return render_template("signin.html", target=target, message=message, email=email, demo=demo)
