"""The parts that every booking goes through, each against the library call that it cannot do without."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial

from benchmarks import mail
from benchmarks.measure import Line, alternate, compare
from benchmarks.memory import Kms
from chalicelib.domain import webhook_signing
from chalicelib.store.encryption import Encryption, Owner, Purpose

_TOKENS = os.urandom(2_000)
_EVENT = os.urandom(2_000)


def run(rounds: int = 60) -> Iterator[Line]:
    """The lines of this benchmark."""
    ours, theirs = mail.sides()
    yield _line("one invitation composed", ours, "icalendar + EmailMessage", theirs, rounds, batch=5, aim=2.0)
    ours, theirs = mail.reminder_sides()
    yield _line("one reminder composed", ours, "EmailMessage", theirs, rounds, batch=5, aim=2.0)
    ours, theirs = _signature()
    yield _line("a webhook's signature verified", ours, "hmac + base64", theirs, rounds, batch=500)
    for name, ours, theirs in _tokens():
        yield _line(name, ours, "AESGCM", theirs, rounds, batch=500)


def _line(
    name: str,
    ours: Callable[[], object],
    against: str,
    theirs: Callable[[], object],
    rounds: int,
    *,
    batch: int,
    aim: float | None = None,
) -> Line:
    mine, other = alternate(partial(_microseconds, ours, batch), partial(_microseconds, theirs, batch), rounds)
    return compare(name, mine, against, other, "CPU µs", aim=aim)


def _microseconds(act: Callable[[], object], batch: int) -> float:
    begun = time.thread_time()
    for _ in range(batch):
        act()
    return (time.thread_time() - begun) * 1_000_000 / batch


def _signature() -> tuple[Callable[[], object], Callable[[], object]]:
    key, now = os.urandom(32), datetime.now(UTC)
    headers = webhook_signing.signed_headers([key], "msg-1", now, _EVENT)
    content = f"msg-1.{int(now.timestamp())}.".encode() + _EVENT

    def bare() -> bool:
        made = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
        return hmac.compare_digest(f"v1,{made}", headers["webhook-signature"])

    assert bare() and webhook_signing.verify([key], headers, _EVENT, now)
    return partial(webhook_signing.verify, [key], headers, _EVENT, now), bare


def _tokens() -> Iterator[tuple[str, Callable[[], object], Callable[[], object]]]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    vault, owner = Encryption(Kms(), "key", lambda: datetime.now(UTC)), Owner(Purpose.TOKENS, "zoom#account-1")
    sealed, key, nonce = vault.seal(owner, _TOKENS), os.urandom(32), os.urandom(12)
    known = AESGCM(key).encrypt(nonce, _TOKENS, owner.id.encode())
    yield (
        "2 kB of tokens sealed, data key known",
        lambda: vault.seal(owner, _TOKENS),
        lambda: AESGCM(key).encrypt(os.urandom(12), _TOKENS, owner.id.encode()),
    )
    yield (
        "2 kB of tokens opened, data key known",
        lambda: vault.open(owner, sealed),
        lambda: AESGCM(key).decrypt(nonce, known, owner.id.encode()),
    )
