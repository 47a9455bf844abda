"""Limit how many API calls wait for a link at once: each occupies a Lambda process that settling needs too.

A waiting call has a lease in one shared row. The lease ends with the wait, also if its process is killed. The response
to a call without a lease is sent at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from msgspec import Struct

from chalicelib.errors import LostRace, StoreError
from chalicelib.observability import log
from chalicelib.store.ephemeral import EphemeralStore

MAX_PER_WORKSPACE = 5
_KEY = "waiting-calls"
_TRIES = 5


class _Lease(Struct, frozen=True):
    """One waiting call."""

    id: str
    workspace_id: str
    ends_at: datetime


class WaitingCalls:
    """Allows `limit` waiting calls of the stage, and `MAX_PER_WORKSPACE` of one workspace."""

    def __init__(self, rows: EphemeralStore, limit: int, clock: Callable[[], datetime]) -> None:
        self._rows = rows
        self._limit = limit
        self._clock = clock

    @contextmanager
    def lease(self, workspace_id: str, seconds: float) -> Iterator[bool]:
        """Lease one waiting call for the block; yields whether it may wait `seconds`."""
        lease = _Lease(secrets.token_hex(8), workspace_id, self._clock() + timedelta(seconds=seconds))
        is_granted = self._limit > 0 and self._update(lambda leases: self._add(lease, leases))
        try:
            yield is_granted
        finally:
            if is_granted:
                self._update(lambda leases: [other for other in leases if other.id != lease.id])

    def _add(self, lease: _Lease, leases: list[_Lease]) -> list[_Lease] | None:
        of_workspace = [other for other in leases if other.workspace_id == lease.workspace_id]
        if len(leases) >= self._limit or len(of_workspace) >= MAX_PER_WORKSPACE:
            return None
        return [*leases, lease]

    def _update(self, update: Callable[[list[_Lease]], list[_Lease] | None]) -> bool:
        """Replace the leases by the result of `update`; return False if that is None or the row is unavailable."""
        for _ in range(_TRIES):
            now = self._clock()
            try:
                leases, version = self._rows.load(_KEY, list[_Lease], now)
                changed = update([lease for lease in leases or [] if lease.ends_at > now])
                if changed is None:
                    return False
                self._rows.swap(_KEY, changed, now + timedelta(minutes=5), version)
            except LostRace:
                continue
            except StoreError as error:
                log.warning("the leases of waiting calls are unavailable", error=type(error).__name__)
                return False
            return True
        return False
