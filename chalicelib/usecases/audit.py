"""Record administrative actions: one row and one log line each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from chalicelib.domain.ids import is_id
from chalicelib.observability import log
from chalicelib.store.audit import DEPLOYMENT, AuditEntry, AuditStore


class AuditTrail:
    """The audit trail of the deployment."""

    def __init__(self, store: AuditStore, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def record(
        self,
        action: str,
        workspace_id: str | None,
        *,
        caller: str,
        key_id: str | None = None,
        link_key_id: str | None = None,
    ) -> None:
        """Record an action before it is carried out. Raises `StoreError`; the action must then not be carried out."""
        scope = workspace_id if workspace_id and is_id(workspace_id) else DEPLOYMENT
        self._store.add(AuditEntry(scope, self._clock(), action, caller, key_id, link_key_id))
        keys = {"key_id": key_id, "link_key_id": link_key_id}
        log.info("an administrative action", verb=action, workspace_id=scope, caller=caller, **keys)
