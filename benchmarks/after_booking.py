"""What people and providers do with a booking later, each against the database calls that it cannot do without.

DynamoDB is in memory on both sides, and the floor makes its calls with the same models, so only the product's own work
differs: decoding, deciding, encoding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from benchmarks.measure import Line, alternate, compare
from benchmarks.memory import Context, Deployment, deployment
from chalicelib.domain.answers import AnswerSource, Choice
from chalicelib.domain.meeting_report import MeetingReport, ReportKind
from chalicelib.store.booking_lists import BookingQuery
from chalicelib.store.references import meeting_key
from chalicelib.store.tables import BookingItem, ProviderEventItem, ReferenceItem
from chalicelib.usecases.answers import GivenAnswer

PAGE = 50
_GUEST = "guest-1@example.com"
_numbers = count(1)
Act = Callable[[], object]


def run(rounds: int = 40, batch: int = 25) -> Iterator[Line]:
    """The lines of this benchmark."""
    from chalicelib.handlers import booking_stream

    with deployment() as product:
        records = product.book(PAGE)
        booking_stream.settle_records({"Records": records}, Context(), product.services)
        for name, ours, against, theirs, size in (
            ("an answer recorded", *_answer(product), batch),
            ("a provider's event: someone leaves", *_event(product), batch),
            (f"a page of {PAGE} bookings", *_page(product), max(1, batch // 10)),
        ):
            pair = alternate(lambda: _cpu_ms(ours, size), lambda: _cpu_ms(theirs, size), rounds)  # noqa: B023
            yield compare(name, pair[0], against, pair[1], "CPU ms", aim=_AIMS[against])


_AIMS = {"1 read + 1 write": 2.0, "4 reads + 1 write": 2.0, "Query + BatchGetItem": 2.0}


def _answer(product: Deployment) -> tuple[Act, str, Act]:
    """Record an answer: the booking is read, and written on the condition that no one else answered meanwhile."""
    choices = (Choice.ACCEPTED, Choice.TENTATIVE)

    def ours() -> None:
        number, now = next(_numbers), datetime.now(UTC)
        answer = GivenAnswer(_GUEST, choices[number % 2], AnswerSource.LINK, now, None, 0)
        product.services.answers.record("ws", "b-1", answer)

    return ours, "1 read + 1 write", lambda: (_read_booking(), _write_booking())


def _event(product: Deployment) -> tuple[Act, str, Act]:
    """Process the event that someone left: the booking is found by the meeting, and the event stored once."""
    record = product.services.booking_store.get("ws", "b-1")
    assert record is not None
    meeting_id = record.settlement.meeting.id
    assert meeting_id is not None
    provider, begins = product.services.providers["zoom"], datetime.now(UTC)

    def ours() -> None:
        at = begins + timedelta(seconds=next(_numbers))
        report = MeetingReport(ReportKind.LEFT, meeting_id, at, account_id="a-1", session="s", participant="p")
        product.services.meeting_reports.receive(provider, report)

    def theirs() -> None:
        ReferenceItem.find(meeting_key("zoom", meeting_id))
        _read_booking()
        product.services.connection_store.get_with_grant("ws", "u-1", "zoom#a-1")
        key = f"zoom#{meeting_id}", str(next(_numbers))
        ProviderEventItem.find(*key)
        now = datetime.now(UTC)
        ProviderEventItem(*key, workspace_id="ws", booking_id="b-1", document="{}", expires_at=now).save()

    return ours, "4 reads + 1 write", theirs


def _page(product: Deployment) -> tuple[Act, str, Act]:
    """List bookings by their start."""

    def theirs() -> list[Any]:
        rows = list(BookingItem.by_start.query("ws", limit=PAGE))
        return list(BookingItem.batch_get([("ws", row.booking_id) for row in rows], consistent_read=True))

    return (
        lambda: product.services.booking_store.page(BookingQuery("ws"), limit=PAGE, after=None),
        ("Query + BatchGetItem"),
        theirs,
    )


def _read_booking() -> None:
    BookingItem.find("ws", "b-1")


def _write_booking() -> None:
    BookingItem("ws", "b-1").update([BookingItem.wakes.set((BookingItem.wakes | 0) + 1)])


def _cpu_ms(act: Act, batch: int) -> float:
    begun = time.thread_time()
    for _ in range(batch):
        act()
    return (time.thread_time() - begun) * 1000 / batch
