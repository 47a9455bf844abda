"""The console's tabs: webhooks with their signatures, the log of requests, the inbox's search and reports."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import Client

from chalicelib.domain.answers import Choice
from chalicelib.mail.received_mail import ReceivedMail
from chalicelib.mail.replies import read_reply
from infra.local.breakage import Break, Breakage, NotPossible
from infra.local.calendar_replies import ANSWERS, PROGRAMS
from infra.local.clock import LocalClock
from infra.local.console import Demo, Mailbox, Receiver, StackParts, create_console
from infra.local.inbound_mail import as_received
from infra.local.mail_reports import MailReports, ReportedAs
from infra.local.request_log import CONSOLE, RequestLog
from tests.component.test_console_inbox import DEMO, invitation
from tests.support.product import Product

NOW = datetime(2027, 1, 4, 12, 0, tzinfo=UTC)
KEY = b"secret of the endpoint"


def refuse() -> None:
    raise NotPossible("choose Zoom")


class Stack:
    """A console with parts that a test can look at."""

    def __init__(self, demo: Demo = DEMO) -> None:
        self.events: list[dict[str, Any]] = []
        self.received: list[tuple[bytes, str]] = []
        self.started: list[str] = []
        breaks = [
            Break("provider-down", "Down", "503", lambda: self.started.append("x"), lambda: self.started.remove("x")),
            Break("app-removed", "Removed", "gone", refuse),
        ]
        self.mailbox, self.receiver = Mailbox(lambda: NOW), Receiver(lambda: NOW)
        self.receiver.secret = "whsec_" + base64.b64encode(KEY).decode()
        self.parts = StackParts(
            Breakage(breaks),
            RequestLog(lambda: NOW),
            self.receiver,
            MailReports(self.events.append),
            lambda raw, sender: self.received.append((raw, sender)),
        )
        self.mailbox.on_accepted = self.parts.mail_reports.note_accepted
        self.app: Flask = create_console(demo, self.mailbox, parts=self.parts)


@pytest.fixture
def stack() -> Stack:
    return Stack()


@pytest.fixture
def browser(stack: Stack) -> FlaskClient:
    return stack.app.test_client()


def send(browser: FlaskClient, body: bytes, key: bytes = KEY) -> None:
    signature = base64.b64encode(hmac.digest(key, b"evt_1.1798." + body, hashlib.sha256)).decode()
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "1798", "webhook-signature": f"v1,x v1,{signature}"}
    assert browser.post("/webhooks/receive", data=body, headers=headers).status_code == 204


def test_webhooks_are_shown_with_their_payload_and_whether_they_are_signed(browser: FlaskClient) -> None:
    send(browser, b'{"type": "meeting.ready", "data": {"booking_id": "<b-1>"}}')
    send(browser, b'{"type": "meeting.failed", "data": {}}', key=b"another")
    listed = browser.get("/webhooks.json").json
    assert [(one["type"], one["is_signed"]) for one in listed] == [("meeting.ready", True), ("meeting.failed", False)]
    assert listed[0]["payload"]["data"] == {"booking_id": "<b-1>"}
    page = browser.get("/webhooks").text
    assert "&lt;b-1&gt;" in page
    assert "signature is wrong" in page


def test_things_are_broken_and_repaired_by_scripts_and_by_people(stack: Stack, browser: FlaskClient) -> None:
    assert browser.post("/break/provider-down").json["active"] is True
    assert browser.post("/break/provider-down").json["active"] is True
    assert stack.started == ["x"]
    assert [one["name"] for one in browser.get("/break.json").json if one["active"]] == ["provider-down"]
    assert "Repair everything" in browser.get("/break?done=provider-down").text
    assert browser.post("/break/repair", headers={"Accept": "text/html"}).status_code == 303
    assert stack.started == []
    refused = browser.post("/break/app-removed")
    assert (refused.status_code, refused.json) == (409, {"error": "choose Zoom"})
    assert "choose Zoom" in browser.post("/break/app-removed", headers={"Accept": "text/html"}).text
    assert "choose one of provider-down, app-removed" in browser.post("/break/x").json["error"]


def test_requests_are_logged_without_queries_tokens_and_those_of_the_console() -> None:
    lines: list[str] = []
    log = RequestLog(lambda: NOW, lines.append)
    app = Flask("app")
    app.add_url_rule("/<path:path>", view_func=lambda path: ("", 404, {"X-Request-Id": "r-1"}))
    client = Client(log.wrap(app))
    client.get("/v1/bookings/b-1?secret=1")
    client.get("/connect/token")
    client.get("/v1/calendars", headers={"User-Agent": CONSOLE})
    assert [(r.method, r.path, r.status, r.request_id) for r in log.requests] == [
        ("GET", "/v1/bookings/b-1", 404, "r-1"),
        ("GET", "/connect/…", 404, "r-1"),
    ]
    assert lines[0].startswith("12:00:00  404  GET    /v1/bookings/b-1  ")
    parts = StackParts(Breakage(()), log, Receiver(lambda: NOW), MailReports(print))
    browser = create_console(DEMO, Mailbox(), parts=parts).test_client()
    assert "GET /connect/…" in browser.get("/requests").text
    assert [one["path"] for one in browser.get("/requests.json").json] == ["/v1/bookings/b-1", "/connect/…"]


def test_no_page_that_a_links_token_opens_is_logged_with_it(product: Product) -> None:
    secret, log = re.compile(r"\{(token|ticket)\}"), RequestLog(lambda: NOW)
    app = Flask("app")
    app.add_url_rule("/<path:path>", view_func=lambda path: "")
    paths = [path for path in product.app.routes if secret.search(path)]
    assert len(paths) > 3
    for path in paths:
        Client(log.wrap(app)).get(secret.sub("se-cret", path))
    assert [request.path for request in log.requests if "se-cret" in request.path] == []


def test_the_inbox_is_searched_in_recipients_subjects_and_texts(stack: Stack, browser: FlaskClient) -> None:
    stack.mailbox.deliver(invitation("guest@example.com"), ["guest@example.com"])
    stack.mailbox.deliver(invitation("other@example.com"), ["other@example.com"])
    found = [
        len(browser.get("/inbox.json", query_string={"q": text}).json) for text in ("OTHER@", "you meet", "nothing")
    ]
    assert found == [1, 2, 0]
    page = browser.get("/inbox?q=<nothing>").text
    assert "No email contains “&lt;nothing&gt;”." in page


def test_an_email_is_reported_as_ses_reports_it(stack: Stack, browser: FlaskClient) -> None:
    from chalicelib.domain.invitation import Trouble
    from chalicelib.mail.ses_events import read_event

    mail = stack.mailbox.deliver(invitation(), ["guest@example.com"], {"workspace": "w-1", "booking": "b-1"})
    for kind in ReportedAs:
        assert browser.post(f"/inbox/{mail.id}/report", data={"as": kind}).status_code == 303
    assert browser.post(f"/inbox/{mail.id}/report", data={"as": "other"}).status_code == 422
    reports = [read_event(event["Records"][0]["Sns"]["Message"]) for event in stack.events]
    assert [(r.booking_id, r.message_id, r.trouble) for r in reports if r] == [
        ("b-1", mail.id, Trouble.HARD_BOUNCE),
        ("b-1", mail.id, Trouble.COMPLAINT),
        ("b-1", mail.id, Trouble.DELAYED),
    ]
    assert json.dumps(stack.events)


def test_the_clock_only_moves_ahead() -> None:
    clock = LocalClock()
    clock.skip(timedelta(hours=2))
    assert timedelta(hours=2) <= clock() - datetime.now(UTC) + timedelta(seconds=5) < timedelta(hours=3)
    with pytest.raises(ValueError, match="ahead"):
        clock.skip(timedelta(hours=-1))


def test_an_invitation_is_answered_as_calendars_answer(stack: Stack, browser: FlaskClient) -> None:
    mail = stack.mailbox.deliver(invitation(), ["guest@example.com"])
    page = browser.get(f"/inbox/{mail.id}").text
    assert all(f'value="{partstat}">{label}</button>' in page for partstat, label in ANSWERS.items())
    for program in PROGRAMS:
        data = {"answer": "DECLINED", "program": program}
        shown = browser.post(f"/inbox/{mail.id}/answer", data=data, follow_redirects=True).text
        assert "has emailed the answer to bookings@meet.example.com" in shown
    received = ReceivedMail("bucket", "key", NOW, passed_dmarc=True, passed_dkim=True)
    replies = [read_reply(as_received(raw, sender), received) for raw, sender in stack.received]
    assert {(reply.email, reply.uid, reply.sequence, reply.choice) for reply in replies} == {
        ("guest@example.com", "b-1@meet.example.com", 2, Choice.DECLINED)
    }
    assert len(replies) == len(PROGRAMS)
    for data in ({"answer": "PERHAPS", "program": "gmail"}, {"answer": "DECLINED", "program": "pine"}):
        assert browser.post(f"/inbox/{mail.id}/answer", data=data).status_code == 422
    notice = stack.mailbox.deliver(b"Subject: hello\r\n\r\nNo event", ["guest@example.com"])
    assert (
        browser.post(f"/inbox/{notice.id}/answer", data={"answer": "DECLINED", "program": "gmail"}).status_code == 422
    )
