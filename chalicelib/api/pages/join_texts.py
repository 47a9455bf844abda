"""Texts of the join page by language. Every language of the emails is here; dates are formatted as in the emails."""

from __future__ import annotations

import re

from msgspec import Struct

from chalicelib.mail.wording import Wording, in_language
from chalicelib.usecases.join_links import NoEntry


class JoinTexts(Struct, frozen=True):
    """The texts in one language. The names in braces must occur in the text."""

    untitled: str
    when: str
    host: str
    early: str
    opens: str  # {clock} {date}
    look_again: str
    unready_title: str
    unready: str
    crowded: str
    try_again: str
    no_entry: dict[NoEntry, str]
    refused: str
    unknown: str
    uninvited: str


_ENGLISH = JoinTexts(
    untitled="Video meeting",
    when="When",
    host="With",
    early="You are early.",
    opens="You can join from {clock} on {date}. Keep this page open and we'll let you in automatically.",
    look_again="Check again now",
    unready_title="One moment, please",
    unready="The meeting cannot be opened right now. This page tries again automatically.",
    crowded="Many people are joining right now. This page tries again in a few seconds.",
    try_again="Try again now",
    no_entry={
        NoEntry.CANCELLED: "This meeting was cancelled.",
        NoEntry.OVER: "This meeting is over.",
        NoEntry.NOT_VIDEO: "This meeting is no longer held by video. See your newest invitation.",
        NoEntry.NOT_MADE: "The video meeting could not be created. Please ask the host.",
        NoEntry.NOT_CONNECTED: "The host's video account is no longer connected. Please ask the host.",
        NoEntry.REMOVED: "This meeting was deleted at the video provider. Please ask the host.",
        NoEntry.REFUSED: "The host's video account does not let anyone in. Please ask the host.",
    },
    refused="This link does not open a meeting",
    unknown="The link is incomplete or was replaced. Open it from your newest invitation. "
    "If that does not help, ask the host for a new one.",
    uninvited="You are no longer invited to this meeting. If you should be, ask the host for a new invitation.",
)
_GERMAN = JoinTexts(
    untitled="Videokonferenz",
    when="Wann",
    host="Mit",
    early="Sie sind früh dran.",
    opens="Sie können am {date} ab {clock} Uhr teilnehmen. "
    "Lassen Sie diese Seite offen, dann kommen Sie automatisch hinein.",
    look_again="Jetzt noch einmal prüfen",
    unready_title="Einen Moment bitte",
    unready="Die Besprechung lässt sich gerade nicht öffnen. Diese Seite versucht es automatisch noch einmal.",
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
_MAX_RANGES = 20
_RANGE = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q\s*=\s*([01](?:\.[0-9]{0,3})?)\s*)?")


def join_texts(tag: str) -> tuple[JoinTexts, Wording]:
    """Return the page's texts and the wording of its dates, for a BCP 47 tag."""
    dates = in_language(tag)
    return _LANGUAGES[dates.language], dates


def browser_language(accept_language: str | None) -> str:
    """Return the language of these pages that a browser prefers (RFC 9110, 12.5.4), else English.

    For visitors whose own language is unknown.
    """
    matches = (_RANGE.fullmatch(part) for part in (accept_language or "").split(",")[:_MAX_RANGES])
    ranges = [(match[1].lower(), float(match[2] or 1)) for match in matches if match]
    languages = [tag for tag, weight in sorted(ranges, key=lambda item: -item[1]) if weight]
    return next((tag for tag in languages if tag in _LANGUAGES), "en")
