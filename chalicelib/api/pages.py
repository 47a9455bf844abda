"""The browser's pages: a connect link opens a session, the settings page connects and disconnects one user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from chalice.app import Blueprint, Response

from chalicelib.api import rendering
from chalicelib.api.http import Call, open_route
from chalicelib.domain.connection import ConnectionState
from chalicelib.errors import CallerError, Forbidden, NotFound, ProviderError, TooLarge
from chalicelib.observability import log
from chalicelib.usecases.connect import ConsentDenied, FlowRefused
from chalicelib.usecases.sessions import Session

if TYPE_CHECKING:
    from chalicelib.wiring import Services

# Browsers leave the content type out of a form without fields, and Chalice would then refuse it.
_FORM: list[str] = []
_FORM_LIMIT = 16 * 1024
_SECURE_COOKIE = "__Host-meetlink"
_LOCAL_COOKIE = "meetlink"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_SESSION_SECONDS = 3600


def routes(services: Callable[[], Services]) -> Blueprint:
    """The routes of pages."""
    routes = Blueprint(__name__)
    page = _page_route(services)

    @routes.route("/connect/{token}", methods=["GET"])
    @page
    def show_link(call: Call, token: str) -> Response:
        # Looking uses nothing up: mail scanners follow links, but they press no buttons.
        visitor = call.services.sessions.visitor_of(token)
        if visitor is None:
            raise NotFound("This link has expired or was already used. Ask for a new one where you got it.")
        workspace = call.services.workspaces.get(visitor.workspace_id)
        return rendering.page(call, "link.html", visitor=visitor, workspace=workspace, token=token)

    @routes.route("/connect/{token}", methods=["POST"], content_types=_FORM)
    @page
    def use_link(call: Call, token: str) -> Response:
        _require_same_origin(call)
        session = call.services.sessions.open_session(token)
        return _redirect(f"{call.base_url}/settings", {"Set-Cookie": _cookie(call, session.token)})

    @routes.route("/settings", methods=["GET"])
    @page
    def show_settings(call: Call) -> Response:
        return _settings(call, _session(call), notice=call.query("notice"))

    @routes.route("/settings/disconnect", methods=["POST"], content_types=_FORM)
    @page
    def disconnect(call: Call) -> Response:
        session = _session(call)
        _checked_form(call, session)
        call.services.connector.disconnect(session.visitor.workspace_id, session.visitor.user_id)
        return _redirect(f"{call.base_url}/settings?notice=disconnected")

    @routes.route("/oauth/{provider}/start", methods=["POST"], content_types=_FORM)
    @page
    def start(call: Call, provider: str) -> Response:
        session = _session(call)
        _checked_form(call, session)
        return _redirect(call.services.connector.start(session, provider, call.base_url))

    @routes.route("/oauth/{provider}/callback", methods=["GET"])
    @page
    def callback(call: Call, provider: str) -> Response:
        given = {name: call.query(name) for name in ("state", "code", "error")}
        answer = {name: value for name, value in given.items() if value}
        session = _session_or_none(call)
        try:
            call.services.connector.finish(session, provider, answer)
        except ConsentDenied as error:
            return _settings(call, _session(call), problem=error.detail)
        except ProviderError as error:
            log.failure("connecting failed", error, provider=provider)
            if session is None:
                raise FlowRefused("Open the settings page and connect again.") from error
            return _settings(call, session, problem=_in_words(call, provider))
        return _redirect(f"{call.base_url}/settings?notice=connected")

    @routes.route("/assets/{name}", methods=["GET"])
    @page
    def asset(_: Call, name: str) -> Response:
        return rendering.asset(name)

    return routes


def _page_route(services: Callable[[], Services]) -> Callable[..., Any]:
    """Like `open_route`, but errors are pages that say what to do."""
    outer = open_route(services)

    def decorate(view: Callable[..., Response]) -> Callable[..., Response]:
        @outer
        @wraps(view)
        def answer(call: Call, **path: str) -> Response:
            try:
                return view(call, **path)
            except CallerError as error:
                return rendering.page(call, "error.html", status=error.status, detail=error.detail)

        page: Callable[..., Response] = answer
        return page

    return decorate


def _settings(call: Call, session: Session, *, notice: str | None = None, problem: str | None = None) -> Response:
    visitor, connector = session.visitor, call.services.connector
    status = connector.status(visitor.workspace_id, visitor.user_id)
    connected = status.state in (ConnectionState.CONNECTED, ConnectionState.BROKEN)
    offered = connector.offered()
    # Chromium applies form-action to the redirect that answers a form, so the providers' sign-in pages stand in it.
    targets = [f"{urlsplit(p.oauth_address).scheme}://{urlsplit(p.oauth_address).netloc}" for p in offered]
    return rendering.page(
        call,
        "settings.html",
        status=200 if problem is None else 400,
        form_targets=targets,
        csrf=session.csrf,
        visitor=visitor,
        workspace=call.services.workspaces.get(visitor.workspace_id),
        connection=status,
        upcoming=connector.upcoming(visitor.workspace_id, visitor.user_id) if connected else [],
        providers=offered,
        names={p.name: p.display_name for p in call.services.providers.values()},
        notice=notice,
        problem=problem,
    )


def _in_words(call: Call, provider: str) -> str:
    name = call.services.providers[provider].display_name
    return f"{name} did not complete the sign-in. Nothing was connected. Please try again in a moment."


def _session(call: Call) -> Session:
    session = _session_or_none(call)
    if session is None:
        raise Forbidden(
            "Your session has ended. Open the settings page again from where you came.", reason="no_session"
        )
    return session


def _session_or_none(call: Call) -> Session | None:
    return call.services.sessions.session(_cookies(call).get(_cookie_name(call)))


def _checked_form(call: Call, session: Session) -> Mapping[str, str]:
    form = _form(call)
    if not session.accepts(form.get("csrf", "")):
        raise Forbidden("This form is out of date. Go back to the settings page and try again.", reason="csrf")
    return form


def _form(call: Call) -> Mapping[str, str]:
    if len(call.raw_body) > _FORM_LIMIT:
        raise TooLarge("The form is too large.")
    try:
        return dict(parse_qsl(call.raw_body.decode("ascii"), max_num_fields=50))
    except ValueError:
        return {}


def _require_same_origin(call: Call) -> None:
    # The link's token is this form's only secret, and its sender knows it: a foreign page that posted it would put
    # the victim's browser into the sender's session (login CSRF).
    origin, site = call.header("origin"), call.header("sec-fetch-site")
    ours = urlsplit(call.base_url)
    if site not in (None, "same-origin") or origin not in (None, f"{ours.scheme}://{ours.netloc}"):
        raise Forbidden("Open the link itself and use the button on its page.", reason="cross_site")


def _is_local(call: Call) -> bool:
    address = urlsplit(call.base_url)
    return address.scheme == "http" and address.hostname in _LOOPBACK


def _cookie_name(call: Call) -> str:
    return _LOCAL_COOKIE if _is_local(call) else _SECURE_COOKIE


def _cookie(call: Call, token: str) -> str:
    secure = "" if _is_local(call) else "; Secure"
    return f"{_cookie_name(call)}={token}; Path=/; Max-Age={_SESSION_SECONDS}; HttpOnly; SameSite=Lax{secure}"


def _cookies(call: Call) -> Mapping[str, str]:
    pairs = (part.strip().partition("=") for part in (call.header("cookie") or "").split(";"))
    return {name: value for name, _, value in pairs}


def _redirect(url: str, headers: dict[str, str] | None = None) -> Response:
    return Response("", {"Location": url, "Content-Type": "text/plain", **(headers or {})}, 303)
