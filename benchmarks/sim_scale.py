"""Ten thousand bookings a minute, simulated: how long until the link, and what holds it up.

    python benchmarks/sim_scale.py

Bookings arrive at random at the given rate for ten minutes. Each shard of the stream is read by ten batches at a time,
each of at most 25 records (the mapping that the deployment makes). A batch is settled side by side and ends with its
slowest booking, and its processor is shared by all. A settled booking writes five records that come by again and ask
for nothing. Mails are counted against SES's rate. Times are those of docs/cost.md.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from random import Random

RATE_PER_MINUTE, MINUTES = 10_000, 10
BATCH, PARALLEL = 25, 10
CPU_SECONDS_FULL = 0.025
"""To settle one booking on a whole processor; measured."""
OWN_RECORDS = 5
_CALL = (0.5, 0.5)
"""A provider's create: median in seconds, and sigma of its logarithm."""
_FIXED_SECONDS = 0.25
"""DynamoDB, and two mails handed over."""


@dataclass(frozen=True)
class Setup:
    shards: int
    memory_mb: int
    mails_per_second: float


@dataclass(frozen=True)
class Result:
    p50: float
    p99: float
    left: int
    """Bookings without a link when arrivals end."""
    busy: int
    """Most functions running at once."""
    mails_left: int


def simulate(setup: Setup, seed: int = 1) -> Result:
    random = Random(seed)
    share = min(1.0, setup.memory_mb / 1769)
    lanes = setup.shards * PARALLEL
    queues: list[deque[float | None]] = [deque() for _ in range(lanes)]
    free = [True] * lanes
    events: list[tuple[float, int, str, int, tuple[float, ...]]] = []
    serial, ends = 0, MINUTES * 60.0

    def at(when: float, kind: str, lane: int, born: tuple[float, ...] = ()) -> None:
        nonlocal serial
        serial += 1
        heapq.heappush(events, (when, serial, kind, lane, born))

    def begin(now: float, lane: int) -> None:
        queue = queues[lane]
        if not queue or not free[lane]:
            return
        records = [queue.popleft() for _ in range(min(BATCH, len(queue)))]
        born = tuple(record for record in records if record is not None)
        calls = [random.lognormvariate(0, _CALL[1]) * _CALL[0] for _ in born]
        cpu = CPU_SECONDS_FULL / share * len(born)
        took = 0.01 + (max([*calls, cpu]) + _FIXED_SECONDS if born else 0.0)
        free[lane] = False
        at(now + took, "end", lane, born)

    when = 0.0
    while (when := when + random.expovariate(RATE_PER_MINUTE / 60)) < ends:
        at(when, "booked", random.randrange(lanes))
    waits, left, busy, mails = [], 0, 0, 0.0
    total = sum(1 for event in events)
    while events:
        now, _, kind, lane, born = heapq.heappop(events)
        if kind == "booked":
            queues[lane].append(now)
        else:
            free[lane] = True
            waits += [now - one for one in born]
            queues[lane].extend([None] * (OWN_RECORDS * len(born)))
            mails += 2 * len(born) if now < ends else 0
        begin(now, lane)
        busy = max(busy, lanes - sum(free)) if serial % 50 == 0 else busy
        if now <= ends:
            left = total - len(waits)
    waits.sort()
    mails_left = max(0, int(mails - setup.mails_per_second * ends))
    return Result(waits[len(waits) // 2], waits[int(len(waits) * 0.99)], left, busy, mails_left)


def main() -> None:
    print("| shards | memory | link p50 | link p99 | without a link after 10 min | functions at once |")
    print("|---|---|---|---|---|---|")
    for shards, memory in ((1, 512), (2, 512), (4, 512), (8, 512), (4, 1769), (8, 1769)):
        r = simulate(Setup(shards, memory, 400))
        print(f"| {shards} | {memory} MB | {r.p50:.1f} s | {r.p99:.1f} s | {r.left} | {r.busy} |")
    for mails in (14, 100, 400):
        print(f"{mails} mails a second: {simulate(Setup(8, 512, mails)).mails_left} mails behind after 10 min")


if __name__ == "__main__":
    main()
