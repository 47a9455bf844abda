"""The people who can sign in to the stand-in."""

from __future__ import annotations

from dataclasses import dataclass

USER_SCOPES: frozenset[str] = frozenset({"user:read", "user:read:user"})

APP_SCOPES: tuple[str, ...] = (
    "meeting:write:meeting",
    "meeting:update:meeting",
    "meeting:delete:meeting",
    "meeting:read:meeting",
    "meeting:read:list_meetings",
    "meeting:read:invitation",
    "user:read:user",
    "user:read:email",
)
"""The granular scopes of PROVIDERS 1.2, as an app's owner would configure them."""


@dataclass(frozen=True)
class Account:
    """A person with a Zoom user; `type` 1 is basic (free: no one joins by phone), 2 licensed.

    `scopes` are those this person can grant; None means all the app asks for.
    """

    user_id: str
    account_id: str
    email: str
    password: str
    display_name: str
    type: int = 2
    timezone: str = "UTC"
    scopes: tuple[str, ...] | None = None

    def grantable(self, app_scopes: tuple[str, ...]) -> tuple[str, ...]:
        """The app's scopes this person can grant, in the app's order."""
        return tuple(scope for scope in app_scopes if self.scopes is None or scope in self.scopes)
