"""The times that the example booking page offers, and the booking that a chosen one becomes.

Which times are free is the business of a booking frontend, not of the product: this page offers every half hour.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

DURATION = timedelta(minutes=30)
_DAYS = 10
_FIRST_HOUR, _LAST_HOUR = 9, 17
_SATURDAY = 5
_AREAS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
_MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class WrongEntry(Exception):
    """Something in the form cannot be used; `messages` say what to do."""

    messages: tuple[str, ...]


def days(now: datetime) -> list[date]:
    """The next ten working days, from tomorrow."""
    ahead = (now.date() + timedelta(days=number) for number in range(1, 3 * _DAYS))
    return [day for day in ahead if day.weekday() < _SATURDAY][:_DAYS]


def times() -> list[str]:
    """The starts of a day's slots, in the guest's own time: '09:00' to '16:30'."""
    return [f"{hour:02}:{minute:02}" for hour in range(_FIRST_HOUR, _LAST_HOUR) for minute in (0, 30)]


@cache
def zones() -> tuple[str, ...]:
    """IANA time zones to choose from."""
    return ("UTC", *sorted(name for name in available_timezones() if name.partition("/")[0] in _AREAS))


def chosen_span(form: Mapping[str, str], zone: str, now: datetime) -> dict[str, str]:
    """`starts_at` and `ends_at` of the chosen slot; raises `WrongEntry`."""
    try:
        day, start = date.fromisoformat(form.get("date", "")), time.fromisoformat(form.get("time", ""))
    except ValueError as error:
        raise WrongEntry(("Choose a day and a time.",)) from error
    starts_at = datetime.combine(day, start, ZoneInfo(zone)).astimezone(UTC)
    if starts_at <= now:
        raise WrongEntry(("This time has passed. Choose a later one.",))
    return {"starts_at": _rfc3339(starts_at), "ends_at": _rfc3339(starts_at + DURATION)}


def booking_content(form: Mapping[str, str], calendar: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The body of `PUT /v1/bookings/{id}` for a filled-in form; raises `WrongEntry`."""
    name, email = form.get("name", "").strip()[:_MAX_LENGTH], form.get("email", "").strip()
    zone = form.get("time_zone", "")
    wrong = [
        message
        for message, is_wrong in (
            ("Enter your name.", not name),
            ("Enter your e-mail address.", "@" not in email),
            ("Choose your time zone.", zone not in zones()),
        )
        if is_wrong
    ]
    if wrong:
        raise WrongEntry(tuple(wrong))
    return {
        "calendar_id": calendar["id"],
        **chosen_span(form, zone, now),
        "time_zone": zone,
        "title": f"{calendar['name']}: {name}",
        "description": form.get("note", "").strip(),
        "guests": [{"name": name, "email": email, "time_zone": zone}],
    }


def moved_content(booking: dict[str, Any], form: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The body that moves `booking` to another slot, all else unchanged; raises `WrongEntry`."""
    fields = ("calendar_id", "time_zone", "title", "description", "guests", "metadata")
    return {key: booking[key] for key in fields if key in booking} | chosen_span(form, booking["time_zone"], now)


def booking_id(form: Mapping[str, str]) -> str:
    """The id for a filled-in form: a form sent twice makes one booking, a changed one makes another."""
    parts = [form.get(key, "") for key in ("form_id", "date", "time", "name", "email", "time_zone", "note")]
    return "b-" + hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:20]


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
