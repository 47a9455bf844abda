"""Times in words, as their reader's clock shows them."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from chalicelib.mail.wording import Wording


def span_in_words(starts_at: datetime, ends_at: datetime, zone: str, words: Wording) -> str:
    """For example `Tuesday, 5 January 2027, 16:00 – 16:30 (Europe/Berlin, CET)`. An unknown zone is UTC's."""
    starts_at, ends_at = _local(starts_at, zone), _local(ends_at, zone)
    start, end = _clock(starts_at), _clock(ends_at)
    key, before, after = _key(starts_at), _abbreviation(starts_at), _abbreviation(ends_at)
    if before != after:  # The clocks change meanwhile: only with its own abbreviation is each time clear.
        start, end, name = f"{start} {before}", f"{end} {after}", key
    else:
        name = key if key == before else f"{key}, {before}"
    template = words.same_day if starts_at.date() == ends_at.date() else words.over_days
    return template.format(
        date=_date(starts_at, words), start=start, end_date=_date(ends_at, words), end=end, zone=name
    )


def moment_in_words(moment: datetime, zone: str, words: Wording) -> tuple[str, str]:
    """Return date and clock, for example `Tuesday, 5 January 2027` and `16:00`. An unknown zone is UTC's."""
    moment = _local(moment, zone)
    return _date(moment, words), _clock(moment)


def start_in_short(starts_at: datetime, zone: str, words: Wording) -> str:
    """For example `Tue, 5 Jan 2027, 16:00 (CET)`."""
    starts_at = _local(starts_at, zone)
    date = words.date.format(
        weekday=words.short_weekdays[starts_at.weekday()],
        day=starts_at.day,
        month=words.short_months[starts_at.month - 1],
        year=starts_at.year,
    )
    return words.short_time.format(date=date, clock=_clock(starts_at), abbreviation=_abbreviation(starts_at))


def _local(moment: datetime, zone: str) -> datetime:
    try:
        return moment.astimezone(_zone(zone))
    except OverflowError:  # the first and last day that `datetime` knows
        return moment.astimezone(UTC)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; no such path, NUL; a directory such as `America`
        return UTC


def _key(moment: datetime) -> str:
    return getattr(moment.tzinfo, "key", "UTC")


def _abbreviation(moment: datetime) -> str:
    name = moment.tzname() or "UTC"
    # Zones without letters of their own are called by their offset in the database: `-03`, `+0545`.
    if name[0] not in "+-":
        return name
    return f"UTC{name[:3]}:{name[3:] or '00'}"


def _clock(moment: datetime) -> str:
    return f"{moment.hour:02}:{moment.minute:02}"


def _date(moment: datetime, words: Wording) -> str:
    return words.date.format(
        weekday=words.weekdays[moment.weekday()],
        day=moment.day,
        month=words.months[moment.month - 1],
        year=moment.year,
    )
