"""Leaves a provider alone while it is out, so that its bookings wait without trying and nobody else waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import Struct

from chalicelib.errors import ProviderUnavailable

_FAILURES = 3
PAUSE = timedelta(seconds=40)
"""Between two probes: with a probe's own timeout still less than a tick, so that every tick may find the end."""


class _Circuit(Struct):
    failures: int = 0
    open_until: datetime | None = None


class Breaker:
    """One circuit for each provider, whose credentials are the deployment's own. Safe to use from many threads.

    What is known dies with the process, and that is enough: a new one learns it by `_FAILURES` calls of its own, and
    none can be left open by somebody who died. After some failures in a row without an answer between them, one call
    in `PAUSE` is let through; its success closes the circuit.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._circuits: dict[str, _Circuit] = {}

    def check(self, provider: str) -> None:
        """Raises `ProviderUnavailable` if the provider is to be left alone now."""
        with self._lock:
            circuit = self._circuits.setdefault(provider, _Circuit())
            now = self._clock()
            if circuit.open_until is None:
                return
            if now < circuit.open_until:
                raise ProviderUnavailable(provider, "out; not asked", retry_at=circuit.open_until)
            circuit.open_until = now + PAUSE  # This call is the probe; the others go on waiting for it.

    def failed(self, provider: str) -> None:
        """A call got no answer, or one that says that the provider is out."""
        with self._lock:
            circuit = self._circuits.setdefault(provider, _Circuit())
            circuit.failures += 1
            if circuit.failures >= _FAILURES:
                circuit.open_until = self._clock() + PAUSE

    def answered(self, provider: str) -> None:
        """The provider is there, whatever it said."""
        with self._lock:
            self._circuits.pop(provider, None)

    def open_until(self, provider: str) -> datetime | None:
        """When the provider may be asked again; None if it may now."""
        with self._lock:
            circuit = self._circuits.get(provider)
            return circuit.open_until if circuit else None
