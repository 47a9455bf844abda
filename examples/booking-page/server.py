"""A booking page on meetlink, in Python: `python server.py`. README.md says what it needs."""

import json
import os
import uuid
from datetime import UTC, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from meetlink import Meetlink, ProblemError, UnavailableError
from meetlink.types import Booking, HostBody

PAGE = Path(__file__).parent / "page"
FILES = {"/page.css": "text/css", "/page.js": "text/javascript"}
PORT = int(os.environ.get("PORT", "3000"))
SITE = os.environ.get("SITE", f"http://localhost:{PORT}")
HOST_NAME = os.environ.get("HOST_NAME", "Demo Host")
HOST_EMAIL = os.environ.get("HOST_EMAIL", "host@example.com")
CALENDAR, USER, LENGTH = "introduction", "host", timedelta(minutes=30)
HOURS = range(8, 16)  # in UTC. A real page knows the host's working hours.
FIELDS, LONGEST_FORM = ("starts_at", "name", "email", "time_zone", "language"), 10_000
meetlink = Meetlink()  # MEETLINK_URL and MEETLINK_KEY of the environment


def open_calendar() -> None:
    """Create the calendar. Before that, the host must connect a video account, once."""
    host: HostBody = {"user_id": USER, "name": HOST_NAME, "email": HOST_EMAIL}
    try:
        meetlink.put_calendar(CALENDAR, {"name": "Introduction", "host": host, "location": {"type": "video"}})
    except ProblemError as error:
        link = meetlink.create_connect_link(USER, {"name": HOST_NAME, "email": HOST_EMAIL})
        raise SystemExit(f"{error.problem['detail']}\nOpen {link['url']}, then start this again.") from None


def free_slots() -> list[str]:
    """Return the starts that can be booked on the next six working days."""
    days = [datetime.now(UTC).date() + timedelta(days=n) for n in range(1, 10)]
    hours = [time(hour, minute, tzinfo=UTC) for hour in HOURS for minute in (0, 30)]
    slots = [datetime.combine(day, hour) for day in days if day.weekday() < 5 for hour in hours][: 6 * len(hours)]
    booked = meetlink.list_bookings(calendar_id=CALENDAR, status="confirmed", starts_from=slots[0].isoformat())
    taken = {booking["starts_at"] for booking in booked}
    return [start for start in (slot.strftime("%Y-%m-%dT%H:%M:%SZ") for slot in slots) if start not in taken]


def book(form: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Book a slot. Anyone who has the link of a booking can cancel it, so its id cannot be guessed."""
    if form["starts_at"] not in free_slots():
        return 409, {"error": "This time has just been taken. Please choose another one."}
    booking_id, starts_at = uuid.uuid4().hex, datetime.fromisoformat(form["starts_at"])
    booking = meetlink.put_booking(
        booking_id,
        {
            "calendar_id": CALENDAR,
            "starts_at": form["starts_at"],
            "ends_at": (starts_at + LENGTH).isoformat(),
            "time_zone": form["time_zone"],
            "title": f"Introduction: {form['name']}",
            "guests": [{"name": form["name"], "email": form["email"], "language": form["language"]}],
            "links": {"cancel": f"{SITE}/bookings/{booking_id}"},
        },
    )
    return 201, view(booking)


def view(booking: Booking) -> dict[str, Any]:
    """Return what the page shows of a booking, and no more."""
    meeting = booking["meeting"]
    shown = {"id": booking["id"], "status": booking["status"], "starts_at": booking["starts_at"], "host": HOST_NAME}
    return shown | {"state": meeting["state"], "detail": meeting["detail"], "join_url": meeting["join_url"]}


class RefusedError(Exception):
    """The request is not the page's. `args` are the status of the response and its text."""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/api/slots":
            self.respond(200, {"host": HOST_NAME, "slots": free_slots()})
        elif self.path.startswith("/api/bookings/"):
            self.respond(200, view(meetlink.get_booking(self.booking_id(), wait_seconds=20)))
        else:  # The page shows the slots, or at /bookings/… one booking.
            name = self.path if self.path in FILES else "/index.html"
            self.respond(200, (PAGE / name[1:]).read_bytes(), FILES.get(name, "text/html"))

    def do_POST(self) -> None:
        self.respond(*book(self.read_form()))

    def do_DELETE(self) -> None:
        self.respond(200, view(meetlink.cancel_booking(self.booking_id())))

    def read_form(self) -> dict[str, str]:
        length = self.headers["Content-Length"]
        if length is None:
            raise RefusedError(411, "The request needs a Content-Length.")
        if not length.isdecimal():
            raise RefusedError(400, "The Content-Length is not a number.")
        if int(length) > LONGEST_FORM:
            raise RefusedError(413, "The form is too long.")
        sent = json.loads(self.rfile.read(int(length)))
        if not isinstance(sent, dict):
            raise RefusedError(400, "The form is incomplete.")
        return {name: str(sent[name]) for name in FIELDS}

    def booking_id(self) -> str:
        return self.path.rpartition("/")[2]

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ProblemError as error:  # Such as an e-mail address that is none.
            details = [*error.errors, error.problem]
            self.respond(error.status, {"error": details[0]["detail"]})
        except RefusedError as error:
            status, text = error.args
            self.respond(status, {"error": text})
        except (KeyError, ValueError):
            self.respond(400, {"error": "The form is incomplete."})
        except UnavailableError:
            self.respond(503, {"error": "Booking is not possible right now. Please try again in a minute."})

    def respond(self, status: int, body: bytes | dict[str, Any], kind: str = "application/json") -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Security-Policy", "default-src 'self'")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    open_calendar()
    server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
    print(f"The booking page is at http://localhost:{PORT}", flush=True)
    server.serve_forever()
