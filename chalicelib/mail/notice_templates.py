"""Write notices: emails about a connection, an undelivered email or a failed meeting."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import DEFAULT_LANGUAGE, Party, Trouble
from chalicelib.domain.meeting import Meeting
from chalicelib.domain.plain_text import clean_line
from chalicelib.domain.workspace import PLAIN, Workspace
from chalicelib.mail.addresses import shown_address
from chalicelib.mail.content import Look, look_of
from chalicelib.mail.sanitize import clean_brand
from chalicelib.mail.times import format_start
from chalicelib.wording import Wording, in_language
from chalicelib.wording.catalogue import NoticeText

if TYPE_CHECKING:
    from jinja2 import Environment

Notice = tuple[str, str, str]
"""Subject, plain text, HTML."""

_TITLE_LENGTH, _ADDRESS_LENGTH = 120, 320


class Letterhead(Struct, frozen=True):
    """Which product sends a notice, and for which workspace."""

    service: str
    workspace: Workspace | None = None


def write_reconnect_notice(
    provider: str, account: str, url: str, language: str | None, letterhead: Letterhead
) -> Notice:
    """Write that `provider` no longer accepts the account's grant. `url` is a connect link for the recipient."""
    wording = _wording(language, letterhead)
    return _fill(wording, wording.reconnect, letterhead, url, provider=provider, account=account)


def write_undelivered_notice(booking: Booking, email: str, trouble: Trouble, letterhead: Letterhead) -> Notice:
    """Write to the host that an email about `booking` to the address `email` is delayed or lost."""
    wording = _wording(booking.host.language, letterhead)
    text = wording.delayed if trouble is Trouble.DELAYED else wording.undelivered
    guest, why = clean_line(shown_address(email), _ADDRESS_LENGTH), wording.trouble_reasons.get(trouble, "")
    return _fill(wording, text, letterhead, guest=guest, why=why, **_appointment(booking, wording))


def write_failed_meeting_notice(booking: Booking, meeting: Meeting, letterhead: Letterhead) -> Notice:
    """Write to the host what could not be done about the booking's meeting, why, and what to do."""
    wording = _wording(booking.host.language, letterhead)
    text = wording.no_meeting
    if meeting.exists:
        text = wording.not_changed if booking.wants_video else wording.not_deleted
    return _fill(wording, text, letterhead, advice=wording.explain(meeting), **_appointment(booking, wording))


def write_declined_notice(booking: Booking, guest: Party, letterhead: Letterhead) -> Notice:
    """Write to the host that a guest will not come."""
    wording = _wording(booking.host.language, letterhead)
    return _fill(wording, wording.declined, letterhead, guest=_name(guest), **_appointment(booking, wording))


def write_proposed_notice(booking: Booking, guest: Party, starts_at: datetime, letterhead: Letterhead) -> Notice:
    """Write to the host that a guest proposes another start."""
    wording = _wording(booking.host.language, letterhead)
    proposed = format_start(starts_at, _host_zone(booking), wording)
    values = _appointment(booking, wording) | {"guest": _name(guest), "proposed": proposed}
    return _fill(wording, wording.proposed, letterhead, **values)


def _name(guest: Party) -> str:
    return clean_line(guest.name, _TITLE_LENGTH) or clean_line(shown_address(guest.email), _ADDRESS_LENGTH)


def _host_zone(booking: Booking) -> str:
    return booking.host.time_zone or booking.appointment.time_zone


def write_sign_in_notice(url: str, language: str | None, letterhead: Letterhead) -> Notice:
    """Write the link `url` to a member of one workspace, the letterhead's, or of several."""
    wording = _wording(language, letterhead)
    name = _look(letterhead.workspace).name or letterhead.service
    return _fill(wording, wording.sign_in, letterhead, url, workspace=name)


def write_connect_notice(url: str, language: str | None, letterhead: Letterhead) -> Notice:
    """Write the connect link `url` to a host of the letterhead's workspace."""
    wording = _wording(language, letterhead)
    name = _look(letterhead.workspace).name or letterhead.service
    return _fill(wording, wording.connect, letterhead, url, workspace=name)


def _wording(language: str | None, letterhead: Letterhead) -> Wording:
    """Return the texts in the recipient's language, else in the workspace's."""
    workspace = letterhead.workspace
    return in_language(language or (workspace and workspace.language) or DEFAULT_LANGUAGE)


def _appointment(booking: Booking, wording: Wording) -> dict[str, str]:
    """Return the title and the start of a booking, for its host."""
    appointment = booking.appointment
    return {
        "title": clean_line(appointment.title, _TITLE_LENGTH) or wording.untitled,
        "when": format_start(appointment.starts_at, _host_zone(booking), wording),
    }


def _fill(wording: Wording, text: NoticeText, letterhead: Letterhead, url: str | None = None, **values: str) -> Notice:
    """Fill the text's placeholders and render it."""
    subject = text.subject.format(**values)
    page = {
        "language": wording.language,
        "subject": subject,
        "heading": text.heading.format(**values),
        "paragraphs": [paragraph.format(**values).strip() for paragraph in text.paragraphs],
        "button": text.button.format(**values),
        "footnote": text.footnote.format(**values),
        "url": url,
        "footer": _footer(wording, letterhead),
        "look": _look(letterhead.workspace),
    }
    plain = _templates().get_template("notice.txt").render(page)
    html = _templates().get_template("notice.html").render(page)
    return subject, plain, html


def _look(workspace: Workspace | None) -> Look:
    if workspace is None:
        return look_of(PLAIN)
    brand = clean_brand(workspace.brand)
    return look_of(replace(brand, name=brand.name or clean_line(workspace.name, _TITLE_LENGTH)))


def _footer(wording: Wording, letterhead: Letterhead) -> str:
    name = _look(letterhead.workspace).name
    if name is None or name == letterhead.service:
        return wording.footer.format(service=letterhead.service)
    return wording.sent_for.format(service=letterhead.service, workspace=name)


@cache
def _templates() -> Environment:
    from chalicelib.mail.message import templates

    return templates()
