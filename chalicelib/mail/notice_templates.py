"""Mails of the service itself, in words."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from chalicelib.domain.booking import Booking
from chalicelib.domain.invitation import DEFAULT_LANGUAGE, Trouble
from chalicelib.domain.meeting import Meeting
from chalicelib.domain.plain_text import clean_line
from chalicelib.mail.addresses import shown_address
from chalicelib.mail.times import start_in_short
from chalicelib.mail.wording import Letter, Wording, in_language

if TYPE_CHECKING:
    from jinja2 import Environment

Notice = tuple[str, str, str]
"""Subject, plain text, HTML."""

_TITLE, _ADDRESS = 120, 320


def reconnect(provider: str, account: str, url: str, language: str) -> Notice:
    """An account's access was lost; `url` is a connect link for the reader."""
    words = in_language(language)
    return _notice(words, words.reconnect, url, provider=provider, account=account)


def undelivered(booking: Booking, email: str, trouble: Trouble) -> Notice:
    """For the host: a mail of `booking` to the address `email` is late, or lost."""
    words = in_language(booking.host.language or DEFAULT_LANGUAGE)
    appointment = booking.appointment
    return _notice(
        words,
        words.delayed if trouble is Trouble.DELAYED else words.undelivered,
        guest=clean_line(shown_address(email), _ADDRESS),
        title=clean_line(appointment.title, _TITLE) or words.untitled,
        when=start_in_short(appointment.starts_at, booking.host.time_zone or appointment.time_zone, words),
        why=words.why.get(trouble, ""),
    )


def meeting_failed(booking: Booking, meeting: Meeting) -> Notice:
    """For the host: what could not be done about the `booking`'s meeting, why, and what to do."""
    words = in_language(booking.host.language or DEFAULT_LANGUAGE)
    appointment = booking.appointment
    letter = words.no_meeting
    if meeting.exists:
        letter = words.not_changed if booking.wants_video else words.not_deleted
    return _notice(
        words,
        letter,
        title=clean_line(appointment.title, _TITLE) or words.untitled,
        when=start_in_short(appointment.starts_at, booking.host.time_zone or appointment.time_zone, words),
        advice=meeting.detail or "",
    )


def _notice(words: Wording, letter: Letter, url: str | None = None, **known: str) -> Notice:
    said = {
        "language": words.language,
        "subject": letter.subject.format(**known),
        "heading": letter.heading.format(**known),
        "paragraphs": [paragraph.format(**known) for paragraph in letter.paragraphs],
        "button": letter.button.format(**known),
        "footnote": letter.footnote.format(**known),
        "url": url,
    }
    text = _templates().get_template("notice.txt").render(said)
    html = _templates().get_template("notice.html").render(said)
    return str(said["subject"]), text, html


@cache
def _templates() -> Environment:
    from chalicelib.mail.message import templates

    return templates()
