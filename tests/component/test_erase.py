"""What is known of a person or a workspace is shown whole, and deleted whole: canaries in every table."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from chalicelib.domain.daily_counts import DayCounts
from chalicelib.domain.invitation import Trouble
from chalicelib.mail.ses_events import MailReport
from infra.local.standins.zoom import Account
from infra.operate.erasure import _ORDER, Eraser, Outcome
from infra.operate.rows import Row, Tables
from infra.operate.subjects import OneWorkspace, Person, find
from infra.tables import table_definitions
from tests.support.product import WORKSPACE, Product, booking, calendar
from tests.support.webhooks import SECRET, Receivers, Streams, send_event
from tests.support.workspace_visitor import open_workspace

CANARY = "canary@example.com"
USER = "u-canary"
OTHERS = ("not-canary@example.com", "canary@example.com.example", "xcanary@example.com")
DIGEST = hashlib.sha256(CANARY.encode()).hexdigest()[:32]
DAY = 86_400


@pytest.fixture
def full(product: Product) -> Product:
    """A workspace in which a person has left traces in every table, among others with similar names."""
    account = Account("zoom-canary", "zoom-account-9", CANARY, "password-9", "Canary")
    product.zoom.add_account(account)
    Receivers.of(product)
    streams = Streams(product)
    caller = product.caller(admin_emails=["admin@example.com", CANARY.upper()])
    caller.put("/v1/webhook-endpoints/e-1", json={"url": "https://receiver.example/hooks"})
    caller.post("/v1/webhook-secrets", json={"secret": SECRET})
    product.connect()
    product.connect(USER, account)
    mine = calendar("video", user_id=USER)
    mine["host"] |= {"name": "Canary", "email": CANARY}
    caller.put("/v1/calendars/c-1", json=calendar())
    caller.put("/v1/calendars/c-mine", json=mine)
    guest = {"name": "Canary", "email": CANARY}
    others = [{"name": "Someone", "email": email} for email in OTHERS]
    caller.put("/v1/bookings/b-host", json=booking("c-mine", days=1))
    caller.put("/v1/bookings/b-guest", json=booking(days=1, guests=[guest]))
    caller.put("/v1/bookings/b-title", json=booking(days=1, title=f"Call with {CANARY}.", guests=others))
    caller.put("/v1/bookings/b-others", json=booking(days=1, guests=others))
    caller.put("/v1/bookings/b-soon", json=booking(days=20, guests=[guest]))
    product.settle()
    streams.announce()
    product.zoom.webhook_url = f"{product.base_url}/v1/webhooks/providers/zoom"
    product.zoom.webhook_transport = product.browser()._transport
    for meeting in product.zoom.meetings.values():
        product.zoom.sessions.take_place(meeting.id)
    product.zoom.webhook_url = None
    _bounce(product, "b-guest", CANARY)
    _bounce(product, "b-others", OTHERS[0])
    product.connect_link(USER, email=CANARY)
    product.open_settings(product.browser(), USER)
    event = {"type": "booking.cancelled", "timestamp": product.clock().isoformat(), "data": {"booking_id": "b-x"}}
    assert send_event(product, event).is_success
    product.services.daily_count_store.add(WORKSPACE, product.clock().date(), DayCounts(links=1))
    second = product.caller("ws-2", admin_emails=["admin@example.com"])
    second.put("/v1/calendars/c-1", json=calendar("phone"))
    second.put("/v1/bookings/b-1", json=booking(days=1))
    product.settle()
    product.clock.advance(2 * DAY)
    product.tick()
    return product


def test_everything_about_a_person_is_shown_and_nothing_secret(full: Product) -> None:
    shown = [row.export() for row in find(tables(full), Person(CANARY, USER, WORKSPACE))]
    assert {row["table"] for row in shown} == {
        "bookings",
        "calendars",
        "connections",
        "deliveries",
        "ephemeral",
        "grants",
        "provider_events",
        "references",
        "workspaces",
    }
    bookings = {row["booking_id"] for row in shown if row["table"] == "bookings"}
    assert bookings == {"b-host", "b-guest", "b-title", "b-soon"}
    text = json.dumps(shown, default=str)
    assert [secret for secret in ("sealed", "tokens", "digest", "verifier") if f'"{secret}"' in text] == []


def test_nothing_is_left_of_a_person_and_everything_of_others(full: Product) -> None:
    before = {name(row) for row in tables(full)}
    about = {name(row) for row in find(tables(full), Person(CANARY, USER, WORKSPACE))}
    first = erase(full, Person(CANARY, USER, WORKSPACE))
    assert [left["reason"] for left in first.left if left["table"] == "bookings"] == [
        "it is upcoming: cancel it, or pass --cancel"
    ]
    assert full.caller().get("/v1/bookings/b-soon").json()["status"] == "confirmed"
    second = erase(full, Person(CANARY, USER, WORKSPACE), cancels=True)
    assert "it is being cancelled" in [left["reason"] for left in second.left]
    full.settle()
    full.tick()
    full.tick()
    assert erase(full, Person(CANARY, USER, WORKSPACE)).left == []
    assert traces(full) == []
    assert {meeting.topic for meeting in full.zoom.meetings.values()} == {"Introductory call", f"Call with {CANARY}."}
    assert full.mails.to(CANARY)[-1].invite.method == "CANCEL"
    after = {name(row) for row in tables(full)}
    assert before - after - about == set()
    assert (WORKSPACE, "b-others") in {row[1:] for row in after}
    assert full.caller().get("/v1/users/u-1/connection").json()["state"] == "connected"
    workspace = full.services.workspace_store.get(WORKSPACE)
    assert workspace is not None and workspace.admin_emails == ("admin@example.com",)


def test_a_member_who_is_erased_is_no_member_of_that_workspace_any_more(product: Product) -> None:
    for workspace_id in (WORKSPACE, "ws-2"):
        members = [{"email": CANARY}, {"email": "admin@example.com"}]
        product.caller(workspace_id).put("/v1/members", json={"members": members})
    open_workspace(product, product.browser(), email=CANARY)
    assert erase(product, Person(CANARY, workspace_id=WORKSPACE)).left == []
    listed = {w: len(product.caller(w).get("/v1/members").json()["items"]) for w in (WORKSPACE, "ws-2")}
    assert listed == {WORKSPACE: 1, "ws-2": 2}
    assert product.services.reference_store.list_workspaces(CANARY) == ["ws-2"]
    assert erase(product, Person(CANARY)).left == []
    assert traces(product) == []


def test_a_guest_known_by_address_alone_is_found_in_all_workspaces(full: Product) -> None:
    second = full.caller("ws-2")
    second.put("/v1/bookings/b-2", json=booking(days=0.5, guests=[{"name": "C", "email": CANARY.upper()}]))
    full.settle()
    found = find(tables(full), Person(CANARY))
    assert {row.workspace_id for row in found if row.table == "bookings"} == {WORKSPACE, "ws-2"}


def test_a_meeting_that_still_has_to_be_looked_at_keeps_its_booking(full: Product) -> None:
    full.caller().put("/v1/bookings/b-soon", json=booking(days=20, guests=[{"name": "C", "email": CANARY}]))
    full.caller().delete("/v1/bookings/b-soon")
    outcome = erase(full, Person(CANARY))
    assert "it has pending work" in [left["reason"] for left in outcome.left]
    full.settle()
    erase(full, Person(CANARY))
    assert full.caller().get("/v1/bookings/b-soon").status_code == 404
    assert all(meeting.start_time < full.clock() for meeting in full.zoom.meetings.values())


def test_a_workspace_goes_whole_and_the_other_stays(full: Product) -> None:
    shown = [row.export() for row in find(tables(full), OneWorkspace(WORKSPACE))]
    everywhere = {table["TableName"].removeprefix(full.aws.table_prefix) for table in table_definitions("moto-")}
    assert {row["table"] for row in shown} == everywhere == set(_ORDER)
    theirs = [row for row in tables(full) if "ws-2" in (row.workspace_id, *row.member_of)]
    others = sorted(name(row) for row in theirs if row.table != "ephemeral")
    erase(full, OneWorkspace(WORKSPACE), cancels=True)
    assert full.caller().get("/v1/bookings").status_code == 401
    full.settle()
    for _ in range(3):
        full.tick()
    assert erase(full, OneWorkspace(WORKSPACE)).left == []
    assert sorted(name(row) for row in tables(full) if row.table != "ephemeral") == others
    assert [row for row in tables(full) if WORKSPACE in json.dumps(row.content, default=str)] == []
    assert full.zoom.identity.all_tokens() == []


def test_what_is_someone_elses_is_left_to_a_human(full: Product) -> None:
    caller = full.caller()
    caller.put("/v1/webhook-endpoints/e-2", json={"url": f"https://receiver.example/{CANARY}"})
    caller.put("/v1/calendars/c-3", json=calendar("phone", name=f"Ask {CANARY}"))
    left = erase(full, Person(CANARY)).left
    assert {one["table"] for one in left} >= {"endpoints", "calendars"}
    assert caller.get("/v1/calendars/c-3").is_success


def tables(product: Product) -> Tables:
    return Tables(product.aws.client("dynamodb"), product.aws.table_prefix)


def erase(product: Product, subject: Person | OneWorkspace, *, cancels: bool = False) -> Outcome:
    return Eraser(tables(product), product.services, subject, cancels=cancels).erase()


def name(row: Row) -> tuple[str, ...]:
    return row.table, *row.key.values()


def traces(product: Product) -> list[Any]:
    """Rows in which the person still stands, read as text."""
    found = []
    for row in tables(product):
        text = json.dumps(row.content, default=str).casefold()
        for other in OTHERS:
            text = text.replace(other, "")
        if CANARY in text or USER in text or DIGEST in text or "zoom-canary" in text:
            found.append(name(row))
    return found


def _bounce(product: Product, booking_id: str, email: str) -> None:
    record = product.services.booking_store.get(WORKSPACE, booking_id)
    assert record is not None
    sent = next(i for i in record.settlement.invitations if i.email == email)
    report = MailReport(WORKSPACE, booking_id, str(sent.message_id), email, Trouble.HARD_BOUNCE)
    product.services.bounces.record(report)
