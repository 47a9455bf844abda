"""Types that every stand-in shares.

Stand-ins are never shipped. They let you test and try the product without an account at a provider.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the current time as an aware UTC datetime. Tests inject their own."""


def utc_now() -> datetime:
    """Return the real time: the default clock of every stand-in."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class HeldMeeting:
    """A meeting that exists at a stand-in, in the same form for every provider. None marks what a stand-in lacks."""

    id: str
    title: str
    starts_at: datetime | None
    ends_at: datetime | None
    link: str | None
    owner: str | None = None
    """The email address of the account that owns it."""
    tag: str | None = None
    """The tag that the product put on it."""
    lets_guests_in: bool | None = None
    """Whether a guest with the link enters without waiting."""
