"""`/workspace/brand`: how the workspace's emails and pages look, and who gets emails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalice.app import Response

from chalicelib.api.calls import Call
from chalicelib.api.pages.workspace_shell import (
    go_to,
    member_audience,
    posted_by_member,
    record_action,
    render_workspace_error,
    require_member,
    workspace_page,
)
from chalicelib.api.routing import PageRoutes
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import FieldError, InvalidInput
from chalicelib.usecases.workspace_links import MemberSession

routes = PageRoutes(render_workspace_error)
_BRAND = ("name", "color", "logo_url", "footer")


@routes.get("/workspace/brand")
def show_brand(call: Call) -> Response:
    session = require_member(call)
    return _page(call, session, _values(session.workspace))


@routes.post("/workspace/brand/save")
def save_brand(call: Call) -> Response:
    from chalicelib.handlers.workspace_forms import with_mail_settings

    session, form = posted_by_member(call)
    try:
        workspace = with_mail_settings(session.workspace, _settings(form))
    except InvalidInput as error:
        return _page(call, session, _values(session.workspace) | _entered(form), problem=_wrong_field(error))
    record_action(call, session, "update-workspace")
    call.services.workspace_store.put(workspace)
    return go_to(call, "brand", "saved")


def _settings(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the form as an operator's request. A field that is empty removes its value."""
    minutes = form.get("hold_minutes", "").strip()
    return {
        "brand": {name: form.get(name, "").strip() or None for name in _BRAND},
        # A box that is ticked leaves the choice to calendars, whose default is yes.
        "emails": {name: None if form.get(f"email_{name}") else False for name in ("guests", "host")},
        "language": form.get("language") or None,
        "hold_minutes": int(minutes) if minutes.isascii() and minutes.isdigit() and len(minutes) < 6 else None,
    }


def _values(workspace: Workspace) -> dict[str, Any]:
    """Return what the form shows."""
    brand = {name: getattr(workspace.brand, name) or "" for name in _BRAND}
    return brand | {
        "hold_minutes": str(workspace.hold_minutes),
        "language": workspace.language or "",
        "email_guests": workspace.emails.guests is not False,
        "email_host": workspace.emails.host is not False,
    }


def _entered(form: Mapping[str, str]) -> dict[str, Any]:
    texts = {name: form.get(name, "") for name in (*_BRAND, "hold_minutes", "language")}
    return texts | {name: bool(form.get(name)) for name in ("email_guests", "email_host")}


def _wrong_field(error: InvalidInput) -> str:
    """Return the name of the first field that is wrong."""
    pointers = [flaw.pointer for flaw in error.errors if isinstance(flaw, FieldError)]
    return pointers[0].rpartition("/")[2] if pointers else "other"


def _page(call: Call, session: MemberSession, values: dict[str, Any], *, problem: str | None = None) -> Response:
    from chalicelib.wording import DEFAULT, LANGUAGES, in_language

    texts = member_audience(call, session).wording.workspace_pages.brand
    languages = {tag: in_language(tag).workspace_pages.shell.language_name for tag in LANGUAGES if tag != DEFAULT}
    chosen = values["language"]
    if chosen and chosen not in languages:
        languages[chosen] = chosen  # A region, or English, that the operator chose.
    return workspace_page(
        call,
        session,
        "brand",
        status=400 if problem else 200,
        values=values,
        problem=texts.problems.get(problem, texts.problems["other"]) if problem else None,
        languages=languages,
        sender=session.workspace.brand.sender,
    )
