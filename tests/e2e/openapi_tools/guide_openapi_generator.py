"""The callers' guide with a client that OpenAPI Generator generated."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

import openapi_client
from openapi_client import BookingBody, BookingsApi, CalendarBody, CalendarsApi, ConnectionsApi, Problem

CALENDAR, BOOKING, USER = "c-ogc", "b-ogc", os.environ["GUIDE_USER"]
BODY = {
    "calendar_id": CALENDAR,
    "starts_at": "2031-02-08T15:00:00Z",
    "ends_at": "2031-02-08T15:30:00Z",
    "time_zone": "Europe/Berlin",
    "guests": [{"name": "Demo Guest", "email": "guest@example.com"}],
    "metadata": {"order": {"lines": [1, "two", None]}},
}
CONFIGURATION = openapi_client.Configuration(os.environ["MEETLINK_URL"], access_token=os.environ["MEETLINK_KEY"])


def missing_problem(bookings: BookingsApi) -> str:
    try:
        bookings.get_booking("b-missing")
    except openapi_client.ApiException as error:
        return str(Problem.from_json(error.body).type.value)
    raise AssertionError("A booking that does not exist was found.")


with openapi_client.ApiClient(CONFIGURATION) as client:
    bookings = BookingsApi(client)
    connection = ConnectionsApi(client).get_connection(USER)
    host = {"user_id": USER, "name": "Demo Host", "email": "host@example.com"}
    calendar = CalendarBody.from_dict({"name": "Introduction", "host": host, "location": {"type": "video"}})
    CalendarsApi(client).put_calendar(CALENDAR, calendar)
    body = BookingBody.from_dict(BODY)
    booked = bookings.put_booking(BOOKING, body, prefer="wait=20")
    body.starts_at, body.ends_at = datetime(2031, 2, 9, 15, tzinfo=UTC), datetime(2031, 2, 9, 15, 30, tzinfo=UTC)
    moved = bookings.put_booking(BOOKING, body, prefer="wait=20")
    page = bookings.list_bookings(meeting_state="ready", limit=100, var_from=datetime(2031, 2, 1, tzinfo=UTC))
    cancelled = bookings.delete_booking(BOOKING)
    missing = missing_problem(bookings)

print(
    json.dumps(
        {
            "connection": connection.state,
            "booked": booked.meeting.state,
            "same_link": moved.meeting.join_url == booked.meeting.join_url,
            "metadata": moved.metadata,
            "listed": BOOKING in [item.id for item in page.items],
            "cancelled": cancelled.status,
            "missing": missing,
        }
    )
)
