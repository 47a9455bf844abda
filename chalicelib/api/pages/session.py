"""What all pages share: the cookie session, and forms protected against forgery.

The session's cookie is `SameSite=Lax`. A browser does not send such a cookie in a frame of another site. A session
that is opened in a frame therefore gets a `SameSite=None; Partitioned` cookie (CHIPS): it exists only within that
embedding site, and only workspaces that list the site in `frame_ancestors` can be framed there. In both cases the
forms' token prevents forgery, not the cookie.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import parse_qsl, urlsplit

from chalice.app import Response
from msgspec.structs import replace

from chalicelib.api.audience import Audience, audience_of
from chalicelib.api.calls import Call
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import Forbidden, TooLarge
from chalicelib.usecases.connect_links import Admission, Session, Visitor

_FORM_LIMIT = 16 * 1024
_SECURE_COOKIE = "__Host-meetlink"
_LOCAL_COOKIE = "meetlink"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_SESSION_SECONDS = 3600
_PROBE_SECONDS = 600


def audience_for(call: Call, visitor: Visitor) -> Audience:
    """Return the audience of a page of the user `visitor`.

    A page in a frame has no way back: it is within the page that the reader came from.
    """
    workspace = call.services.workspace_store.get(visitor.workspace_id)
    audience = audience_of(call, workspace, _host_languages(call, visitor))
    is_within = is_framed(call) or (isinstance(visitor, Admission) and visitor.opener is not None)
    return audience if is_within else replace(audience, return_to=visitor.return_to)


def _host_languages(call: Call, visitor: Visitor) -> Iterator[str | None]:
    """Yield the user's language as a host. It is read only when it is needed."""
    host = call.services.calendar_store.find_newest_host(visitor.workspace_id, visitor.user_id)
    yield host.language if host else None


def require_session(call: Call) -> Session:
    """Return the browser's session. Raises `Forbidden` if it has none."""
    session = session_or_none(call)
    if session is None:
        raise Forbidden("The browser has no session.", reason="no_session")
    return session


def session_or_none(call: Call) -> Session | None:
    return call.services.connect_links.find_session(session_token(call))


def session_token(call: Call) -> str | None:
    """Return the value of the session's cookie; the session may have ended."""
    return read_cookie(call, _cookie_name(call))


def posted(call: Call) -> tuple[Session, Mapping[str, str]]:
    """Return the session and the submitted form. Raises `Forbidden` for a form that is not from one of its pages."""
    session, form = require_session(call), read_form(call)
    if not session.accepts_csrf(form.get("csrf", "")):
        raise Forbidden("The form is not from a page of this session.", reason="csrf")
    return session, form


def require_same_origin(call: Call) -> None:
    """Raise `Forbidden` for a form of another origin.

    The token is the form's only secret, and the sender of the link knows it. If another site could post it, it could
    put a victim's browser into the sender's session (login CSRF).
    """
    origin, site = call.header("origin"), call.header("sec-fetch-site")
    own = urlsplit(call.base_url)
    if site not in (None, "same-origin") or origin not in (None, f"{own.scheme}://{own.netloc}"):
        raise Forbidden("The form is from another site.", reason="cross_site")


def is_framed(call: Call) -> bool:
    """Return whether the browser shows this page in a frame (Fetch Metadata)."""
    return call.header("sec-fetch-dest") == "iframe"


def cookie(call: Call, token: str, workspace: Workspace | None) -> str:
    """Return the `Set-Cookie` of a session."""
    pair = f"{_cookie_name(call)}={token}"
    if is_framed(call) and workspace is not None and workspace.frame_ancestors:
        return _framed_cookie(pair, _SESSION_SECONDS)
    return lax_cookie(call, pair, _SESSION_SECONDS)


def probe_cookie(call: Call) -> str:
    """Return the `Set-Cookie` of a test cookie: a session in a frame needs a browser that keeps such cookies."""
    return _framed_cookie(f"{_cookie_name(call)}-probe=1", _PROBE_SECONDS)


def has_probe_cookie(call: Call) -> bool:
    return read_cookie(call, f"{_cookie_name(call)}-probe") is not None


def end_cookie(call: Call) -> str:
    """Return the `Set-Cookie` that deletes the session's cookie."""
    pair = f"{_cookie_name(call)}="
    return _framed_cookie(pair, 0) if is_framed(call) else lax_cookie(call, pair, 0)


def lax_cookie(call: Call, pair: str, seconds: int) -> str:
    """Return the `Set-Cookie` of `name=value` that only pages of this site get."""
    secure = "" if is_local(call) else "; Secure"
    return f"{pair}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"


def _framed_cookie(pair: str, seconds: int) -> str:
    """Return the `Set-Cookie` of `name=value` that pages in a frame of the present site get."""
    return f"{pair}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=None; Secure; Partitioned"


def redirect(url: str, headers: dict[str, str] | None = None) -> Response:
    return Response("", {"Location": url, "Content-Type": "text/plain", **(headers or {})}, 303)


def read_form(call: Call) -> Mapping[str, str]:
    """Return the fields of a submitted form. Raises `TooLarge`."""
    if len(call.raw_body) > _FORM_LIMIT:
        raise TooLarge("The form is too large.")
    try:
        return dict(parse_qsl(call.raw_body.decode("ascii"), max_num_fields=50))
    except ValueError:
        return {}


def is_local(call: Call) -> bool:
    """Return whether the deployment is on this machine, where there is no TLS."""
    address = urlsplit(call.base_url)
    return address.scheme == "http" and address.hostname in _LOOPBACK


def _cookie_name(call: Call) -> str:
    return _LOCAL_COOKIE if is_local(call) else _SECURE_COOKIE


def read_cookie(call: Call, name: str) -> str | None:
    """Return the value of a cookie."""
    pairs = (part.strip().partition("=") for part in (call.header("cookie") or "").split(";"))
    return {name: value for name, _, value in pairs}.get(name)
