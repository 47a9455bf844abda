"""Retry-After in every form that providers send, and in none (RFC 9110, 10.2.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib.providers.http_client import parse_retry_after

NOW = datetime(2026, 3, 1, 23, 59, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
LATEST = NOW + timedelta(hours=25)

READABLE = {
    "seconds": ("30", NOW + timedelta(seconds=30)),
    "seconds with blanks": (" 30 ", NOW + timedelta(seconds=30)),
    "no seconds": ("0", NOW),
    "an HTTP date": ("Mon, 02 Mar 2026 00:00:00 GMT", MIDNIGHT),
    "an HTTP date of the obsolete kind": ("Monday, 02-Mar-26 00:00:00 GMT", MIDNIGHT),
    "an ISO date-time, as in Zoom's daily limit": ("2026-03-02T00:00:00Z", MIDNIGHT),
    "an ISO date-time with an offset": ("2026-03-02T01:00:00+01:00", MIDNIGHT),
    "an ISO date-time without one is UTC": ("2026-03-02T00:00:00", MIDNIGHT),
    "what is past means now": ("Sun, 01 Mar 2026 12:00:00 GMT", NOW),
    "what is far means 25 hours": ("2031-01-01T00:00:00Z", LATEST),
    "many seconds mean 25 hours": ("86400000", LATEST),
    "very many seconds mean 25 hours": ("9" * 5000, LATEST),
}
UNREADABLE = ["", " ", "soon", "-5", "1.5", "1e3", "2026-13-45T00:00:00Z", "Mon, 99 Xyz 2026", "\xb2", "\u0663", "0x10"]


@pytest.mark.parametrize(("text", "moment"), READABLE.values(), ids=READABLE)
def test_the_time_to_wait_for_is_read(text: str, moment: datetime) -> None:
    assert parse_retry_after({"Retry-After": text}, NOW) == moment


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_says_nothing_readable_is_as_good_as_absent(text: str) -> None:
    assert parse_retry_after({"Retry-After": text}, NOW) is None


def test_without_the_header_there_is_no_time() -> None:
    assert parse_retry_after({}, NOW) is None


def test_the_headers_name_is_read_in_any_case() -> None:
    assert parse_retry_after(httpx.Headers({"retry-after": "5"}), NOW) == NOW + timedelta(seconds=5)


@given(st.text() | st.datetimes(timezones=st.timezones()).map(datetime.isoformat))
@example("Mon, 99999999999999999999 Jan 2026 00:00:00 GMT")
@example("Mon, 01 Jan 2026 00:00:00 +9999999999")
@example("0001-01-01T00:00:00+23:59")
@example("9999-12-31T23:59:59-23:59")
def test_whatever_is_sent_the_time_is_none_or_within_25_hours(text: str) -> None:
    moment = parse_retry_after({"Retry-After": text}, NOW)
    assert moment is None or (moment.tzinfo is not None and NOW <= moment <= LATEST)
