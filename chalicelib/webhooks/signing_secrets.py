"""Signing secrets of webhooks as they are kept; and those of a workspace's booking system, several valid at once."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from datetime import datetime

from msgspec.structs import replace

from chalicelib.domain.webhook_signing import SigningSecret, key_of, new_secret
from chalicelib.domain.workspace import Workspace
from chalicelib.errors import Conflict, LostRace, NotFound
from chalicelib.store.encryption import Encryption, Owner, Purpose
from chalicelib.store.workspaces import WorkspaceStore

MOST_SECRETS = 5
_TRIES = 2 * MOST_SECRETS  # One of the requests that come at once wins each round.


class WebhookSecrets:
    """Secrets stand sealed on the workspace's row: checking a signature needs them back, so no hash would do."""

    def __init__(self, workspaces: WorkspaceStore, vault: Encryption, clock: Callable[[], datetime]) -> None:
        self._workspaces = workspaces
        self._vault = vault
        self._clock = clock

    def all(self, workspace_id: str) -> tuple[SigningSecret, ...]:
        """The secrets that are valid now; none for a workspace that does not exist."""
        workspace = self._workspaces.get(workspace_id)
        return workspace.inbound_secrets if workspace else ()

    def keys(self, workspace_id: str) -> list[bytes]:
        """The keys of `all`."""
        return open_keys(self._vault, _owner(workspace_id), self.all(workspace_id))

    def add(self, workspace_id: str, given: str | None, note: str) -> tuple[SigningSecret, str]:
        """A new secret, or the one that the booking system made; with its text, which is never shown again.

        `given` must be one that `key_of` reads. Raises `Conflict`, and `LostRace` if other requests change the
        workspace again and again.
        """
        text = given or new_secret()
        secret = seal(self._vault, _owner(workspace_id), text, self._clock(), note=note)

        def with_secret(existing: tuple[SigningSecret, ...]) -> tuple[SigningSecret, ...]:
            if len(existing) >= MOST_SECRETS:
                raise Conflict(f"A workspace has at most {MOST_SECRETS} secrets. Delete one first.", reason="too_many")
            return (*existing, secret)

        self._change(workspace_id, with_secret)
        return secret, text

    def remove(self, workspace_id: str, secret_id: str) -> None:
        """Raises `NotFound`, and `LostRace` if other requests change the workspace again and again."""

        def without(existing: tuple[SigningSecret, ...]) -> tuple[SigningSecret, ...]:
            remaining = tuple(secret for secret in existing if secret.secret_id != secret_id)
            if remaining == existing:
                raise NotFound("There is no webhook secret with this id in your workspace.")
            return remaining

        self._change(workspace_id, without)

    def _change(
        self, workspace_id: str, change: Callable[[tuple[SigningSecret, ...]], tuple[SigningSecret, ...]]
    ) -> None:
        for tries_left in reversed(range(_TRIES)):
            workspace = self._workspace(workspace_id)
            try:
                self._workspaces.put(replace(workspace, inbound_secrets=change(workspace.inbound_secrets)))
            except LostRace:
                if not tries_left:
                    raise
            else:
                return

    def _workspace(self, workspace_id: str) -> Workspace:
        workspace = self._workspaces.get(workspace_id)
        if workspace is None:
            raise NotFound("There is no such workspace.")
        return workspace


def seal(vault: Encryption, owner: Owner, text: str, now: datetime, *, note: str = "") -> SigningSecret:
    """A secret as it is stored."""
    return SigningSecret(secrets.token_hex(4), vault.seal(owner, text.encode()), now, note=note)


def open_keys(vault: Encryption, owner: Owner, sealed: Iterable[SigningSecret]) -> list[bytes]:
    """The keys to sign or verify with."""
    return [key_of(vault.open(owner, secret.sealed).decode()) for secret in sealed]


def endpoint_owner(workspace_id: str) -> Owner:
    """Return the owner of the secrets of a workspace's endpoints."""
    return Owner(Purpose.ENDPOINT_SECRETS, workspace_id)


def _owner(workspace_id: str) -> Owner:
    return Owner(Purpose.BOOKING_SECRETS, workspace_id)
