"""The texts of emails, by language. To add a language, see `texts`."""

from __future__ import annotations

from chalicelib.mail.wording.de import GERMAN
from chalicelib.mail.wording.en import ENGLISH
from chalicelib.mail.wording.texts import InvitationText, NoticeText, Wording

__all__ = ["CATALOGUES", "ENGLISH", "InvitationText", "NoticeText", "Wording", "in_language"]

CATALOGUES = (ENGLISH, GERMAN)
_LANGUAGES = {wording.language: wording for wording in CATALOGUES}


def in_language(tag: str) -> Wording:
    """Return the texts for a BCP 47 tag (`de-AT` gets `de`), in English if there is no such language."""
    return _LANGUAGES.get(tag.split("-", maxsplit=1)[0].lower(), ENGLISH)
