"""What the join page says, by language. Dates are those of the mails; each language of the mails is here as well."""

from __future__ import annotations

import re

from msgspec import Struct

from chalicelib.mail.wording import Wording, in_language
from chalicelib.usecases.join_links import NoEntry


class DoorWords(Struct, frozen=True):
    """One language's words. The names in braces are part of the contract."""

    untitled: str
    when: str
    host: str
    early: str
    opens: str  # {clock} {date}
    look_again: str
    wait_title: str
    wait: str
    crowded: str
    try_again: str
    no_entry: dict[NoEntry, str]
    refused: str
    unknown: str
    uninvited: str


_ENGLISH = DoorWords(
    untitled="Video meeting",
    when="When",
    host="With",
    early="You are early.",
    opens="You can join from {clock} on {date}. Keep this page open and we'll let you in automatically.",
    look_again="Check again now",
    wait_title="One moment, please",
    wait="The meeting cannot be opened right now. This page tries again automatically.",
    crowded="Many people are joining right now. This page tries again in a few seconds.",
    try_again="Try again now",
    no_entry={
        NoEntry.CANCELLED: "This meeting was cancelled.",
        NoEntry.OVER: "This meeting is over.",
        NoEntry.NOT_VIDEO: "This meeting is not held by video any more. Look for the newest invitation.",
        NoEntry.NOT_MADE: "The video meeting could not be made. Please ask the host.",
        NoEntry.NOT_CONNECTED: "The host's video account is not connected any more. Please ask the host.",
        NoEntry.REMOVED: "This meeting was removed at its provider. Please ask the host.",
        NoEntry.REFUSED: "The host's video account does not let anyone in. Please ask the host.",
    },
    refused="This link does not open a meeting",
    unknown="The link is incomplete or was replaced. Open it from your newest invitation. "
    "If that does not help, ask the host for a new one.",
    uninvited="You are no longer invited to this meeting. If you should be, ask the host for a new invitation.",
)
_GERMAN = DoorWords(
    untitled="Videokonferenz",
    when="Wann",
    host="Mit",
    early="Sie sind früh dran.",
    opens="Sie können am {date} ab {clock} Uhr teilnehmen. "
    "Lassen Sie diese Seite offen, dann kommen Sie automatisch hinein.",
    look_again="Jetzt noch einmal prüfen",
    wait_title="Einen Moment bitte",
    wait="Die Besprechung lässt sich gerade nicht öffnen. Diese Seite versucht es automatisch noch einmal.",
    crowded="Gerade nehmen viele Personen teil. Diese Seite versucht es in einigen Sekunden noch einmal.",
    try_again="Jetzt noch einmal versuchen",
    no_entry={
        NoEntry.CANCELLED: "Dieser Termin wurde abgesagt.",
        NoEntry.OVER: "Dieser Termin ist vorbei.",
        NoEntry.NOT_VIDEO: "Dieser Termin findet nicht mehr per Video statt. "
        "Sehen Sie in Ihrer neuesten Einladung nach.",
        NoEntry.NOT_MADE: "Die Videokonferenz konnte nicht erstellt werden. Bitte fragen Sie Ihren Gastgeber.",
        NoEntry.NOT_CONNECTED: "Das Videokonto Ihres Gastgebers ist nicht mehr verbunden. "
        "Bitte fragen Sie Ihren Gastgeber.",
        NoEntry.REMOVED: "Diese Besprechung wurde beim Videoanbieter gelöscht. Bitte fragen Sie Ihren Gastgeber.",
        NoEntry.REFUSED: "Das Videokonto Ihres Gastgebers lässt niemanden hinein. Bitte fragen Sie Ihren Gastgeber.",
    },
    refused="Dieser Link öffnet keine Besprechung",
    unknown="Der Link ist unvollständig oder wurde ersetzt. Öffnen Sie ihn aus Ihrer neuesten Einladung. "
    "Wenn das nicht hilft, bitten Sie Ihren Gastgeber um einen neuen.",
    uninvited="Sie sind zu dieser Besprechung nicht mehr eingeladen. "
    "Falls Sie eingeladen sein sollten, bitten Sie Ihren Gastgeber um eine neue Einladung.",
)
_LANGUAGES = {"en": _ENGLISH, "de": _GERMAN}
_MOST_RANGES = 20
_RANGE = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?")


def door_words(tag: str) -> tuple[DoorWords, Wording]:
    """Return the page's words and the words of its dates, for a BCP 47 tag."""
    dates = in_language(tag)
    return _LANGUAGES[dates.language], dates


def browser_language(accept_language: str | None) -> str:
    """Return the language of these pages that a browser prefers (RFC 9110, 12.5.4); English if it wants none of them.

    For visitors whose own language is not known.
    """
    found = (_RANGE.fullmatch(part) for part in (accept_language or "").split(",")[:_MOST_RANGES])
    ranges = [(one[1].lower(), float(one[2] or 1)) for one in found if one]
    wanted = [tag for tag, weight in sorted(ranges, key=lambda one: -one[1]) if weight]
    return next((tag for tag in wanted if tag in _LANGUAGES), "en")
