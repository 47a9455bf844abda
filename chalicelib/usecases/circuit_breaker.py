"""Stop calling a provider during an outage, so that its bookings wait without calls and do not delay others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from msgspec import Struct, field

from chalicelib.errors import CircuitOpen, FailedCall, ProviderError

_MAX_FAILURES = 3
PAUSE = timedelta(seconds=40)
"""Between two probes. With a probe's timeout still less than a tick, so that every tick can find the outage over."""


class _Account(Struct):
    """The circuit of one account."""

    failures: int = 0
    """Failed calls in a row."""
    open_until: datetime | None = None
    """When the next probe may be sent; None while the circuit is closed."""


class _Shared(Struct):
    """The circuit of a provider, for all its accounts."""

    failures: int = 0
    """Failed calls in a row."""
    accounts: set[str] = field(default_factory=set)
    """The accounts that failed."""
    open_until: dict[bool, datetime] = field(default_factory=dict)
    """When the next probe may be sent, for accounts that failed (True) and for others (False); empty while closed.

    They are separate so that an account that never gets a response does not use up every probe.
    """


class CircuitBreaker:
    """A circuit for each account, and one for each provider that opens when several accounts fail.

    The circuit opens after `_MAX_FAILURES` failures in a row without a response between them. Then one call per `PAUSE`
    is let through as a probe; its success closes the circuit.

    Thread-safe. The state is kept in memory only: a new process finds an outage with a few calls, and a process that
    dies leaves no circuit open.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}
        self._shared: dict[str, _Shared] = {}

    @contextmanager
    def guard(self, provider: str, account: str) -> Iterator[None]:
        """Record how the call inside ends.

        Raises `CircuitOpen` if the circuit is open, so that the call is not sent; and if the call's failure opens it,
        from the call's error.
        """
        self.check(provider, account)
        try:
            yield
        except ProviderError as error:
            if error.is_outage:
                until = self.record_failure(provider, account)
                if until is not None:
                    raise CircuitOpen(error.call, until, may_be_done=error.may_be_done) from error
            elif error.status is not None:  # Without a status, the provider was not called, or the outcome is unknown.
                self.record_response(provider, account)
            raise
        self.record_response(provider, account)

    def check(self, provider: str, account: str) -> None:
        """Raise `CircuitOpen` if the provider must not be called now."""
        with self._lock:
            now, until = self._clock(), self._open_until(provider, account)
            if until is None:
                return
            if now < until:
                raise CircuitOpen(FailedCall(provider, "not called during an outage"), until)
            # This call is the probe. The others wait for its result.
            own, shared = self._accounts.get(account), self._shared.get(provider)
            if own and own.open_until:
                own.open_until = now + PAUSE
            if shared and shared.open_until:
                shared.open_until[own is not None] = now + PAUSE

    def record_failure(self, provider: str, account: str) -> datetime | None:
        """Record an outage: no response, or a 5xx. Return until when the circuit is open; None if it is closed."""
        with self._lock:
            until = self._clock() + PAUSE
            own = self._accounts.setdefault(account, _Account())
            own.failures += 1
            if own.failures >= _MAX_FAILURES:
                own.open_until = until
            shared = self._shared.setdefault(provider, _Shared())
            shared.failures += 1
            shared.accounts.add(account)
            if shared.failures >= _MAX_FAILURES and len(shared.accounts) > 1 and not shared.open_until:
                shared.open_until = {True: until, False: until}
            return self._open_until(provider, account)

    def record_response(self, provider: str, account: str) -> None:
        """Close the circuits: the provider responded, whether it accepted or refused the request."""
        with self._lock:
            self._accounts.pop(account, None)
            self._shared.pop(provider, None)

    def _open_until(self, provider: str, account: str) -> datetime | None:
        own, shared = self._accounts.get(account), self._shared.get(provider)
        times = (own and own.open_until, shared and shared.open_until.get(own is not None))
        return max((time for time in times if time), default=None)
