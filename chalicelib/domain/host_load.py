"""Whether a host has more meetings at a time than the account can run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from chalicelib.domain.booking import Booking

_MOST_NAMED = 10


class HostLoad(Struct, frozen=True):
    """That a booking overlaps with others of its host, beyond what the account can run."""

    meetings_at_once: int
    """How many meetings the account can run at a time."""
    booking_ids: tuple[str, ...]
    """The host's other bookings at that time, at most ten."""


def find_overload(booking: Booking, others: Iterable[Booking], meetings_at_once: int) -> HostLoad | None:
    """Return the overload during the booking; None if the account can run all of them.

    `others` are bookings of the same host. Those of another account, or at another time, do not count.
    """
    overlapping = [other for other in others if _competes(booking, other)]
    starts = [booking.appointment.starts_at, *(other.appointment.starts_at for other in overlapping)]
    # The load only rises at a start. The booking itself is one of the meetings at each of these moments.
    moments = [at for at in starts if at >= booking.appointment.starts_at]
    if 1 + max(_running(overlapping, at) for at in moments) <= meetings_at_once:
        return None
    return HostLoad(meetings_at_once, tuple(other.booking_id for other in overlapping[:_MOST_NAMED]))


def _running(bookings: Iterable[Booking], at: datetime) -> int:
    return sum(booking.appointment.starts_at <= at < booking.appointment.ends_at for booking in bookings)


def _competes(booking: Booking, other: Booking) -> bool:
    if other.booking_id == booking.booking_id or not other.wants_video:
        return False
    if booking.eligibility is None or other.eligibility is None:
        return False
    times, other_times = booking.appointment, other.appointment
    is_same_account = booking.eligibility.grant_id == other.eligibility.grant_id
    return is_same_account and other_times.starts_at < times.ends_at and times.starts_at < other_times.ends_at
