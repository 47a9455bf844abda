"""When each API key was last used, exact to about a day."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from chalicelib.errors import StoreError
from chalicelib.observability import log
from chalicelib.store.ephemeral import EphemeralStore

LIFE = timedelta(days=400)
"""How long a use is remembered."""


class KeyUses:
    """The last uses of keys. A process notes its first request with a key, and lives for some hours."""

    def __init__(self, ephemeral: EphemeralStore, clock: Callable[[], datetime]) -> None:
        self._ephemeral = ephemeral
        self._clock = clock

    def note(self, workspace_id: str, key_id: str) -> None:
        """Record that the key is used now. A failure is logged: it is no reason to refuse the request."""
        try:
            self._ephemeral.increment(_use_key(workspace_id, key_id), 1, self._clock() + LIFE)
        except StoreError as error:
            log.warning("the use of a key was not recorded", workspace_id=workspace_id, error=type(error).__name__)

    def last(self, workspace_id: str, key_ids: Iterable[str]) -> dict[str, datetime]:
        """Return when each of the keys was last used. Keys that were not used are left out."""
        ends = {key_id: self._ephemeral.expiry(_use_key(workspace_id, key_id)) for key_id in key_ids}
        return {key_id: ends_at - LIFE for key_id, ends_at in ends.items() if ends_at is not None}


def _use_key(workspace_id: str, key_id: str) -> str:
    return f"key-use#{workspace_id}#{key_id}"
