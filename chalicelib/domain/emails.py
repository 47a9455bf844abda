"""Whom meetlink emails about a booking. The caller emails the others."""

from __future__ import annotations

from msgspec import Struct


class Emails(Struct, frozen=True, omit_defaults=True):
    """Whether meetlink emails the guests and the host.

    None: undecided. A booking's choice comes first, then its calendar's, then its workspace's. The default is yes.
    """

    guests: bool | None = None
    host: bool | None = None

    def or_else(self, other: Emails) -> Emails:
        """Return this choice; where it is undecided, the other."""
        return Emails(
            guests=other.guests if self.guests is None else self.guests,
            host=other.host if self.host is None else self.host,
        )


UNDECIDED = Emails()
