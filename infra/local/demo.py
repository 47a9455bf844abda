"""`make demo`: connect, book, reschedule, cancel and disconnect on the local stack. Stops at the first failed check."""

from __future__ import annotations

import os
import re
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import httpx

from chalicelib.domain.attendance import DECIDED_AFTER
from chalicelib.providers.registry import PROVIDERS
from infra.local.aws import LocalAwsError
from infra.local.calendar_entries import invited_entries, read_calendar_part
from infra.local.console.mailbox import Mail
from infra.local.stack import CALENDAR_ID, HOST_EMAIL, HOST_NAME, USER_ID, LocalStack, Ports
from infra.local.standins.base import HeldMeeting
from infra.local.standins.catalogue import UnknownProvider
from infra.local.visitor import press

GUEST = {"name": "Demo Guest", "email": "guest@example.com", "time_zone": "America/New_York"}
_WAIT_SECONDS = 20


class FailedCheck(Exception):
    """A step did not have the expected result."""


@dataclass(frozen=True)
class Received:
    """An email as its recipient gets it."""

    to: str
    subject: str
    text: str
    event: Any
    """The calendar part; None if the recipient's entry is the event that the provider wrote."""
    method: str | None
    at: float


class DemoSteps:
    """The steps of the demo. Each prints its result."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        key = {"Authorization": f"Bearer {stack.demo.api_key}"}
        self.links: dict[str, str] = {}
        self.api = httpx.Client(base_url=stack.app_url, headers=key, timeout=40)
        self._writes_events = PROVIDERS[stack.stand_in.provider].writes_calendar_events
        self._former_mails = 0
        self._former_meetings: set[str] = set()

    def run(self) -> None:
        self.video_is_unavailable()
        self.connect()
        self.choose_video()
        link = self.book()
        self.reschedule(link)
        self.decline()
        self.cancel()
        self.take_place()
        self.disconnect()

    def video_is_unavailable(self) -> None:
        report("A workspace with an API key", f"{self.stack.demo.workspace_id}, key {self.stack.demo.api_key[:16]}...")
        video = self._locations()["video"]
        check(video["available"] is False and video["reason"] == "not_connected", f"video was available: {video}")
        report("Video before connecting", f"unavailable: {video['reason']}")

    def connect(self) -> None:
        link = self._call("POST", f"/v1/users/{USER_ID}/connect-links", json={"email": HOST_EMAIL}, expect=201)
        report("Connect link", link["url"][: len(self.stack.app_url) + 18] + "...")
        with httpx.Client(timeout=30) as browser:
            settings = press(browser, browser.get(link["url"]), "/connect/")
            page = self._sign_in(browser, settings)
        check("Connected" in page.text, "the settings page does not show the account as connected")
        connection = self._call("GET", f"/v1/users/{USER_ID}/connection")
        check(connection["state"] == "connected", f"the connection is {connection['state']}")
        name = self.stack.provider_name
        how = "Signed in and consented" if self.stack.stand_in.sign_in else "Filled in and checked the form"
        report(how, f"connected at {name} as {connection['account']['email']}")

    def _sign_in(self, browser: httpx.Client, settings: httpx.Response) -> httpx.Response:
        stand_in = self.stack.stand_in
        if stand_in.sign_in is None:
            return press(browser, settings, f"/settings/connect/{stand_in.provider}", typed=stand_in.key_form)
        redirect = press(browser, settings, f"/oauth/{stand_in.provider}/start", follow=False)
        back = stand_in.sign_in(browser, redirect.headers["Location"])
        return browser.get(back, follow_redirects=True)

    def choose_video(self) -> None:
        check(self._locations()["video"]["available"] is True, "video is not available after connecting")
        calendar = {
            "name": "Introduction",
            "host": {"user_id": USER_ID, "name": HOST_NAME, "email": HOST_EMAIL, "time_zone": "Europe/Berlin"},
            "location": {"type": "video"},
        }
        self._call("PUT", f"/v1/calendars/{CALENDAR_ID}", json=calendar)
        report("Calendar's meeting location", "video")

    def book(self) -> str:
        # Another run on the same stack can have left some: a meeting that took place stays at the provider.
        self._former_mails = len(self.stack.mailbox.mails(HOST_EMAIL))
        self._former_meetings = {meeting.id for meeting in self._held()}
        started_at, seen = time.monotonic(), len(self.stack.mailbox.mails())
        booking = self._put("b-1", days=7, expect=201)
        if booking["meeting"]["state"] == "pending":
            booking = self._call("GET", "/v1/bookings/b-1", headers={"Prefer": f"wait={_WAIT_SECONDS}"})
        linked = time.monotonic() - started_at
        link = booking["meeting"]["join_url"]
        check(booking["meeting"]["state"] == "ready" and link, f"the meeting is {booking['meeting']}")
        report("Booked, with the join link", link)
        mails = self._mails(seen, 2)
        mailed = time.monotonic() - started_at
        check({m.to for m in mails} == {HOST_EMAIL, GUEST["email"]}, f"emails went to {[m.to for m in mails]}")
        # The host has a separate link where the guests' link would let anyone in as the host.
        self.links = {mail.to: str(mail.event["LOCATION"]) if mail.event else str(link) for mail in mails}
        check(self.links[GUEST["email"]] == link, "the guest's link is not the one of the booking")
        for mail in mails:
            self._check_invitation(mail, sequence=0)
            report(f"Invitation to {mail.to}", mail.subject)
            report("", _describe_calendar_part(mail))
        self._report_entries("1 entry")
        report("From booking to link", f"{linked:.2f} s")
        report("From booking to both emails", f"{mailed:.2f} s")
        return str(link)

    def reschedule(self, link: str) -> None:
        seen = len(self.stack.mailbox.mails())
        booking = self._put("b-1", days=8, expect=200)
        check(booking["meeting"]["join_url"] == link, "the link changed with the time")
        mails = self._mails(seen, 2)
        for mail in mails:
            self._check_invitation(mail, sequence=1)
        for meeting in self._held():
            starts_at = datetime.fromisoformat(booking["starts_at"])
            check(meeting.starts_at in (None, starts_at), f"the meeting is at {meeting.starts_at}")
        report("Rescheduled by a day", f"same link, new time at {self.stack.provider_name}, updates sent to both")
        self._report_entries("1 entry")

    def decline(self) -> None:
        """Press "No" on the page behind the link in the guest's email."""
        mail = next(m for m in reversed(self.stack.mailbox.mails()) if m.to[0] == GUEST["email"])
        link = re.search(r"http\S+/a/\S+answer=declined", _received(mail.to[0], mail.source).text)
        seen = len(self.stack.mailbox.mails())
        with httpx.Client(timeout=30) as browser:
            page = browser.get(link[0] if link else "")
            press(browser, page, "/a/", typed={"answer": "declined"})
        booking = self._call("GET", "/v1/bookings/b-1")
        answers = {invitation["email"]: invitation["answer"] for invitation in booking["invitations"]}
        check(answers == {HOST_EMAIL: None, GUEST["email"]: "declined"}, f"the answers are {answers}")
        notice = self._wait_for_mails(seen, 1)[0]
        check(notice.to[0] == HOST_EMAIL, f"the notice went to {notice.to}")
        report("Guest pressed No in the email", f"on the booking: declined; the host got: {notice.subject}")

    def cancel(self) -> None:
        seen = len(self.stack.mailbox.mails())
        booking = self._call("DELETE", "/v1/bookings/b-1")
        check(booking["status"] == "cancelled", f"the booking is {booking['status']}")
        mails = self._mails(seen, 2)
        for mail in mails:
            if not self._has_event(mail):
                check(mail.method == "CANCEL" and mail.event["STATUS"] == "CANCELLED", f"{mail.to} got {mail.method}")
                check(int(mail.event["SEQUENCE"]) == 2, f"SEQUENCE is {mail.event['SEQUENCE']}")
        booking = self._call("GET", "/v1/bookings/b-1", headers={"Prefer": f"wait={_WAIT_SECONDS}"})
        check(booking["meeting"]["state"] == "removed", f"the meeting is {booking['meeting']['state']}")
        check(not self._held(), "the meeting is still at the provider")
        report("Cancelled", f"meeting removed at {self.stack.provider_name}, cancellations sent to both")
        self._report_entries("no entry")

    def take_place(self) -> None:
        """Have a meeting take place, and show who came.

        The attendance is decided 15 minutes after the end, so the booking moves to a time that will be so long ago in a
        moment.
        """
        if self.stack.stand_in.take_place is None:
            report("A meeting takes place", f"{self.stack.provider_name} does not report who came")
            return
        started_at = time.monotonic()
        self._put("b-3", days=6, expect=201)
        (meeting,) = self._held()
        # Long enough for the events to arrive before, also on a slow machine.
        decided_at = datetime.now(UTC) + timedelta(seconds=max(1.5, 8 * (time.monotonic() - started_at)))
        ends_at = decided_at - DECIDED_AFTER
        self._put("b-3", starts_at=ends_at - timedelta(minutes=30), expect=200, wait=0)
        self.stack.stand_in.take_place(meeting.id)
        time.sleep(max(0.0, (decided_at - datetime.now(UTC)).total_seconds()))
        self._call("POST", "/v1/bookings/b-3/retry")
        booking = self._call("GET", "/v1/bookings/b-3", headers={"Prefer": f"wait={_WAIT_SECONDS}"})
        attendance = booking["meeting"]["attendance"]
        check(attendance == "both", f"the attendance is {attendance}")
        report("A meeting took place", f"{self.stack.provider_name} reported who came, attendance: {attendance}")
        seen = len(self.stack.mailbox.mails())
        self._call("DELETE", "/v1/bookings/b-3")  # The next step counts the entries of its own booking only.
        self._mails(seen, 2)

    def disconnect(self) -> None:
        held = self._held()
        self._call("DELETE", f"/v1/users/{USER_ID}/connection", expect=204)
        seen = len(self.stack.mailbox.mails())
        booking = self._put("b-2", days=9, expect=201)
        meeting = booking["meeting"]
        check(meeting["state"] == "none" and meeting["join_url"] is None, f"the meeting is {meeting}")
        for mail in self._mails(seen, 2):
            check("://" not in str(mail.event.get("LOCATION", "")), "the invitation has a link")
        check(self._held() == held, "a meeting was created after disconnecting")
        report("Booked after disconnecting", f"no link ({meeting['reason']}), invitations without one sent to both")
        self._report_entries("1 entry")

    def _put(
        self,
        booking_id: str,
        *,
        days: int = 0,
        starts_at: datetime | None = None,
        expect: int,
        wait: int = _WAIT_SECONDS,
    ) -> dict[str, Any]:
        day = datetime.now(UTC) + timedelta(days=days)
        starts_at = starts_at or day.replace(hour=15, minute=0, second=0, microsecond=0)
        booking = {
            "calendar_id": CALENDAR_ID,
            "starts_at": starts_at.isoformat(),
            "ends_at": (starts_at + timedelta(minutes=30)).isoformat(),
            "time_zone": "Europe/Berlin",
            "title": "Introduction",
            "description": "Getting to know each other.",
            "guests": [GUEST],
        }
        headers = {"Prefer": f"wait={wait}"}
        return self._call("PUT", f"/v1/bookings/{booking_id}", json=booking, expect=expect, headers=headers)

    def _locations(self) -> dict[str, Any]:
        locations = self._call("GET", f"/v1/calendars/{CALENDAR_ID}/locations")["locations"]
        return {location["type"]: location for location in locations}

    def _call(self, method: str, path: str, *, expect: int = 200, **more: Any) -> dict[str, Any]:
        response = self.api.request(method, path, **more)
        problem = f"{method} {path} returned {response.status_code}: {response.text[:300]}"
        check(response.status_code == expect, problem)
        return response.json() if response.content else {}

    def _mails(self, seen: int, expected: int) -> list[Received]:
        """Wait for the next invitations, and read them."""
        return [_received(mail.to[0], mail.source) for mail in self._wait_for_mails(seen, expected)]

    def _wait_for_mails(self, seen: int, expected: int) -> list[Mail]:
        """Wait for the next emails. They can arrive a moment after the link."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while len(mails := self.stack.mailbox.mails()[seen:]) < expected and time.monotonic() < deadline:
            time.sleep(0.02)
        check(len(mails) == expected, f"{len(mails)} emails arrived instead of {expected}")
        return mails

    def _has_event(self, mail: Received) -> bool:
        """Return whether the recipient's entry is the provider's event, so that the email has no calendar part."""
        return self._writes_events and mail.to == HOST_EMAIL and mail.event is None

    def _held(self) -> list[HeldMeeting]:
        """Return the meetings of this run that exist at the provider."""
        return [meeting for meeting in self.stack.stand_in.held() if meeting.id not in self._former_meetings]

    def _report_entries(self, expected: str) -> None:
        """Count what the host's calendar shows: accepted invitations, and events that the provider wrote."""
        source = f"event of {self.stack.provider_name}"
        events = [event for event in self._held() if self._writes_events and event.owner == HOST_EMAIL]
        entries = [f"{event.title}, {event.starts_at:%-d %B %H:%M} UTC ({source})" for event in events]
        entries += invited_entries(mail.source for mail in self.stack.mailbox.mails(HOST_EMAIL)[self._former_mails :])
        number = f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}" if entries else "no entry"
        check(number == expected, f"the host's calendar has {number}: {entries}")
        report("The host's calendar", ": ".join([number, *entries]))

    def _check_invitation(self, mail: Received, *, sequence: int) -> None:
        link = self.links[mail.to]
        if self._has_event(mail):
            check(link in mail.text, f"the link is missing in the email to {mail.to}")
            return
        check(mail.method == "REQUEST", f"{mail.to} got {mail.method}")
        check(int(mail.event["SEQUENCE"]) == sequence, f"SEQUENCE is {mail.event['SEQUENCE']}, not {sequence}")
        check(
            link in mail.text and str(mail.event["LOCATION"]) == link, f"the link is missing in the email to {mail.to}"
        )


def _received(to: str, source: bytes) -> Received:
    message = message_from_bytes(source, policy=default)
    calendar, body = read_calendar_part(source), message.get_body(("plain",))
    event, method = (calendar.events[0], str(calendar["METHOD"])) if calendar else (None, None)
    text = body.get_content() if body is not None else ""
    return Received(to, str(message["Subject"]), text, event, method, time.monotonic())


def _describe_calendar_part(mail: Received) -> str:
    if mail.event is None:
        return "no invite.ics: the provider's event is the calendar entry"
    return f"invite.ics: {mail.method}, SEQUENCE {mail.event['SEQUENCE']}, LOCATION {mail.event['LOCATION']}"


def report(step: str, result: str) -> None:
    print(f"  {step:<32} {result}", flush=True)


def check(is_true: bool, message: str) -> None:
    """Raise `FailedCheck` with the message unless the condition is true."""
    if not is_true:
        raise FailedCheck(message)


def main() -> int:
    """Run the demo. The exit code is 0 if every step passed."""
    started_at = time.monotonic()
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "WARNING")  # The demo's own lines say what happens.
    try:
        print("Starting the local stack:", flush=True)
        provider = os.environ.get("PROVIDER") or "zoom"
        with LocalStack(Ports(), report=lambda part: print(f"  {part}", flush=True), provider=provider) as stack:
            print(f"Ready after {time.monotonic() - started_at:.1f} s.\n", flush=True)
            DemoSteps(stack).run()
    except (LocalAwsError, RuntimeError, UnknownProvider) as error:
        print(f"The local stack did not start: {error}", file=sys.stderr)
        return 1
    except (FailedCheck, httpx.HTTPError, ValueError) as error:
        print(f"\nFailed: {error}", file=sys.stderr)
        return 1
    print(f"\nEvery step passed, in {time.monotonic() - started_at:.1f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
