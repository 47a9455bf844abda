"""Links that open a calendar on the web with a booking filled in. None of their formats is documented officially.

Collected at github.com/InteractionDesignFoundation/add-event-to-calendar-docs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from chalicelib.domain.invitation import Invite
from chalicelib.mail.content_lines import format_utc

GOOGLE_CALENDAR = "Google Calendar"
_GOOGLE = "https://calendar.google.com/calendar/render"
_OUTLOOK = "https://outlook.live.com/calendar/0/deeplink/compose"
_OFFICE = "https://outlook.office.com/calendar/0/deeplink/compose"
_YAHOO = "https://calendar.yahoo.com/"
_LONGEST_TEXT = 100
"""In a web calendar's link. Percent encoding makes text up to twelve times as long, and the email must stay small."""
_LONGEST_FIELD = 500
"""Web calendars limit the length of their links: a longer join link is only in the email."""


def web_calendar_links(invite: Invite, title: str, details: str) -> dict[str, str]:
    """Return the links by the calendars' names."""
    title, place = title[:_LONGEST_TEXT], invite.join_url or (invite.location.detail or "")[:_LONGEST_TEXT]
    starts_at, ends_at = _extended(invite.starts_at), _extended(invite.ends_at)
    first, last = format_utc(invite.starts_at), format_utc(invite.ends_at)
    google = {"action": "TEMPLATE", "text": title, "dates": f"{first}/{last}", "details": details, "location": place}
    outlook = {"path": "/calendar/action/compose", "rru": "addevent", "subject": title}
    outlook |= {"startdt": starts_at, "enddt": ends_at, "body": details, "location": place}
    yahoo = {"v": "60", "title": title, "st": first, "et": last, "desc": details, "in_loc": place}
    outlook_query = _encode(outlook)
    return {
        GOOGLE_CALENDAR: f"{_GOOGLE}?{_encode(google)}",
        "Outlook.com": f"{_OUTLOOK}?{outlook_query}",
        "Outlook 365": f"{_OFFICE}?{outlook_query}",
        "Yahoo": f"{_YAHOO}?{_encode(yahoo)}",
    }


def _extended(moment: datetime) -> str:
    """Return for example `2027-01-05T15:00:00Z`."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")[:19] + "Z"


def _encode(query: dict[str, str]) -> str:
    fields = {name: text for name, text in query.items() if text and len(text) <= _LONGEST_FIELD}
    return urlencode(fields, quote_via=quote)
