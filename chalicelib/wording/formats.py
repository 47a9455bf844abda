"""How a language writes dates, times of day and cities: data from Unicode's CLDR, which `infra/cldr.py` writes."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.decoding import decode_json

_CLDR = Path(__file__).with_name("cldr")
_PLACELESS = ("Etc/", "posix/", "right/")
TAGS = frozenset(path.stem for path in _CLDR.glob("*.json"))
"""The languages that have texts, and regions with formats of their own, such as `en-US`."""


class Formats(Struct, frozen=True):
    """Templates of `str.format`, and names."""

    weekdays: tuple[str, ...]
    """Monday first."""
    short_weekdays: tuple[str, ...]
    months: tuple[str, ...]
    short_months: tuple[str, ...]
    halves: tuple[str, str]
    """Before and after noon."""
    date: str
    short_date: str
    clock: str
    range: str
    """`{start}`, `{end}`."""
    cities: dict[str, str] = {}
    """By IANA zone, where the name is not the last part of the zone's id."""

    def format_date(self, moment: datetime) -> str:
        """Return for example `Tuesday, 5 January 2027`."""
        return self._fill(self.date, moment)

    def format_short_date(self, moment: datetime) -> str:
        """Return for example `Tue, 5 Jan 2027`."""
        return self._fill(self.short_date, moment)

    def format_clock(self, moment: datetime) -> str:
        """Return for example `16:00` or `4:00 PM`."""
        return self._fill(self.clock, moment)

    def format_range(self, start: datetime, end: datetime) -> str:
        """Return for example `16:00 – 16:30` or `4:00 – 4:30 PM`."""
        template = self.clock
        if (start.hour < 12) == (end.hour < 12):
            template = template.replace("{half}", "").strip()
        return self.range.format(start=self._fill(template, start), end=self._fill(self.clock, end))

    def city(self, zone: str) -> str | None:
        """Return the city that a time zone is named after; None for a zone such as `UTC`."""
        if zone in self.cities:
            return self.cities[zone]
        return zone.rpartition("/")[2].replace("_", " ") if "/" in zone and not zone.startswith(_PLACELESS) else None

    def _fill(self, template: str, moment: datetime) -> str:
        weekday, month = moment.weekday(), moment.month - 1
        return template.format(
            weekday=self.weekdays[weekday],
            short_weekday=self.short_weekdays[weekday],
            day=moment.day,
            month=self.months[month],
            short_month=self.short_months[month],
            month_number=moment.month,
            year=moment.year,
            hour=moment.hour,
            hour_12=moment.hour % 12 or 12,
            minute=moment.minute,
            half=self.halves[moment.hour >= 12],
        )


@cache
def read_formats(tag: str) -> Formats:
    """Read the formats of a language or of one of its regions, which shares the language's cities."""
    formats = decode_json((_CLDR / f"{tag}.json").read_bytes(), Formats)
    language, _, region = tag.partition("-")
    return replace(formats, cities=read_formats(language).cities) if region else formats
