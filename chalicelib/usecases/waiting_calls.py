"""Limit how many API calls wait for a link at once: each holds one of the Lambda processes that settling needs too.

A call that waits holds a lease in one shared row, which ends with the wait, also if its process dies. A call without a
lease is answered at once.
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

MOST_OF_A_WORKSPACE = 5
_KEY = "waiting-calls"
_TRIES = 5


class _Lease(Struct, frozen=True):
    id: str
    workspace_id: str
    ends_at: datetime


class WaitingCalls:
    """At most `most` waiting calls of the stage, and `MOST_OF_A_WORKSPACE` of one workspace."""

    def __init__(self, rows: EphemeralStore, most: int, clock: Callable[[], datetime]) -> None:
        self._rows = rows
        self._most = most
        self._clock = clock

    @contextmanager
    def lease(self, workspace_id: str, seconds: float) -> Iterator[bool]:
        """Whether a call of the workspace may wait `seconds` inside the block."""
        lease = _Lease(secrets.token_hex(8), workspace_id, self._clock() + timedelta(seconds=seconds))
        is_granted = self._most > 0 and self._change(lambda leases: self._with(lease, leases))
        try:
            yield is_granted
        finally:
            if is_granted:
                self._change(lambda leases: [one for one in leases if one.id != lease.id])

    def _with(self, lease: _Lease, leases: list[_Lease]) -> list[_Lease] | None:
        own = [one for one in leases if one.workspace_id == lease.workspace_id]
        if len(leases) >= self._most or len(own) >= MOST_OF_A_WORKSPACE:
            return None
        return [*leases, lease]

    def _change(self, act: Callable[[list[_Lease]], list[_Lease] | None]) -> bool:
        """Replace the leases by what `act` returns; False if that is None, or the row cannot be written."""
        for _ in range(_TRIES):
            now = self._clock()
            try:
                leases, version = self._rows.load(_KEY, list[_Lease], now)
                changed = act([one for one in leases or [] if one.ends_at > now])
                if changed is None:
                    return False
                self._rows.swap(_KEY, changed, now + timedelta(minutes=5), version)
            except LostRace:
                continue
            except StoreError as error:
                log.warning("the leases of waiting calls are out of reach", error=type(error).__name__)
                return False
            return True
        return False
