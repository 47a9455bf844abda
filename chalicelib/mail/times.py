"""Format times in the reader's language and time zone."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from chalicelib.mail.wording import Wording


def format_span(starts_at: datetime, ends_at: datetime, zone: str, wording: Wording) -> str:
    """Return for example `Tuesday, 5 January 2027, 16:00 – 16:30 (Europe/Berlin, CET)`. An unknown zone becomes UTC."""
    starts_at, ends_at = _to_zone(starts_at, zone), _to_zone(ends_at, zone)
    start, end = _format_clock(starts_at), _format_clock(ends_at)
    key, before, after = _zone_name(starts_at), _abbreviation(starts_at), _abbreviation(ends_at)
    if before != after:  # The clocks change in between, so each time needs its own abbreviation.
        start, end, zone_name = f"{start} {before}", f"{end} {after}", key
    else:
        zone_name = key if key == before else f"{key}, {before}"
    template = wording.same_day if starts_at.date() == ends_at.date() else wording.over_days
    return template.format(
        date=_format_date(starts_at, wording),
        start=start,
        end_date=_format_date(ends_at, wording),
        end=end,
        zone=zone_name,
    )


def format_moment(moment: datetime, zone: str, wording: Wording) -> tuple[str, str]:
    """Return the date and the time, for example `Tuesday, 5 January 2027` and `16:00`. An unknown zone becomes UTC."""
    moment = _to_zone(moment, zone)
    return _format_date(moment, wording), _format_clock(moment)


def format_start(starts_at: datetime, zone: str, wording: Wording) -> str:
    """Return for example `Tue, 5 Jan 2027, 16:00 (CET)`."""
    starts_at = _to_zone(starts_at, zone)
    date = wording.date.format(
        weekday=wording.short_weekdays[starts_at.weekday()],
        day=starts_at.day,
        month=wording.short_months[starts_at.month - 1],
        year=starts_at.year,
    )
    return wording.short_time.format(date=date, clock=_format_clock(starts_at), abbreviation=_abbreviation(starts_at))


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


def _zone_name(moment: datetime) -> str:
    return getattr(moment.tzinfo, "key", "UTC")


def _abbreviation(moment: datetime) -> str:
    name = moment.tzname() or "UTC"
    # The database has no letters for some zones, only an offset: `-03`, `+0545`.
    if name[0] not in "+-":
        return name
    return f"UTC{name[:3]}:{name[3:] or '00'}"


def _format_clock(moment: datetime) -> str:
    return f"{moment.hour:02}:{moment.minute:02}"


def _format_date(moment: datetime, wording: Wording) -> str:
    return wording.date.format(
        weekday=wording.weekdays[moment.weekday()],
        day=moment.day,
        month=wording.months[moment.month - 1],
        year=moment.year,
    )
