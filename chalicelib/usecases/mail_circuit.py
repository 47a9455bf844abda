"""Stop sending email while SES refuses the account or a sender, in all processes of the stage at once.

SES would refuse every email: the account is in the sandbox or suspended, or its quota is used up. The circuit opens at
the first refusal. From then on one email at a time is sent as a probe, after a pause that grows from 1 to 15 minutes.
An email that SES accepts closes the circuit. Until then bookings wait without a call and without a mark that a send was
started.

Unlike the state of `usecases.circuit_breaker`, this state is a shared row: such a fault lasts for hours or days, and
each new process would have to find it by calls of its own. A process reads the row at most once a minute. A process
that cannot read the row sends email: the circuit must not cause an outage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from threading import Lock
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.invitation import Invite
from chalicelib.errors import LostRace, MailAccountError, MailUnavailable, StoreError
from chalicelib.observability import log
from chalicelib.store.ephemeral import EphemeralStore

SHORTEST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=15)
SPREAD = timedelta(minutes=1)
"""The bookings that wait for a probe are spread over this time, so that they do not all return at the same moment."""
_PROBE = timedelta(seconds=20)
"""The longest that a probe takes."""
_MAX_AGE = timedelta(minutes=1)
_ROW_LIFE = timedelta(days=2)


class _Open(Struct, frozen=True):
    """An open circuit."""

    code: str
    """SES's reason."""
    failures: int
    """Refusals in a row."""
    probe_at: datetime
    """When the next probe may be sent."""
    probed_at: datetime | None = None
    """When the last probe was started; None: it was refused."""


class _View(Struct, frozen=True):
    """The row as this process last read or wrote it."""

    read_at: datetime
    version: int
    state: _Open | None
    """None while the circuit is closed."""


class MailCircuit:
    """A circuit for the account, and one for each sender, because workspaces may have their own. Thread-safe."""

    def __init__(self, rows: EphemeralStore, clock: Callable[[], datetime], random: Random) -> None:
        self._rows = rows
        self._clock = clock
        self._random = random
        self._views: dict[str, _View] = {}
        self._lock = Lock()

    def check(self, sender: str) -> datetime | None:
        """Return when to retry, if no email of `sender` may be sent now.

        None: the caller may send. Its email may be the probe: no other caller may send before the outcome is recorded
        or the next probe is due.
        """
        return next((retry_at for key in _keys(sender) if (retry_at := self._check(key))), None)

    def record_refusal(self, error: MailAccountError, sender: str) -> datetime:
        """Open the circuit, because SES refused an email of `sender`. Return when to retry."""
        key = _keys(sender)[0 if error.concerns_sender else 1]
        view = self._current(key)
        with self._lock:
            view = self._views.get(key, view)
            state = replace(view.state or self._after_refusal(error.code, 0), probed_at=None)
            self._views[key] = replace(view, state=state)
        # The probe of an open circuit was recorded as refused when it was started.
        if view.state is None and self._swap(key, view.version, state):
            log.warning("email paused: SES refuses every email", code=state.code, probe_at=state.probe_at.isoformat())
        return self._retry_at(state)

    def record_success(self, sender: str) -> None:
        """Close the circuit, because SES accepted an email of `sender`."""
        for key in _keys(sender):
            with self._lock:
                view = self._views.get(key)
                if view is None or view.state is None:
                    continue
                self._views[key] = replace(view, state=None)
            if self._swap(key, view.version, None):
                log.info("email works again", code=view.state.code, refused=view.state.failures)

    def _check(self, key: str) -> datetime | None:
        view = self._current(key)
        with self._lock:
            view = self._views.get(key, view)
            if view.state is None:
                return None
            if self._clock() < view.state.probe_at:
                return self._retry_at(view.state)
            # Record the probe as refused. If it is, nothing has to be written later. Other threads see it at once.
            state = replace(self._after_refusal(view.state.code, view.state.failures), probed_at=self._clock())
            self._views[key] = replace(view, state=state)
        if self._swap(key, view.version, state):
            return None
        current = self._views[key].state  # Another process sends the probe, or has closed the circuit.
        return self._retry_at(current) if current else None

    def _after_refusal(self, code: str, failures: int) -> _Open:
        """Return the state after one more refusal."""
        bound = min(SHORTEST_PAUSE * (1 << min(failures, 10)), LONGEST_PAUSE)
        pause = max(SHORTEST_PAUSE, bound * self._random.uniform(0.5, 1))
        return _Open(code, failures + 1, self._clock() + pause)

    def _retry_at(self, state: _Open) -> datetime:
        """Return when to retry an email that waits: after the probe that is under way, else after the next one."""
        now, at = self._clock(), state.probe_at
        if state.probed_at is not None and now < state.probed_at + _PROBE:
            at = state.probed_at + _PROBE
        return max(at, now) + SPREAD * self._random.random()

    def _current(self, key: str) -> _View:
        """Return the row as it was at most a minute ago."""
        with self._lock:
            now, view = self._clock(), self._views.get(key)
            if view is not None:
                if now - view.read_at < _MAX_AGE:
                    return view
                self._views[key] = replace(view, read_at=now)  # One thread reads. The others use the cached row.
        return self._read(key)

    def _read(self, key: str) -> _View:
        try:
            state, version = self._rows.load(key, _Open, self._clock())
        except StoreError as error:
            log.warning("mail circuit could not be read", error=type(error).__name__)
            return self._remember(key, None)
        return self._remember(key, _View(self._clock(), version, state))

    def _swap(self, key: str, version: int, state: _Open | None) -> bool:
        """Write this process's state. Return False if another process wrote first; its state is then read.

        If the row cannot be written, the process continues with its own state.
        """
        now = self._clock()
        try:
            self._rows.swap(key, state, now if state is None else state.probe_at + _ROW_LIFE, version)
        except LostRace:
            self._read(key)
            return False
        except StoreError as error:
            log.warning("mail circuit could not be written", error=type(error).__name__)
        else:
            self._remember(key, _View(now, version + 1, state))
        return True

    def _remember(self, key: str, view: _View | None) -> _View:
        """Cache the row. None: keep the cached one, which is a closed circuit at first."""
        with self._lock:
            current = view or self._views.get(key) or _View(self._clock(), 0, None)
            self._views[key] = current
        return current


class Mailer(Protocol):
    """Hands emails over. Raises `MailUnavailable` (retry) or `MailRejected` (do not retry)."""

    def send(self, invite: Invite) -> str: ...

    def send_notice(self, to: str, subject: str, text: str, html: str) -> str: ...


class GuardedMailer:
    """A mailer behind the circuit. Call `check` before a send is marked, once for several emails.

    An email that SES refuses because of the account or the sender raises `MailUnavailable` with `retry_at`.
    """

    def __init__(self, mailer: Mailer, circuit: MailCircuit, own_sender: str) -> None:
        self._mailer = mailer
        self._circuit = circuit
        self._own_sender = own_sender

    def check(self, sender: str | None = None) -> datetime | None:
        """Return when to retry, if no email of `sender` may be sent now; None: the caller may send."""
        return self._circuit.check(sender or self._own_sender)

    def send(self, invite: Invite) -> str:
        """Send the email. Return the SES message id. Raises `MailUnavailable` or `MailRejected`."""
        return self._guarded(invite.sender or self._own_sender, lambda: self._mailer.send(invite))

    def send_notice(self, to: str, subject: str, text: str, html: str) -> str:
        """Send a notice from the stage's own sender. Returns and raises as `send` does."""
        return self._guarded(self._own_sender, lambda: self._mailer.send_notice(to, subject, text, html))

    def _guarded(self, sender: str, send: Callable[[], str]) -> str:
        try:
            message_id = send()
        except MailAccountError as error:
            retry_at = self._circuit.record_refusal(error, sender)
            raise MailUnavailable(str(error), retry_at=retry_at) from error
        self._circuit.record_success(sender)
        return message_id


def _keys(sender: str) -> tuple[str, str]:
    """Return the rows that apply to an email of `sender`: the sender's and the account's."""
    digest = hashlib.sha256(sender.casefold().encode()).hexdigest()[:32]
    return f"mail-circuit#{digest}", "mail-circuit"
