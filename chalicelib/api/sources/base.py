"""What a booking system's webhooks must be turned into. One file beside this one for each form of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from chalicelib.usecases.booking_events import BookingEvent


class Source(Protocol):
    """One form of signing and writing events. The order is fixed by the route: `may_be_signed`, `is_signed`, `read`."""

    def may_be_signed(self, headers: Mapping[str, str], now: datetime) -> bool:
        """Return whether the headers of a signature are there and timely. Never raises."""
        ...

    def is_signed(self, keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
        """Whether one of the workspace's keys signed these raw bytes just now. Never raises."""
        ...

    def read(self, body: bytes) -> BookingEvent | None:
        """What happened; None for an event that is nobody's business here. Raises `CallerError`."""
        ...
