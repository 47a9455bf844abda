"""The texts that every language provides.

To add a language, copy `en.py`, translate its values, and add the copy to `CATALOGUES` in `__init__.py`.

Texts are `str.format` templates. Keep the placeholders in braces that a field's docstring names; you may reorder them.
Address people politely (in German: "Sie"), and write short sentences.
"""

from __future__ import annotations

from msgspec import Struct

from chalicelib.domain.invitation import Trouble


class InvitationText(Struct, frozen=True):
    """The texts of one kind of invitation email: a new, changed or cancelled booking."""

    label: str
    """The kind in one word, above the title."""
    subject: str
    """`{title}`, `{when}`: the booking's title and start."""
    to_guest: str
    """The first sentence for a guest. `{host}`: the host's name."""
    to_host: str
    """The first sentence for the host."""


class NoticeText(Struct, frozen=True):
    """The texts of one notice. The placeholders are the same in all fields; `Wording` names them for each notice."""

    subject: str
    heading: str
    paragraphs: tuple[str, ...]
    button: str = ""
    """The button's label, if the notice has a link."""
    footnote: str = ""
    """A small line below the button."""


class Wording(Struct, frozen=True):
    """All texts of one language."""

    language: str
    """The language's subtag, such as `en` (BCP 47)."""
    weekdays: tuple[str, ...]
    """Monday first."""
    short_weekdays: tuple[str, ...]
    """Monday first."""
    months: tuple[str, ...]
    """January first."""
    short_months: tuple[str, ...]
    """January first."""
    date: str
    """`{weekday}`, `{day}`, `{month}`, `{year}`."""
    short_time: str
    """A start in a subject. `{date}`, `{clock}`, `{abbreviation}`: the time zone, such as CET."""
    same_day: str
    """Start and end on one day. `{date}`, `{start}`, `{end}`, `{zone}`."""
    over_days: str
    """Start and end on different days. `{date}`, `{start}`, `{end_date}`, `{end}`, `{zone}`."""

    invited: InvitationText
    updated: InvitationText
    cancelled: InvitationText

    untitled: str
    """The title of a booking without one."""
    when: str
    """Label of the time."""
    where: str
    """Label of the place."""
    host: str
    """Label of the host, in a guest's email."""
    guests: str
    """Label of the guests."""
    and_more: str
    """The last line of a long list of guests. `{count}`: the number of guests that are not listed."""
    passcode: str
    """Label of the passcode."""
    dial_in: str
    """Label of the phone numbers."""
    details: str
    """Label of the booking's description."""

    video: str
    """The place: a video meeting."""
    by_phone: str
    """The place: a phone call."""
    in_person: str
    """The place: in person, without an address."""
    online: str
    """The place: a web page of the caller's."""
    link_follows: str
    """The place: a video meeting that has no link yet."""
    no_link_guest: str
    """The place, for a guest: a video meeting, but its link could not be created."""
    no_link_host: str
    """The place, for the host: a video meeting, but its link could not be created."""
    join: str
    """Label of the button that opens the meeting."""
    join_at: str
    """The first line of a calendar entry. `{link}`."""
    link_below_button: str
    """Introduces the link as text, for email programs that do not show the button."""
    reschedule: str
    """Label of the link to reschedule."""
    cancel: str
    """Label of the link to cancel."""
    change_by_reply: str
    """For a guest without these links: how to reschedule or cancel."""
    add_to_calendar: str
    """Introduces links to web calendars: Google Calendar, Outlook.com, then `entry_file`."""
    entry_file: str
    """The last item after `add_to_calendar`: the attached file invite.ics."""
    footer: str
    """`{service}`: the name of the workspace's brand or of the service."""

    reconnect: NoticeText
    """An account must be connected again. `{provider}`, `{account}`."""
    undelivered: NoticeText
    """An email to a guest was not delivered. `{guest}`, `{title}`, `{when}`, `{why}`: one of `trouble_reasons`."""
    delayed: NoticeText
    """An email to a guest is delayed. `{guest}`, `{title}`, `{when}`."""
    no_meeting: NoticeText
    """A meeting could not be created. `{title}`, `{when}`, `{advice}`: what the host can do."""
    not_changed: NoticeText
    """A meeting could not be changed. `{title}`, `{when}`, `{advice}`."""
    not_deleted: NoticeText
    """A meeting could not be deleted. `{title}`, `{when}`, `{advice}`."""
    trouble_reasons: dict[Trouble, str]
    """Why an email was not delivered, in a sentence or two."""
