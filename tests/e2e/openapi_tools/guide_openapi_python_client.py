"""The callers' guide with a client that openapi-python-client generated."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

from generated import AuthenticatedClient
from generated.api.bookings import delete_booking, get_booking, list_bookings, put_booking
from generated.api.calendars import put_calendar
from generated.api.connections import get_connection
from generated.models import BookingBody, CalendarBody

CALENDAR, BOOKING, USER = "c-opc", "b-opc", os.environ["GUIDE_USER"]
BODY = {
    "calendar_id": CALENDAR,
    "starts_at": "2031-02-08T15:00:00+00:00",
    "ends_at": "2031-02-08T15:30:00+00:00",
    "time_zone": "Europe/Berlin",
    "guests": [{"name": "Demo Guest", "email": "guest@example.com"}],
    "metadata": {"order": {"lines": [1, "two", None]}},
}

with AuthenticatedClient(os.environ["MEETLINK_URL"], os.environ["MEETLINK_KEY"]) as client:
    connection = get_connection.sync(USER, client=client)
    host = {"user_id": USER, "name": "Demo Host", "email": "host@example.com"}
    calendar = CalendarBody.from_dict({"name": "Introduction", "host": host, "location": {"type": "video"}})
    put_calendar.sync(CALENDAR, client=client, body=calendar)
    body = BookingBody.from_dict(BODY)
    assert body.to_dict() == BODY, body
    booked = put_booking.sync(BOOKING, client=client, body=body, prefer="wait=20")
    body.starts_at, body.ends_at = datetime(2031, 2, 9, 15, tzinfo=UTC), datetime(2031, 2, 9, 15, 30, tzinfo=UTC)
    moved = put_booking.sync(BOOKING, client=client, body=body, prefer="wait=20")
    page = list_bookings.sync(client=client, meeting_state="ready", limit=100, from_=datetime(2031, 2, 1, tzinfo=UTC))
    cancelled = delete_booking.sync(BOOKING, client=client)
    missing = get_booking.sync("b-missing", client=client)

print(
    json.dumps(
        {
            "connection": connection.state,
            "booked": booked.meeting.state,
            "same_link": moved.meeting.join_url == booked.meeting.join_url,
            "metadata": moved.metadata.to_dict(),
            "listed": BOOKING in [item.id for item in page.items],
            "cancelled": cancelled.status,
            "missing": missing.type_,
        }
    )
)
