"""Record administrative actions: one row and one line of the log each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from chalicelib.domain.ids import is_id
from chalicelib.observability import log
from chalicelib.store.audit import DEPLOYMENT, AuditEntry, AuditStore


class AuditTrail:
    """Raises `StoreError` only: an action that cannot be recorded is not carried out."""

    def __init__(self, store: AuditStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def note(self, verb: str, workspace_id: str | None, *, caller: str, key_id: str | None = None) -> None:
        """Record the action before it is carried out."""
        scope = workspace_id if workspace_id and is_id(workspace_id) else DEPLOYMENT
        self._store.add(AuditEntry(scope, self._clock(), verb, caller, key_id))
        log.info("an administrative action", verb=verb, workspace_id=scope, key_id=key_id, caller=caller)
