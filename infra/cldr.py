"""Write the dates, clocks and names of cities of each language from Unicode's CLDR: `python -m infra.cldr`.

Babel contains the CLDR and is a dependency of development only. What this writes is committed and ships.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from babel import Locale
from babel.core import get_global

WORDING = Path(__file__).parents[1] / "chalicelib" / "wording"
SOURCES = {"en": "en_150"}
"""Where the formats of a language are those of a region: English outside the US is as in Europe, with 24 hours."""
VARIANTS = ("en-US",)
"""Regions whose formats differ from those of their language."""
_FIELDS = {
    "EEEE": "{weekday}",
    "EEE": "{short_weekday}",
    "E": "{short_weekday}",
    "d": "{day}",
    "MMMM": "{month}",
    "MMM": "{short_month}",
    "M": "{month_number}",
    "y": "{year}",
    "HH": "{hour:02}",
    "H": "{hour}",
    "h": "{hour_12}",
    "mm": "{minute:02}",
    "a": "{half}",
}
_NO_CITY = re.compile(r"Etc/.*|[A-Z]{3}|[A-Z]{3}\d[A-Z]{3}|GMT.*|Factory|Zulu|Universal|Greenwich|localtime|posix.*")


def languages() -> list[str]:
    """Return the languages that have texts, and the variants of their formats."""
    modules = {path.stem for path in WORDING.glob("??.py")}
    return sorted(modules | {tag for tag in VARIANTS if tag.split("-")[0] in modules})


def formats(tag: str) -> dict[str, Any]:
    """Return a language's formats, as `chalicelib.wording.formats` reads them."""
    locale = Locale.parse(SOURCES.get(tag, tag.replace("-", "_")))
    days, months, halves = locale.days["format"], locale.months["format"], locale.day_periods["format"]["abbreviated"]
    found: dict[str, Any] = {
        "weekdays": [days["wide"][day] for day in range(7)],
        "short_weekdays": [days["abbreviated"][day] for day in range(7)],
        "months": [months["wide"][month] for month in range(1, 13)],
        "short_months": [months["abbreviated"][month] for month in range(1, 13)],
        "halves": [halves["am"], halves["pm"]],
        "date": _template(locale.date_formats["full"].pattern),
        "short_date": _template(locale.datetime_skeletons["yMMMEd"].pattern),
        "clock": _template(locale.time_formats["short"].pattern),
        "range": _spaces(locale.interval_formats[None]).replace("{0}", "{start}").replace("{1}", "{end}"),
    }
    return found if tag in VARIANTS else found | {"cities": cities(locale)}


def cities(locale: Locale) -> dict[str, str]:
    """Return the cities of time zones, where the name is not the last part of the zone's id."""
    aliases, names = get_global("zone_aliases"), locale.time_zones
    found = {}
    for zone in sorted(available_timezones()):
        canonical = aliases.get(zone, zone)
        if _NO_CITY.fullmatch(zone) or _NO_CITY.fullmatch(canonical):
            continue
        city = names.get(canonical, {}).get("city") or default_city(canonical)
        if city != default_city(zone):
            found[zone] = city
    return found


def default_city(zone: str) -> str:
    """Return the last part of a zone's id, such as `New York` for `America/New_York`."""
    return zone.rpartition("/")[2].replace("_", " ")


def text(tag: str) -> str:
    """Return the content of a language's file."""
    return json.dumps(formats(tag), ensure_ascii=False, indent=0, sort_keys=True) + "\n"


def main() -> None:
    """Write the file of each language."""
    for tag in languages():
        path = WORDING / "cldr" / f"{tag}.json"
        path.write_text(text(tag), encoding="utf-8")
        print(f"{path.name}: {path.stat().st_size} bytes")


def _template(pattern: str) -> str:
    """Return a pattern of the CLDR (UTS 35) as a `str.format` template. Raises `KeyError` for an unknown field."""
    parts = re.findall(r"'([^']*)'|([A-Za-z])(\2*)|([^A-Za-z']+)", pattern)
    return _spaces(
        "".join(quoted or (_FIELDS[letter + more] if letter else other) for quoted, letter, more, other in parts)
    )


def _spaces(pattern: str) -> str:
    # Thin and narrow spaces are missing in some fonts of email programs.
    return pattern.replace("\u202f", " ").replace("\u2009", " ")


if __name__ == "__main__":
    main()
