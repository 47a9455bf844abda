"""Co-hosts of a booking: whether they may join the meeting as hosts."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class CohostState(StrEnum):
    """How a co-host joins the meeting. A closed list, part of the API."""

    PENDING = "pending"
    """The meeting is not ready, or a change of the co-hosts is not sent yet."""
    HOST = "host"
    """As a host."""
    GUEST = "guest"
    """As a guest: the provider has no co-hosts."""
    FAILED = "failed"
    """As a guest: the provider does not accept this co-host."""


class CohostResult(Struct, frozen=True, omit_defaults=True):
    """What a provider made of one co-host."""

    email: str
    state: CohostState
    detail: str | None = None
    """Why it failed, and what to do."""
