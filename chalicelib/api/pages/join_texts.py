"""What the join page says, by language. Dates are those of the mails; each language of the mails is here as well."""

from __future__ import annotations

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
        NoEntry.REFUSED: "The host's video account does not let anybody in. Please ask the host.",
    },
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
)
_LANGUAGES = {"en": _ENGLISH, "de": _GERMAN}


def door_words(tag: str) -> tuple[DoorWords, Wording]:
    """Return the page's words and the words of its dates, for a BCP 47 tag."""
    dates = in_language(tag)
    return _LANGUAGES[dates.language], dates
