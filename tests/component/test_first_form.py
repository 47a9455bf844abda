"""What the first release wrote is read and gone on with: rows at rest, and stream records under way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from chalicelib.handlers import booking_stream, webhook_streams
from chalicelib.store.tables import FORMAT, MODELS
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.first_form import LATER_TABLES, RECORDED, inherit
from tests.support.product import LambdaContext, Product, booking
from tests.support.queues import Queues
from tests.support.webhooks import SECRET, Receivers, send_event


@pytest.fixture(params=[False, True], ids=["as_recorded", "with_fields_of_a_later_release"])
def heir(request: pytest.FixtureRequest, moto_aws: Aws, clock: FakeClock) -> Iterator[Product]:
    product = Product(moto_aws, clock)
    inherit(product, unknown=request.param)
    yield product


def test_every_table_was_recorded_and_every_row_names_its_format() -> None:
    first = {model.Meta.table_name.rpartition("-")[2] for model in MODELS} - LATER_TABLES
    assert set(RECORDED["tables"]) == first
    formats = {int(row["format"]["N"]) for rows in RECORDED["tables"].values() for row in rows if "format" in row}
    assert formats == {1}
    assert FORMAT == 1, "record rows of the new format beside these, and read both"


def test_callers_find_everything_under_their_old_key(heir: Product) -> None:
    caller = old_caller(heir)
    listed = caller.get("/v1/bookings").json()["items"]
    assert {one["id"]: one["meeting"]["state"] for one in listed} == {
        "b-cancelled": "removed",
        "b-new": "pending",
        "b-phone": "none",
        "b-ready": "ready",
        "b-unknown": "pending",
        "b-waiting": "waiting",
    }
    ready = caller.get("/v1/bookings/b-ready").json()
    assert ready["metadata"] == {"ticket": "T-1"}
    assert [one["state"] for one in ready["invitations"]] == ["sent", "bounced"]
    assert len(caller.get("/v1/calendars").json()["items"]) == 2
    assert caller.get("/v1/users/u-1/connection").json()["state"] == "connected"
    assert len(caller.get("/v1/webhook-endpoints/e-1/deliveries").json()["items"]) == 5
    assert heir.services.suppression_store.is_suppressed("ws-1", "bounced@example.com")


def test_a_booking_with_a_link_is_moved_and_cancelled(heir: Product) -> None:
    caller = old_caller(heir)
    link = caller.get("/v1/bookings/b-ready").json()["meeting"]["join_url"]
    assert caller.put("/v1/bookings/b-ready", json=booking(days=41)).status_code == 200
    heir.settle()
    moved = caller.get("/v1/bookings/b-ready").json()
    assert (moved["meeting"]["state"], moved["meeting"]["join_url"]) == ("ready", link)
    assert heir.mails.to("host@example.com")[-1].invite.sequence == 1
    caller.delete("/v1/bookings/b-ready")
    heir.settle()
    assert heir.zoom.meetings == {}


def test_what_was_under_way_ends_with_one_meeting_each(heir: Product) -> None:
    records = RECORDED["records"]["bookings"]
    assert booking_stream.settle_records({"Records": records}, LambdaContext(), heir.services) == {
        "batchItemFailures": []
    }
    for _ in range(4):
        heir.tick()
    states = {b: old_caller(heir).get(f"/v1/bookings/{b}").json() for b in ("b-new", "b-unknown", "b-waiting")}
    assert {one["meeting"]["state"] for one in states.values()} == {"ready"}
    assert len(heir.zoom.meetings) == 4
    assert {b: len([m for m in heir.mails.sent if m.invite.booking_id == b]) for b in states} == dict.fromkeys(
        states, 2
    )


def test_events_that_were_owed_or_not_yet_announced_arrive(heir: Product) -> None:
    receivers = Receivers.of(heir)
    webhook_streams.announce_connections(
        {"Records": RECORDED["records"]["connections"]}, LambdaContext(), heir.services
    )
    webhook_streams.announce_bookings({"Records": RECORDED["records"]["settled"]}, LambdaContext(), heir.services)
    heir.clock.advance(3600)
    webhook_streams.deliver_due(LambdaContext(), heir.services)
    assert sorted(receivers.types()) == ["connection.created", "meeting.waiting"]


@pytest.mark.parametrize("here", [2, 0], ids=["few_emails_at_once", "all_emails_handed_over"])
def test_an_upgrade_to_queues_settles_everything_that_was_under_way(heir: Product, here: int) -> None:
    """The release that wrote these rows and records knew no queues."""
    receivers = Receivers.of(heir)  # It replaces the services.
    queues, services = Queues(heir), heir.services
    vars(services)["settling"] = services.settling_with(lambda _, outstanding: min(outstanding, here))
    booking_stream.settle_records({"Records": RECORDED["records"]["bookings"]}, LambdaContext(), services)
    webhook_streams.announce_connections({"Records": RECORDED["records"]["connections"]}, LambdaContext(), services)
    webhook_streams.announce_bookings({"Records": RECORDED["records"]["settled"]}, LambdaContext(), services)
    for _ in range(4):
        heir.tick()
        queues.send_emails()
    heir.clock.advance(3600)
    webhook_streams.deliver_due(LambdaContext(), services)
    queues.deliver_webhooks()
    names = ("b-new", "b-unknown", "b-waiting")
    states = {name: old_caller(heir).get(f"/v1/bookings/{name}").json() for name in names}
    assert {one["meeting"]["state"] for one in states.values()} == {"ready"}
    assert len(heir.zoom.meetings) == 4
    emails = Counter((mail.invite.booking_id, mail.invite.recipient.email) for mail in heir.mails.sent)
    assert {key: n for key, n in emails.items() if n != 1} == {}
    assert {name: sum(booking_id == name for booking_id, _ in emails) for name in names} == dict.fromkeys(names, 2)
    rows = heir.aws.scan("bookings")
    assert [row["booking_id"]["S"] for row in rows if row["revision"] != row["settled_revision"]] == []
    assert sorted(receivers.types()) == ["connection.created", "meeting.waiting"]
    assert {row["state"]["S"] for row in heir.aws.scan("deliveries")} <= {"delivered", "failed"}


def test_bookings_of_the_release_before_reminders_get_none_and_new_ones_get_the_default(heir: Product) -> None:
    caller = old_caller(heir)
    assert {tuple(one["reminders"]) for one in caller.get("/v1/bookings").json()["items"]} == {()}
    start = datetime.fromisoformat(caller.get("/v1/bookings/b-ready").json()["starts_at"])
    for minutes in range(66, 50, -1):
        heir.tick(max(60.0, (start - timedelta(minutes=minutes) - heir.clock()).total_seconds()))
    assert not any(letter.invite.is_reminder for letter in heir.mails.sent)
    new = caller.put("/v1/bookings/b-after", json=booking(days=60)).json()
    assert new["reminders"] == [{"minutes_before": 60, "to": "guests"}]


def test_links_and_webhook_secrets_still_work(heir: Product) -> None:
    assert heir.browser().get(RECORDED["connect_link"]).status_code == 200
    event: dict[str, Any] = {
        "type": "booking.cancelled",
        "timestamp": heir.clock().isoformat(),
        "data": {"booking_id": "b-waiting"},
    }
    assert send_event(heir, event, secret=SECRET).is_success
    assert old_caller(heir).get("/v1/bookings/b-waiting").json()["status"] == "cancelled"


def old_caller(heir: Product) -> httpx.Client:
    caller = heir.stranger()
    caller.headers["Authorization"] = f"Bearer {RECORDED['api_key']}"
    return caller
