"""What a language must say. Sentences are `str.format` templates; their names in braces are part of the contract."""

from __future__ import annotations

from msgspec import Struct

from chalicelib.domain.invitation import Trouble


class Occasion(Struct, frozen=True):
    """One reason to write: a new, changed or cancelled booking. `{title}`, `{when}`; `{host}` in `to_guest`."""

    label: str
    subject: str
    to_guest: str
    to_host: str


class Letter(Struct, frozen=True):
    """A mail of the service itself. Its names in braces are those that `mail.notices` gives."""

    subject: str
    heading: str
    paragraphs: tuple[str, ...]
    button: str = ""
    footnote: str = ""


class Wording(Struct, frozen=True):
    """One language's words. `weekdays` begin with Monday, `months` with January."""

    language: str
    weekdays: tuple[str, ...]
    short_weekdays: tuple[str, ...]
    months: tuple[str, ...]
    short_months: tuple[str, ...]
    date: str  # {weekday} {day} {month} {year}
    short_time: str  # {date} {clock} {abbreviation}
    same_day: str  # {date} {start} {end} {zone}
    over_days: str  # {date} {start} {end_date} {end} {zone}

    invited: Occasion
    updated: Occasion
    cancelled: Occasion

    untitled: str
    when: str
    where: str
    host: str
    guests: str
    and_more: str  # {count}
    passcode: str
    dial_in: str
    details: str

    video: str
    by_phone: str
    in_person: str
    online: str
    link_follows: str
    no_link_guest: str
    no_link_host: str
    join: str
    join_at: str  # {link}
    link_below_button: str
    reschedule: str
    cancel: str
    change_by_reply: str
    add_to_calendar: str
    entry_file: str
    footer: str  # {service}

    reconnect: Letter  # {provider} {account}
    undelivered: Letter  # {guest} {title} {when} {why}
    delayed: Letter  # {guest} {title} {when}
    no_meeting: Letter  # {title} {when} {advice}
    not_changed: Letter  # {title} {when} {advice}
    not_deleted: Letter  # {title} {when} {advice}
    why: dict[Trouble, str]
