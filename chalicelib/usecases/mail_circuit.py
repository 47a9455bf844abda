"""Stop mailing while SES refuses the account or a sender, in all processes of the stage at once.

Every mail would be refused: by a sandbox, a suspended account, a used-up quota. The circuit opens at the first refusal.
From then on one mail at a time is tried, the probe, after a pause that grows from 1 to 15 minutes; a mail that SES
accepts closes the circuit. Until then bookings wait without a call, and without a mark that a send was begun.

Unlike a provider's breaker (`usecases.breaker`) the state is a shared row: such a fault lasts for hours or days, and
each new process would learn of it by calls of its own. A process reads the row at most once a minute. A process that
cannot read it sends: the circuit must not cause an outage.
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
from chalicelib.errors import LostRace, MailAccountError, StoreError
from chalicelib.observability import log
from chalicelib.store.ephemeral import EphemeralStore

SHORTEST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(minutes=15)
SPREAD = timedelta(minutes=1)
"""How far apart the bookings that wait for a probe come back: not all in the moment when it is due."""
_PROBE = timedelta(seconds=20)
"""The longest that a probe takes."""
_RECENT = timedelta(minutes=1)
_KEPT = timedelta(days=2)


class _Open(Struct, frozen=True):
    """An open circuit. `failures` counts refusals in a row. The next probe is allowed from `probe_at` on.

    `probed_at` is when the last one was begun, None once it is known to be refused.
    """

    code: str
    failures: int
    probe_at: datetime
    probed_at: datetime | None = None


class _View(Struct, frozen=True):
    """The row as this process read or wrote it last; `state` is None while the circuit is closed."""

    read_at: datetime
    version: int
    state: _Open | None


class MailCircuit:
    """A circuit for the account and one for each sender, as workspaces may have their own. Thread-safe."""

    def __init__(self, rows: EphemeralStore, clock: Callable[[], datetime], random: Random) -> None:
        self._rows = rows
        self._clock = clock
        self._random = random
        self._views: dict[str, _View] = {}
        self._lock = Lock()

    def check(self, sender: str) -> datetime | None:
        """When to try again, if no mail of `sender` may be sent now.

        None allows the caller to send. That may be the probe: no other caller may send before its outcome is known, or
        the next probe is due.
        """
        return next((again_at for key in _keys(sender) if (again_at := self._check(key))), None)

    def refused(self, error: MailAccountError, sender: str) -> datetime:
        """Open the circuit, as SES refused a mail of `sender`; when to try again."""
        key = _keys(sender)[0 if error.concerns_sender else 1]
        view = self._current(key)
        with self._lock:
            view = self._views.get(key, view)
            state = replace(view.state or self._following(error.code, 0), probed_at=None)
            self._views[key] = replace(view, state=state)
        # An open circuit has noted the probe as refused when it was begun.
        if view.state is None and self._swap(key, view.version, state):
            log.warning("mail is paused: SES refuses every mail", code=state.code, probe_at=state.probe_at.isoformat())
        return self._again_at(state)

    def accepted(self, sender: str) -> None:
        """Close the circuit, as SES took a mail of `sender`."""
        for key in _keys(sender):
            with self._lock:
                view = self._views.get(key)
                if view is None or view.state is None:
                    continue
                self._views[key] = replace(view, state=None)
            if self._swap(key, view.version, None):
                log.info("mail works again", code=view.state.code, refused=view.state.failures)

    def _check(self, key: str) -> datetime | None:
        view = self._current(key)
        with self._lock:
            view = self._views.get(key, view)
            if view.state is None:
                return None
            if self._clock() < view.state.probe_at:
                return self._again_at(view.state)
            # As if the probe were refused: if it is, nothing needs to be written. Other threads see it at once.
            state = replace(self._following(view.state.code, view.state.failures), probed_at=self._clock())
            self._views[key] = replace(view, state=state)
        if self._swap(key, view.version, state):
            return None
        state_now = self._views[key].state  # Another process has the probe, or has closed the circuit.
        return self._again_at(state_now) if state_now else None

    def _following(self, code: str, failures: int) -> _Open:
        """The state after one more refusal."""
        bound = min(SHORTEST_PAUSE * (1 << min(failures, 10)), LONGEST_PAUSE)
        pause = max(SHORTEST_PAUSE, bound * self._random.uniform(0.5, 1))
        return _Open(code, failures + 1, self._clock() + pause)

    def _again_at(self, state: _Open) -> datetime:
        """For a mail that waits: soon after a probe that is under way, else after the next one."""
        now, at = self._clock(), state.probe_at
        if state.probed_at is not None and now < state.probed_at + _PROBE:
            at = state.probed_at + _PROBE
        return max(at, now) + SPREAD * self._random.random()

    def _current(self, key: str) -> _View:
        """The row as it was at most a minute ago."""
        with self._lock:
            now, view = self._clock(), self._views.get(key)
            if view is not None:
                if now - view.read_at < _RECENT:
                    return view
                self._views[key] = replace(view, read_at=now)  # One thread reads; the others go on with what is known.
        return self._read(key)

    def _read(self, key: str) -> _View:
        try:
            state, version = self._rows.load(key, _Open, self._clock())
        except StoreError as error:
            log.warning("the mail circuit cannot be read", error=type(error).__name__)
            return self._remember(key, None)
        return self._remember(key, _View(self._clock(), version, state))

    def _swap(self, key: str, version: int, state: _Open | None) -> bool:
        """Write this process's state; False if another process wrote first, whose state is then known.

        A row that cannot be written keeps no process from going on with what it knows.
        """
        now = self._clock()
        try:
            self._rows.swap(key, state, now if state is None else state.probe_at + _KEPT, version)
        except LostRace:
            self._read(key)
            return False
        except StoreError as error:
            log.warning("the mail circuit cannot be written", error=type(error).__name__)
        else:
            self._remember(key, _View(now, version + 1, state))
        return True

    def _remember(self, key: str, view: _View | None) -> _View:
        """Keep what was read or written; None keeps what was known before, at first a closed circuit."""
        with self._lock:
            known = view or self._views.get(key) or _View(self._clock(), 0, None)
            self._views[key] = known
        return known


class Postman(Protocol):
    """Hands mails over. Raises `MailUnavailable` (try again) or `MailRejected` (never)."""

    def send(self, invite: Invite) -> str: ...

    def send_notice(self, to: str, subject: str, text: str, html: str) -> str: ...


class GuardedMailer:
    """A mailer behind the circuit. Call `check` before anything is written down for a mail, and once for several.

    Errors that open the circuit carry `retry_at`.
    """

    def __init__(self, mailer: Postman, circuit: MailCircuit, own_sender: str) -> None:
        self._mailer = mailer
        self._circuit = circuit
        self._own_sender = own_sender

    def check(self, sender: str | None = None) -> datetime | None:
        """When to try again, if no mail of `sender` may be sent now; None if the caller may send."""
        return self._circuit.check(sender or self._own_sender)

    def send(self, invite: Invite) -> str:
        """Mail `invite`; the SES message id. Raises `MailUnavailable`, `MailRejected`."""
        return self._guarded(invite.sender or self._own_sender, lambda: self._mailer.send(invite))

    def send_notice(self, to: str, subject: str, text: str, html: str) -> str:
        """Mail a notice from the stage's own sender. Raises as `send` does."""
        return self._guarded(self._own_sender, lambda: self._mailer.send_notice(to, subject, text, html))

    def _guarded(self, sender: str, send: Callable[[], str]) -> str:
        try:
            message_id = send()
        except MailAccountError as error:
            error.retry_at = self._circuit.refused(error, sender)
            raise
        self._circuit.accepted(sender)
        return message_id


def _keys(sender: str) -> tuple[str, str]:
    """The rows that decide about a mail of `sender`: the sender's and the account's."""
    digest = hashlib.sha256(sender.casefold().encode()).hexdigest()[:32]
    return f"mail-circuit#{digest}", "mail-circuit"
