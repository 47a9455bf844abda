"""Leaves a provider alone while it is out, so that its bookings wait without trying and nobody else waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct, field

from chalicelib.errors import FailedCall, ProviderUnavailable

_FAILURES = 3
PAUSE = timedelta(seconds=40)
"""Between two probes: with a probe's own timeout still less than a tick, so that every tick may find the end."""


class _Account(Struct):
    """Failures in a row of calls for one account. From `open_until` on one probe is let through, if it is set."""

    failures: int = 0
    open_until: datetime | None = None


class _Shared(Struct):
    """Failures in a row of a provider, and of which accounts.

    When it is open, `open_until` says for accounts that failed (True) and for others (False) when the next probe is
    let through: apart, so that an account that never gets an answer does not take every probe.
    """

    failures: int = 0
    accounts: set[str] = field(default_factory=set)
    open_until: dict[bool, datetime] = field(default_factory=dict)


class CircuitBreaker:
    """A circuit for each account, and one for each provider that opens when several accounts fail.

    Safe to use from many threads. What is known dies with the process, and that is enough: a new one learns it by
    `_FAILURES` calls of its own, and none can be left open by somebody who died. After some failures in a row without
    an answer between them, one call in `PAUSE` is let through; its success closes the circuit.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}
        self._shared: dict[str, _Shared] = {}

    def check(self, provider: str, account: str) -> None:
        """Raises `ProviderUnavailable` if the provider is to be left alone now."""
        with self._lock:
            now, until = self._clock(), self._open_until(provider, account)
            if until is None:
                return
            if now < until:
                raise ProviderUnavailable(FailedCall(provider, "out; not asked"), retry_at=until, out_until=until)
            # This call is the probe; the others go on waiting for it.
            own, shared = self._accounts.get(account), self._shared.get(provider)
            if own and own.open_until:
                own.open_until = now + PAUSE
            if shared and shared.open_until:
                shared.open_until[own is not None] = now + PAUSE

    def failed(self, provider: str, account: str) -> datetime | None:
        """No answer, or one that says that the provider is out. Until when it is left alone now, if it is."""
        with self._lock:
            until = self._clock() + PAUSE
            own = self._accounts.setdefault(account, _Account())
            own.failures += 1
            if own.failures >= _FAILURES:
                own.open_until = until
            shared = self._shared.setdefault(provider, _Shared())
            shared.failures += 1
            shared.accounts.add(account)
            if shared.failures >= _FAILURES and len(shared.accounts) > 1 and not shared.open_until:
                shared.open_until = {True: until, False: until}
            return self._open_until(provider, account)

    def answered(self, provider: str, account: str) -> None:
        """The provider is there, whatever it said."""
        with self._lock:
            self._accounts.pop(account, None)
            self._shared.pop(provider, None)

    def _open_until(self, provider: str, account: str) -> datetime | None:
        own, shared = self._accounts.get(account), self._shared.get(provider)
        moments = (own and own.open_until, shared and shared.open_until.get(own is not None))
        return max((moment for moment in moments if moment), default=None)
