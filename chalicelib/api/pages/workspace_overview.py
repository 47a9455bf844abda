"""`/workspace/overview`: links made and failed by day, how long links take, and what waits now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from chalice.app import Response
from msgspec import Struct

from chalicelib.api.calls import Call
from chalicelib.api.pages.overview_charts import TIME_TICKS, nested_bars, round_up, stacked_bars
from chalicelib.api.pages.workspace_shell import (
    member_audience,
    render_workspace_error,
    require_member,
    workspace_page,
)
from chalicelib.api.routing import PageRoutes
from chalicelib.domain.connection import ConnectionState
from chalicelib.domain.daily_counts import LIMITS, DayCounts, total
from chalicelib.domain.meeting import MeetingState
from chalicelib.errors import IndexUnavailable
from chalicelib.store.booking_lists import BookingQuery, count_troubled
from chalicelib.usecases.connection_lists import ConnectionFilter

if TYPE_CHECKING:
    from chalicelib.wording import Wording

routes = PageRoutes(render_workspace_error)
PERIODS = (7, 30, 90)
_PERIOD = 30
_BROKEN_COUNTED = 100


class ShownDay(Struct, frozen=True):
    """A row of the table."""

    day: str
    links: int
    failures: int
    median: str
    p95: str


@routes.get("/workspace/overview")
def show_overview(call: Call) -> Response:
    session = require_member(call)
    wording, workspace_id = member_audience(call, session).wording, session.workspace.workspace_id
    period = next((days for days in PERIODS if str(days) == call.query("days")), _PERIOD)
    today = call.services.clock().astimezone(UTC).date()
    days = [today - timedelta(days=back) for back in reversed(range(period))]
    stored = call.services.daily_count_store.read(workspace_id, days[0], today)
    counts = [stored.get(day, DayCounts()) for day in days]
    shown = [_show_day(day, day_counts, wording) for day, day_counts in zip(days, counts, strict=True)]
    top = round_up(max(day.links + day.failures for day in counts))
    titles = [f"{row.day}: {row.links} · {row.failures}" for row in shown]
    return workspace_page(
        call,
        session,
        "overview",
        sums=_show_day(today, total(counts), wording),
        waiting=_count_waiting(call, workspace_id),
        broken=_count_broken(call, workspace_id),
        period=period,
        periods=PERIODS,
        days=shown,
        links_chart=stacked_bars([(day.links, day.failures) for day in counts], top, 3, titles),
        links_ticks=(top, top // 2, 0),
        times_chart=nested_bars(_times(counts), [f"{row.day}: {row.median} · {row.p95}" for row in shown]),
        times_ticks=[_tick(seconds, wording) for seconds in reversed(TIME_TICKS)],
    )


def _show_day(day: date, counts: DayCounts, wording: Wording) -> ShownDay:
    shown = wording.formats.format_short_date(datetime.combine(day, time(), UTC))
    median, p95 = (_duration(counts.quantile(share), wording) for share in (0.5, 0.95))
    return ShownDay(shown, counts.links, counts.failures, median, p95)


def _times(counts: Sequence[DayCounts]) -> list[tuple[float, float] | None]:
    pairs = [(day.quantile(0.5), day.quantile(0.95)) for day in counts]
    return [None if median is None or p95 is None else (median, p95) for median, p95 in pairs]


def _duration(seconds: float | None, wording: Wording) -> str:
    """Format a time to link, which is only known as precisely as its bucket."""
    texts = wording.workspace_pages.overview
    if seconds is None:
        return texts.no_figure
    if seconds >= LIMITS[-1]:
        return texts.over_an_hour
    if seconds < 1:
        return texts.under_a_second
    return (
        texts.minutes.format(count=round(seconds / 60))
        if seconds >= 120
        else texts.seconds.format(count=round(seconds))
    )


def _tick(seconds: int, wording: Wording) -> str:
    texts = wording.workspace_pages.overview
    if seconds >= 3600:
        return texts.hours.format(count=seconds // 3600)
    return texts.minutes.format(count=seconds // 60) if seconds >= 60 else texts.seconds.format(count=seconds)


def _count_waiting(call: Call, workspace_id: str) -> int | None:
    """Return how many meetings wait now; None while the index is being built."""
    now = call.services.clock()
    query = BookingQuery(workspace_id, starts_from=now, meeting_states=frozenset({MeetingState.WAITING}))
    try:
        return count_troubled(query)
    except IndexUnavailable:
        return None


def _count_broken(call: Call, workspace_id: str) -> str:
    """Return how many connections are broken, with a plus sign if only a part of the connections was read."""
    wanted = ConnectionFilter(state=ConnectionState.BROKEN)
    broken, rest = call.services.connection_lists.page(workspace_id, wanted, limit=_BROKEN_COUNTED, after=None)
    return f"{len(broken)}{'+' if rest else ''}"
