"""What every page shares: errors as pages, the cookie session, forms that prove where they come from.

The session's cookie is `SameSite=Lax`. In a frame of another site a browser sends no such cookie, so a session that
is opened in a frame gets one that is `SameSite=None; Partitioned` instead (CHIPS): it exists only beneath that one
embedding site, and only workspaces that list the site in `frame_ancestors` can be shown there. Forgery is held off
by the forms' token in either case, not by the cookie.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from chalice.app import Response

from chalicelib.api import html
from chalicelib.api.calls import Call
from chalicelib.api.problems import ProblemDetails
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import Forbidden, TooLarge
from chalicelib.usecases.connect_links import Session

_FORM_LIMIT = 16 * 1024
_SECURE_COOKIE = "__Host-meetlink"
_LOCAL_COOKIE = "meetlink"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_SESSION_SECONDS = 3600


def render_error(call: Call, problem: ProblemDetails) -> Response:
    """Return a page that says what went wrong and what to do."""
    incomplete = "This address is not complete. Open the link again as you got it."
    detail = incomplete if problem.reason == "invalid_id" else problem.detail
    return html.page(call, "error.html", status=problem.status, detail=detail)


def session_of(call: Call) -> Session:
    """The browser's session. Raises `Forbidden` if it has none."""
    session = session_or_none(call)
    if session is None:
        raise Forbidden(
            "Your session has ended. Open the settings page again from the service that you take bookings with.",
            reason="no_session",
        )
    return session


def session_or_none(call: Call) -> Session | None:
    return call.services.connect_links.find_session(_cookies(call).get(_cookie_name(call)))


def posted(call: Call) -> tuple[Session, Mapping[str, str]]:
    """The session and the form of one of its pages. Raises `Forbidden` for a form from anywhere else."""
    session, form = session_of(call), _form(call)
    if not session.accepts_csrf(form.get("csrf", "")):
        raise Forbidden("This form is out of date. Go back to the settings page and try again.", reason="csrf")
    return session, form


def require_same_origin(call: Call) -> None:
    """Raises `Forbidden` for a form of another origin.

    A connect link's token is its form's only secret, and its sender knows it: a foreign page that posted it would
    put the victim's browser into the sender's session (login CSRF).
    """
    origin, site = call.header("origin"), call.header("sec-fetch-site")
    ours = urlsplit(call.base_url)
    if site not in (None, "same-origin") or origin not in (None, f"{ours.scheme}://{ours.netloc}"):
        raise Forbidden("Open the link itself and use the button on its page.", reason="cross_site")


def is_framed(call: Call) -> bool:
    """Whether the browser shows this page in a frame (Fetch Metadata)."""
    return call.header("sec-fetch-dest") == "iframe"


def cookie(call: Call, token: str, workspace: Workspace | None) -> str:
    """The `Set-Cookie` of a session."""
    fixed = f"{_cookie_name(call)}={token}; Path=/; Max-Age={_SESSION_SECONDS}; HttpOnly"
    if is_framed(call) and workspace is not None and workspace.frame_ancestors:
        return f"{fixed}; SameSite=None; Secure; Partitioned"
    return f"{fixed}; SameSite=Lax{'' if _is_local(call) else '; Secure'}"


def end_cookie(call: Call) -> str:
    """The `Set-Cookie` that has the browser forget its session."""
    fixed = f"{_cookie_name(call)}=; Path=/; Max-Age=0; HttpOnly"
    if is_framed(call):
        return f"{fixed}; SameSite=None; Secure; Partitioned"
    return f"{fixed}; SameSite=Lax{'' if _is_local(call) else '; Secure'}"


def redirect(url: str, headers: dict[str, str] | None = None) -> Response:
    return Response("", {"Location": url, "Content-Type": "text/plain", **(headers or {})}, 303)


def _form(call: Call) -> Mapping[str, str]:
    if len(call.raw_body) > _FORM_LIMIT:
        raise TooLarge("The form is too large.")
    try:
        return dict(parse_qsl(call.raw_body.decode("ascii"), max_num_fields=50))
    except ValueError:
        return {}


def _is_local(call: Call) -> bool:
    address = urlsplit(call.base_url)
    return address.scheme == "http" and address.hostname in _LOOPBACK


def _cookie_name(call: Call) -> str:
    return _LOCAL_COOKIE if _is_local(call) else _SECURE_COOKIE


def _cookies(call: Call) -> Mapping[str, str]:
    pairs = (part.strip().partition("=") for part in (call.header("cookie") or "").split(";"))
    return {name: value for name, _, value in pairs}
