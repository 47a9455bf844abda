"""What guests experience at the provider after opening a meeting's link."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class GuestEntry(StrEnum):
    """How a guest gets from the link into the meeting; a closed list, part of the API."""

    DIRECT = "direct"
    """Guests enter at once."""
    HOST_FIRST = "host_first"
    """Guests wait until the host has joined, and then enter without being admitted."""
    KNOCK = "knock"
    """Guests wait until someone in the meeting admits them."""
    BLOCKED = "blocked"
    """Guests cannot enter at all: the account's settings admit only people with an account at the provider."""
    ACCOUNT_SETTINGS = "account_settings"
    """The account's own settings at the provider decide, and the provider did not report them."""


class Moderator(StrEnum):
    """Who moderates the meeting; a closed list, part of the API."""

    HOST_ACCOUNT = "host_account"
    """The person who joins signed in to the connected account."""
    HOST_LINK = "host_link"
    """The person who joins with the link in the host's own invitation."""
    FIRST_TO_SIGN_IN = "first_to_sign_in"
    """The first person who signs in at the provider."""
    FIRST_TO_ARRIVE = "first_to_arrive"
    """The first person in the meeting."""


class GuestExperience(Struct, frozen=True):
    """What guests experience with the meetings of an account."""

    admission: GuestEntry
    moderator: Moderator
    time_limit_minutes: int | None = None
    """The longest meeting that the account's plan allows; None without a limit, or if the plan is unknown."""
    notes: tuple[str, ...] = ()
    """Sentences for the host: what the account's policy forbids, and how to change it."""
    is_observed: bool = False
    """Whether this was read from a meeting of the account; otherwise it is what the provider documents."""
