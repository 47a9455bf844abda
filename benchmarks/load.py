"""The rate of bookings that this machine's local stack holds, from request to both emails.

    python -m benchmarks.load

Each step sends bookings at a steady rate for some seconds, then waits until every email is in the mailbox. A rate is
held if that takes at most `HELD_SECONDS` after the last request: the work was done as fast as it came. The local stack
runs every function, the emulated AWS and the provider on the same cores, so its rate is a small part of Lambda's.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from statistics import quantiles

import httpx
from msgspec import Struct

from benchmarks.accept import body
from infra.local.demo import DemoSteps
from infra.local.stack import CALENDAR_ID, LocalStack, Ports

RATES = (2, 4, 8, 16)
HELD_SECONDS = 3.0
_EMAILS = 2
_CALLERS = 32
_GIVE_UP_SECONDS = 120
_PROVIDER = "daily"
"""Zoom lets a host have 100 meetings a day."""


class Step(Struct, frozen=True):
    """What one rate did."""

    rate: int
    bookings: int
    accepted_p95_seconds: float
    drained_seconds: float
    """From the last request to the last email."""

    @property
    def is_held(self) -> bool:
        return self.drained_seconds <= HELD_SECONDS


def run(rates: tuple[int, ...] = RATES, seconds: int = 15) -> Iterator[Step]:
    """Measure each rate in turn, until one is not held."""
    before = dict(os.environ)
    limits = ("MEETLINK_RATE_BURST", "MEETLINK_RATE_PER_SECOND", "MEETLINK_MAILS_PER_MINUTE", "MEETLINK_MAILS_PER_DAY")
    os.environ |= dict.fromkeys(limits, "1000000")
    try:
        with redirect_stdout(StringIO()), LocalStack(Ports(), provider=_PROVIDER) as stack:
            steps = DemoSteps(stack)
            steps.connect()
            steps.choose_video()
            for rate in rates:
                step = _measure(stack, rate, rate * seconds)
                yield step
                if not step.is_held:
                    return
    finally:
        os.environ.clear()
        os.environ.update(before)


def _measure(stack: LocalStack, rate: int, bookings: int) -> Step:
    expected = len(stack.mailbox.mails()) + _EMAILS * bookings
    headers = {"Authorization": f"Bearer {stack.demo.api_key}"}
    with httpx.Client(base_url=stack.app_url, headers=headers, timeout=60) as api:

        def book(number: int) -> float:
            begun = time.perf_counter()
            path = f"/v1/bookings/load-{rate}-{number}"
            api.put(path, json=body() | {"calendar_id": CALENDAR_ID}).raise_for_status()
            return time.perf_counter() - begun

        with ThreadPoolExecutor(_CALLERS) as pool:
            begun, pending = time.perf_counter(), []
            for number in range(bookings):
                time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
                pending.append(pool.submit(book, number))
            times = [one.result() for one in pending]
    ended = time.perf_counter()
    while len(stack.mailbox.mails()) < expected and time.perf_counter() - ended < _GIVE_UP_SECONDS:
        time.sleep(0.1)
    return Step(rate, bookings, quantiles(times, n=20)[18], time.perf_counter() - ended)


def main() -> int:
    """Print a row for each rate."""
    shown = sys.stdout  # While the stack runs, its log lines have no place to go.
    print("| bookings a second | bookings | accepted, p95 | last email after | |\n|---|---|---|---|---|", file=shown)
    for step in run():
        cells = (f"{step.accepted_p95_seconds:.2f} s", f"{step.drained_seconds:.1f} s", "held" if step.is_held else "")
        print(f"| {step.rate} | {step.bookings} | {' | '.join(cells)} |", file=shown, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
