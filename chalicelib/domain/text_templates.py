"""Titles and descriptions that a calendar writes for its bookings: texts with variables, such as `{{guest.name}}`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

VARIABLES = ("guest.name", "host.name", "calendar.name")
"""A closed list, part of the API."""
# Spaces are removed from the name afterwards: a pattern for them takes minutes with 5,000 spaces.
_VARIABLE = re.compile(r"\{\{([^{}]*)\}\}")
# Google shows the tags of a description as markup. A person's name must not become a link.
_WITHOUT_TAGS = str.maketrans("", "", "<>")


class TextTemplates(Struct, frozen=True, omit_defaults=True):
    """What a booking without a title or description of its own gets. None: nothing."""

    title: str | None = None
    description: str | None = None
    calendar_name: str = ""
    """In a booking: the calendar's name when the booking was created or moved to it."""


NO_TEMPLATES = TextTemplates()


def find_flaw(template: str) -> str | None:
    """Return what is wrong with a template; None if it is valid."""
    allowed = ", ".join(f"{{{{{name}}}}}" for name in VARIABLES)
    for name in map(str.strip, _VARIABLE.findall(template)):
        if name not in VARIABLES:
            return f"The variable {name or 'without a name'} is unknown. Possible: {allowed}."
    rest = _VARIABLE.sub("", template)
    return f"Two braces must enclose a variable. Possible: {allowed}." if "{{" in rest or "}}" in rest else None


def render(template: str, values: Mapping[str, str]) -> str:
    """Return the template with the values of its variables. A value is plain text, and never a template itself."""
    return _VARIABLE.sub(lambda match: values.get(match[1].strip(), "").translate(_WITHOUT_TAGS), template)
