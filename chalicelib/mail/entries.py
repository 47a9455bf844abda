"""Links that put a booking into a web calendar, for those whose mail program ignores invitations."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from chalicelib.domain.invitation import Invite

_GOOGLE = "https://calendar.google.com/calendar/render"
_OUTLOOK = "https://outlook.live.com/calendar/0/deeplink/compose"
_LONGEST = 100
"""Percent signs make text up to twelve times as long, and the mail has to stay small."""
_LONGEST_FIELD = 500
"""Calendars take no endless addresses: a link longer than this stands in the mail alone."""


def google(invite: Invite, title: str, details: str) -> str:
    """The address that opens Google Calendar with the booking filled in."""
    times = "/".join(_iso(moment).replace("-", "").replace(":", "") for moment in (invite.starts_at, invite.ends_at))
    query = {"action": "TEMPLATE", "text": title[:_LONGEST], "dates": times}
    return _address(_GOOGLE, query | {"details": details, "location": _place(invite)})


def outlook(invite: Invite, title: str, details: str) -> str:
    """The address that opens Outlook on the web with the booking filled in."""
    query = {"path": "/calendar/action/compose", "rru": "addevent", "subject": title[:_LONGEST]}
    times = {"startdt": _iso(invite.starts_at), "enddt": _iso(invite.ends_at)}
    return _address(_OUTLOOK, query | times | {"body": details, "location": _place(invite)})


def _place(invite: Invite) -> str:
    return invite.join_url or (invite.location.detail or "")[:_LONGEST]


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def _address(page: str, query: dict[str, str]) -> str:
    known = {name: text for name, text in query.items() if text and len(text) <= _LONGEST_FIELD}
    return f"{page}?{urlencode(known, quote_via=quote)}"
