"""What the workspace's own pages share: the member's session, its cookie and forms, the frame of a page, errors.

A page is a module with `routes = PageRoutes(render_workspace_error)`, a template that extends `workspace/base.html`,
and its name in `NAVIGATION`. A view begins with `require_member` or, for a form, with `posted_by_member`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from chalice.app import Response

from chalicelib.api import html
from chalicelib.api.audience import Audience, audience_of, browser_language
from chalicelib.api.calls import Call
from chalicelib.api.pages.session import is_local, lax_cookie, read_cookie, read_form, redirect
from chalicelib.api.pagination import PageQuery, encode_cursor
from chalicelib.api.problems import ProblemDetails
from chalicelib.domain.members import member_digest
from chalicelib.domain.workspace import MemberRole
from chalicelib.errors import Forbidden, StoreError
from chalicelib.observability import log
from chalicelib.usecases.workspace_links import SESSION_LIFE, MemberSession

if TYPE_CHECKING:
    from chalicelib.wording import Wording

NAVIGATION = ("bookings", "overview", "people", "webhooks", "calendars", "brand", "members", "keys", "audit")
"""The pages in order, by the last part of their address."""
MEMBER_PREFIX = "member#"
"""Before the digest of a member's address, as the caller of an action in the audit log."""
_SECURE_COOKIE = "__Host-meetlink-workspace"
_LOCAL_COOKIE = "meetlink-workspace"
_SIGN_IN_REASONS = frozenset({"no_session", "link_expired"})
"""Errors after which a person can only sign in."""


def require_member(call: Call) -> MemberSession:
    """Return the browser's session. Raises `Forbidden` if it has none, or if the member was removed."""
    session = member_or_none(call)
    if session is None:
        raise Forbidden("The browser has no session.", reason="no_session")
    return session


def member_or_none(call: Call) -> MemberSession | None:
    return call.services.workspace_links.find_session(read_cookie(call, _cookie_name(call)))


def posted_by_member(call: Call, role: MemberRole = MemberRole.ADMIN) -> tuple[MemberSession, Mapping[str, str]]:
    """Return the session and the submitted form.

    Raises `Forbidden` for a form that is not from one of its pages, and for members who may not do this.
    """
    session, form = require_member(call), read_form(call)
    if not session.accepts_csrf(form.get("csrf", "")):
        raise Forbidden("The form is not from a page of this session.", reason="csrf")
    if role is MemberRole.ADMIN and not session.is_admin:
        raise Forbidden("The member is not an administrator.", reason="not_admin")
    return session, form


def record_action(call: Call, session: MemberSession, verb: str, *, key_id: str | None = None) -> None:
    """Record an administrative action before it is carried out. The member is recorded as a digest of the address.

    `key_id` is the API key that the action creates or revokes.
    """
    caller = f"{MEMBER_PREFIX}{member_digest(session.email)}"
    call.services.audit.record(
        verb, session.workspace.workspace_id, caller=caller, key_id=key_id, link_key_id=session.key_id
    )


def workspace_page(
    call: Call, session: MemberSession, name: str, *, status: int = 200, template: str | None = None, **values: Any
) -> Response:
    """Render a page within the frame. `name` is its name in `NAVIGATION`, and its template's unless that is given."""
    audience = member_audience(call, session)
    return html.page(
        call,
        template or f"workspace/{name}.html",
        audience,
        status=status,
        session=session,
        csrf=session.csrf,
        current=name,
        navigation=NAVIGATION,
        notice=call.query("notice"),
        **values,
    )


def member_audience(call: Call, session: MemberSession) -> Audience:
    return audience_of(call, session.workspace)


def list_start(call: Call) -> str | None:
    """Return the key that the page of a list starts after; None: the list's first page."""
    return PageQuery(cursor=call.query("cursor")).after


def list_page_links(call: Call, following: str | None, filters: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the values of `paging`: the queries of a list's next page and, on a later page, of its first one.

    `following` is the key that the next page starts after; None: there is none.
    """
    chosen = {name: value for name, value in (filters or {}).items() if value}
    first = f"?{urlencode(chosen)}" if chosen else ""
    more = urlencode(chosen | {"cursor": encode_cursor(following) or ""}) if following else None
    return {"first": None if list_start(call) is None else first, "more": more}


def show_utc(moment: datetime, wording: Wording) -> str:
    """Format a time that has no other zone than UTC."""
    from chalicelib.mail.times import format_start

    return format_start(moment, "UTC", wording)


def go_to(call: Call, path: str, notice: str | None = None) -> Response:
    """Redirect to a page below `/workspace`. The page shows the text of `notice`."""
    query = f"?notice={notice}" if notice else ""
    return redirect(f"{call.base_url}/workspace/{path}{query}")


def render_workspace_error(call: Call, problem: ProblemDetails) -> Response:
    """Return a page that says what went wrong, with the form to sign in or the way back to the first page."""
    session = _session_despite(call, problem)
    audience = member_audience(call, session) if session else audience_of(call)
    texts = audience.wording.workspace_pages.shell
    others = audience.wording.pages.errors
    detail = texts.errors.get(problem.reason) or others.get(problem.reason, others["other"])
    if session is None or problem.reason in _SIGN_IN_REASONS:
        return sign_in_page(call, problem=detail, status=problem.status)
    return html.page(
        call,
        "workspace/error.html",
        audience,
        status=problem.status,
        session=session,
        csrf=session.csrf,
        current=None,
        navigation=NAVIGATION,
        detail=detail,
    )


def sign_in_page(call: Call, *, problem: str | None = None, notice: str | None = None, status: int = 200) -> Response:
    """Render the form that asks for an address."""
    return html.page(call, "workspace/sign_in.html", audience_of(call), status=status, problem=problem, notice=notice)


def browser_tag(call: Call) -> str | None:
    """Return the browser's language, as one of our tags."""
    return browser_language(call.header("accept-language"))


def member_cookie(call: Call, token: str) -> str:
    """Return the `Set-Cookie` of a session. These pages are never framed."""
    return _set_cookie(call, token, int(SESSION_LIFE.total_seconds()))


def end_member_cookie(call: Call) -> str:
    """Return the `Set-Cookie` that deletes the session's cookie."""
    return _set_cookie(call, "", 0)


def _set_cookie(call: Call, value: str, seconds: int) -> str:
    return lax_cookie(call, f"{_cookie_name(call)}={value}", seconds)


def _cookie_name(call: Call) -> str:
    return _LOCAL_COOKIE if is_local(call) else _SECURE_COOKIE


def _session_despite(call: Call, problem: ProblemDetails) -> MemberSession | None:
    """Return the session, if it can be read in spite of the error."""
    try:
        return member_or_none(call) if problem.status < 500 else None
    except StoreError as error:
        log.warning("an error page without its workspace", error=type(error).__name__)
        return None
