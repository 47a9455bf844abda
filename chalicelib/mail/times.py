"""Format times in the reader's language and time zone. An unknown zone becomes UTC."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from chalicelib.wording import Wording


def format_span(starts_at: datetime, ends_at: datetime, zone: str, wording: Wording) -> str:
    """Return for example `Tuesday, 5 January 2027, 16:00 – 16:30 (Berlin time)`."""
    start, end, formats = _to_zone(starts_at, zone), _to_zone(ends_at, zone), wording.formats
    start_clock, end_clock = formats.format_clock(start), formats.format_clock(end)
    clocks = formats.format_range(start, end)
    before, after = _abbreviation(start), _abbreviation(end)
    if before != after:  # The clocks change in between, so each time needs its own abbreviation.
        start_clock, end_clock = f"{start_clock} {before}", f"{end_clock} {after}"
        clocks = formats.range.format(start=start_clock, end=end_clock)
    if start.date() == end.date():
        return wording.span.format(date=formats.format_date(start), range=clocks, zone=_zone_name(start, wording))
    return wording.long_span.format(
        start=formats.format_date(start),
        start_clock=start_clock,
        end=formats.format_date(end),
        end_clock=end_clock,
        zone=_zone_name(start, wording),
    )


def format_moment(moment: datetime, zone: str, wording: Wording) -> tuple[str, str]:
    """Return the date and the time, for example `Tuesday, 5 January 2027` and `16:00`."""
    moment = _to_zone(moment, zone)
    return wording.formats.format_date(moment), wording.formats.format_clock(moment)


def format_start(starts_at: datetime, zone: str, wording: Wording) -> str:
    """Return for example `Tue, 5 Jan 2027, 16:00 (Berlin time)`."""
    start, formats = _to_zone(starts_at, zone), wording.formats
    date, clock = formats.format_short_date(start), formats.format_clock(start)
    return wording.start.format(date=date, clock=clock, zone=_zone_name(start, wording))


def _to_zone(moment: datetime, zone: str) -> datetime:
    try:
        return moment.astimezone(_find_zone(zone))
    except OverflowError:  # The first or last day that `datetime` supports.
        return moment.astimezone(UTC)


def _find_zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # Unknown; an invalid path or NUL; a directory such as `America`.
        return UTC


def _zone_name(moment: datetime, wording: Wording) -> str:
    """Return the zone as people say it, by its city; otherwise its abbreviation."""
    city = wording.formats.city(getattr(moment.tzinfo, "key", "UTC"))
    return wording.time_in(city) if city else _abbreviation(moment)


def _abbreviation(moment: datetime) -> str:
    name = moment.tzname() or "UTC"
    # The database has no letters for some zones, only an offset: `-03`, `+0545`.
    if name[0] not in "+-":
        return name
    return f"UTC{name[:3]}:{name[3:] or '00'}"
