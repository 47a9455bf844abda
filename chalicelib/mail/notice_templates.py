"""Write notices: emails about a connection, an undelivered email or a failed meeting."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import DEFAULT_LANGUAGE, Trouble
from chalicelib.domain.meeting import Meeting
from chalicelib.domain.plain_text import clean_line
from chalicelib.mail.addresses import shown_address
from chalicelib.mail.times import format_start
from chalicelib.wording import Wording, in_language
from chalicelib.wording.catalogue import NoticeText

if TYPE_CHECKING:
    from jinja2 import Environment

Notice = tuple[str, str, str]
"""Subject, plain text, HTML."""

_TITLE_LENGTH, _ADDRESS_LENGTH = 120, 320


def write_reconnect_notice(provider: str, account: str, url: str, language: str) -> Notice:
    """Write that `provider` no longer accepts the account's grant. `url` is a connect link for the recipient."""
    wording = in_language(language)
    return _fill(wording, wording.reconnect, url, provider=provider, account=account)


def write_undelivered_notice(booking: Booking, email: str, trouble: Trouble) -> Notice:
    """Write to the host that an email about `booking` to the address `email` is delayed or lost."""
    wording = _host_wording(booking)
    text = wording.delayed if trouble is Trouble.DELAYED else wording.undelivered
    guest = clean_line(shown_address(email), _ADDRESS_LENGTH)
    return _fill(
        wording, text, guest=guest, why=wording.trouble_reasons.get(trouble, ""), **_appointment(booking, wording)
    )


def write_failed_meeting_notice(booking: Booking, meeting: Meeting) -> Notice:
    """Write to the host what could not be done about the booking's meeting, why, and what to do."""
    wording = _host_wording(booking)
    text = wording.no_meeting
    if meeting.exists:
        text = wording.not_changed if booking.wants_video else wording.not_deleted
    return _fill(wording, text, advice=wording.explain(meeting), **_appointment(booking, wording))


def _host_wording(booking: Booking) -> Wording:
    return in_language(booking.host.language or DEFAULT_LANGUAGE)


def _appointment(booking: Booking, wording: Wording) -> dict[str, str]:
    """Return the title and the start of a booking, for its host."""
    appointment = booking.appointment
    return {
        "title": clean_line(appointment.title, _TITLE_LENGTH) or wording.untitled,
        "when": format_start(appointment.starts_at, booking.host.time_zone or appointment.time_zone, wording),
    }


def _fill(wording: Wording, text: NoticeText, url: str | None = None, **values: str) -> Notice:
    """Fill the text's placeholders and render it."""
    subject = text.subject.format(**values)
    page = {
        "language": wording.language,
        "subject": subject,
        "heading": text.heading.format(**values),
        "paragraphs": [paragraph.format(**values) for paragraph in text.paragraphs],
        "button": text.button.format(**values),
        "footnote": text.footnote.format(**values),
        "url": url,
    }
    plain = _templates().get_template("notice.txt").render(page)
    html = _templates().get_template("notice.html").render(page)
    return subject, plain, html


@cache
def _templates() -> Environment:
    from chalicelib.mail.message import templates

    return templates()
