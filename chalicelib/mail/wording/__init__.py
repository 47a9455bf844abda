"""Everything that mails say, by language. A further language is one file beside `en.py` and one line here."""

from __future__ import annotations

from chalicelib.mail.wording.de import GERMAN
from chalicelib.mail.wording.en import ENGLISH
from chalicelib.mail.wording.texts import Letter, Occasion, Wording

__all__ = ["CATALOGUES", "ENGLISH", "Letter", "Occasion", "Wording", "in_language"]

CATALOGUES = (ENGLISH, GERMAN)
_LANGUAGES = {words.language: words for words in CATALOGUES}


def in_language(tag: str) -> Wording:
    """The words for a BCP 47 tag (`de-AT` is served by `de`); English for a language that is not there."""
    return _LANGUAGES.get(tag.split("-", maxsplit=1)[0].lower(), ENGLISH)
