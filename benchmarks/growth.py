"""What more bookings, more that are due at once and more connections cost: calls, rows read, and memory.

DynamoDB in memory counts what is asked of it. That is what grows or does not: a real one answers each such call in
the same time regardless of the other rows.
"""

from __future__ import annotations

import gc
import logging
import os
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.measure import Line, bounded, compare
from benchmarks.memory import Context, Deployment, deployment
from tests.chaos.dynamo import PREFIX


def run(many: int = 100_000, due: int = 500, settled: int = 5_000) -> Iterator[Line]:
    """The lines of this benchmark."""
    from chalicelib.handlers import booking_stream

    with deployment() as product:
        booking_stream.settle_records({"Records": product.book(1)}, Context(), product.services)
        few = _costs(product)
        _fill(product, many)
        full = _costs(product)
        for what in few:
            name = f"{what}, {many:,} bookings and connections"
            yield compare(name, [full[what]], "with 1", [few[what]], "calls + rows", aim=1.0)
        alone, together = _tick(product, 1), _tick(product, due)
        yield compare(f"tick, for each of {due:,} due", [together / due], "for 1", [alone], "calls", aim=1.0)
        yield bounded("memory kept for each booking settled", [_kept(product, due)], "limit", 100, "bytes")
    # In a process of its own: the memory that the rows above have freed would hide a leak.
    with ProcessPoolExecutor(1, get_context("spawn"), logging.disable, (logging.ERROR,)) as pool:
        end, tenth = pool.submit(resident, settled).result()
    yield compare(f"memory after {settled:,} settled", [end], "after a tenth of them", [tenth], "MiB", aim=1.05)


def _costs(product: Deployment) -> dict[str, float]:
    """Calls and rows for one booking accepted, settled, listed; and for a tick with nothing due."""
    from chalicelib.handlers import booking_stream
    from chalicelib.store.booking_lists import BookingQuery

    services = product.services
    found: dict[str, float] = {}

    def measured(what: str) -> None:
        found[what] = product.calls.total() + product.rows
        product.calls.clear()
        product.rows = 0

    measured("")
    records = product.book(1)
    measured("accepting")
    booking_stream.settle_records({"Records": records}, Context(), services)
    measured("settling")
    services.booking_store.page(BookingQuery("ws"), limit=1, after=None)
    measured("a page of one")
    booking_stream.settle_due(Context(), services)
    measured("a tick with nothing due")
    return {what: cost for what, cost in found.items() if what}


def _fill(product: Deployment, many: int) -> None:
    """Copies of a settled booking and of its connection, under other ids."""
    tables = product.memory._tables
    for name, key in (("bookings", "booking_id"), ("connections", "user_id")):
        table = tables[PREFIX + name]
        row = deepcopy(next(iter(table.items.values())))
        for number in range(many):
            copy: dict[str, Any] = {**row, key: {"S": f"copy-{number}"}}
            if name == "bookings":
                copy["start_key"] = {"S": f"{row['start_key']['S']}-{number}"}
            table.items[table.key(copy)] = copy


def _tick(product: Deployment, due: int) -> float:
    from chalicelib.handlers import booking_stream

    product.book(due)
    product.calls.clear()
    done = booking_stream.settle_due(Context(lives=60_000), product.services)
    assert done["bookings"] >= due, done
    return float(product.calls.total())


def resident(count: int) -> tuple[float, float]:
    """MiB that this process occupies after so many were settled, and after a tenth of them; the database is emptied."""
    from chalicelib.handlers import booking_stream

    sizes = []
    with deployment() as product:
        for _ in range(10):
            for size in (count // 10 % 100, *[100] * (count // 1_000)):
                booking_stream.settle_records({"Records": product.book(size)}, Context(), product.services)
                product.empty()
            sizes.append(_resident_pages() * os.sysconf("SC_PAGE_SIZE") / 2**20)
    return sizes[-1], sizes[0]


def _resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def _kept(product: Deployment, count: int) -> float:
    """Bytes that the process still holds for each booking when the database, which is in it too, has been emptied."""
    from chalicelib.handlers import booking_stream

    def settle() -> None:
        booking_stream.settle_records({"Records": product.book(count)}, Context(), product.services)

    def held() -> int:
        product.empty()
        gc.collect()
        ours = tracemalloc.Filter(True, "*/chalicelib/*")
        return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces([ours]).statistics("filename"))

    settle()
    tracemalloc.start()
    before = held()
    settle()
    kept = (held() - before) / count
    tracemalloc.stop()
    return max(kept, 0.0)
