"""Secrets that sign webhooks: how they are stored, and those of a workspace's booking system."""

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

MAX_SECRETS = 5
"""Per workspace."""
_MAX_TRIES = 2 * MAX_SECRETS
"""Of concurrent requests one succeeds in each round."""


class WebhookSecrets:
    """A workspace's secrets for events that its booking system sends; several may be valid at once.

    They are stored encrypted on the workspace's row. A hash would not do: checking a signature needs the secret.
    """

    def __init__(self, workspaces: WorkspaceStore, encryption: Encryption, clock: Callable[[], datetime]) -> None:
        self._workspaces = workspaces
        self._encryption = encryption
        self._clock = clock

    def list_secrets(self, workspace_id: str) -> tuple[SigningSecret, ...]:
        """Return the workspace's secrets; none for a workspace that does not exist."""
        workspace = self._workspaces.get(workspace_id)
        return workspace.inbound_secrets if workspace else ()

    def load_keys(self, workspace_id: str) -> list[bytes]:
        """Return the keys that verify signatures."""
        return open_keys(self._encryption, _owner(workspace_id), self.list_secrets(workspace_id))

    def add(self, workspace_id: str, text: str | None, note: str) -> tuple[SigningSecret, str]:
        """Add a secret: `text` if the booking system created it, else a new one. Return it with its text.

        `text` must be one that `key_of` accepts; it is never returned again. Raises `Conflict` if the workspace has too
        many secrets, and `LostRace` if other requests keep changing the workspace.
        """
        text = text or new_secret()
        secret = seal_secret(self._encryption, _owner(workspace_id), text, self._clock(), note=note)

        def append(present: tuple[SigningSecret, ...]) -> tuple[SigningSecret, ...]:
            if len(present) >= MAX_SECRETS:
                raise Conflict(f"A workspace has at most {MAX_SECRETS} secrets. Delete one first.", reason="too_many")
            return (*present, secret)

        self._change(workspace_id, append)
        return secret, text

    def remove(self, workspace_id: str, secret_id: str) -> None:
        """Delete a secret. Raises `NotFound`, and `LostRace` if other requests keep changing the workspace."""

        def without(present: tuple[SigningSecret, ...]) -> tuple[SigningSecret, ...]:
            remaining = tuple(secret for secret in present if secret.secret_id != secret_id)
            if remaining == present:
                raise NotFound("There is no webhook secret with this id in your workspace.")
            return remaining

        self._change(workspace_id, without)

    def _change(
        self, workspace_id: str, change: Callable[[tuple[SigningSecret, ...]], tuple[SigningSecret, ...]]
    ) -> None:
        for tries_left in reversed(range(_MAX_TRIES)):
            workspace = self._get_workspace(workspace_id)
            try:
                self._workspaces.put(replace(workspace, inbound_secrets=change(workspace.inbound_secrets)))
            except LostRace:
                if not tries_left:
                    raise
            else:
                return

    def _get_workspace(self, workspace_id: str) -> Workspace:
        workspace = self._workspaces.get(workspace_id)
        if workspace is None:
            raise NotFound("There is no such workspace.")
        return workspace


def seal_secret(encryption: Encryption, owner: Owner, text: str, now: datetime, *, note: str = "") -> SigningSecret:
    """Encrypt a secret for storage."""
    return SigningSecret(secrets.token_hex(4), encryption.seal(owner, text.encode()), now, note=note)


def open_keys(encryption: Encryption, owner: Owner, sealed: Iterable[SigningSecret]) -> list[bytes]:
    """Decrypt secrets into the keys that sign and verify."""
    return [key_of(encryption.open(owner, secret.sealed).decode()) for secret in sealed]


def endpoint_owner(workspace_id: str) -> Owner:
    """Return the owner of the secrets of a workspace's endpoints."""
    return Owner(Purpose.ENDPOINT_SECRETS, workspace_id)


def _owner(workspace_id: str) -> Owner:
    return Owner(Purpose.BOOKING_SECRETS, workspace_id)
