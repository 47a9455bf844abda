"""The people who can sign in to the stand-in, and the scopes of the app."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infra.local.standins.oauth_rules import Person

USER_SCOPES: frozenset[str] = frozenset({"user:read", "user:read:user"})

SCOPE_TEXTS: Mapping[str, str] = {
    "meeting:write:meeting": "Create meetings for you",
    "meeting:update:meeting": "Change your meetings",
    "meeting:delete:meeting": "Delete your meetings",
    "meeting:read:meeting": "See a meeting's details",
    "meeting:read:list_meetings": "See the list of your meetings",
    "meeting:read:invitation": "See a meeting's invitation",
    "user:read:user": "See your profile",
    "user:read:email": "See your email address",
}
"""The granular scopes that the owner of the app configures, with the text that the consent page shows."""
APP_SCOPES = tuple(SCOPE_TEXTS)


@dataclass(frozen=True)
class Account:
    """A person with a Zoom user."""

    user_id: str
    account_id: str
    email: str
    password: str
    display_name: str
    type: int = 2
    """1 is basic (free: no one joins by phone), 2 is licensed."""
    timezone: str = "UTC"
    scopes: tuple[str, ...] | None = None
    """The scopes that this person can grant. None means all that the app asks for."""

    def person(self) -> Person:
        """Return the account as the consent page needs it."""
        return Person(self.user_id, self.email, self.password, self.display_name)

    def grantable(self, app_scopes: tuple[str, ...]) -> tuple[str, ...]:
        """Return the app's scopes that this person can grant, in the app's order."""
        return tuple(scope for scope in app_scopes if self.scopes is None or scope in self.scopes)
