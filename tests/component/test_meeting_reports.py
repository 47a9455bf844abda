"""What happens at Zoom comes back: changes by hand, people who join and leave, recordings."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from chalicelib.handlers import booking_stream
from infra.local.standins.faults import Action, Fault
from infra.local.standins.zoom import webhooks
from infra.tables import create_tables
from tests.component.test_deauthorization import ADDRESS
from tests.support.clock import START
from tests.support.examples import examples
from tests.support.product import ACCOUNT, SECOND_ACCOUNT, LambdaContext, Product, booking, calendar
from tests.support.steps import break_grant, cancel, disconnect, get, only_meeting, put
from tests.support.webhooks import Receivers, Streams

HOOK = "https://receiver.example/hooks"
NAMED = ["meeting.started", "meeting.ended", "meeting.joined", "meeting.recording_ready", "booking.no_show"]
DAYS = 35


@pytest.fixture
def heard(connected: Product) -> Product:
    """A product that hears Zoom's events, with a booking in five weeks."""
    connected.zoom.webhook_url = f"{connected.base_url}{ADDRESS}"
    connected.zoom.webhook_transport = connected.browser()._transport
    put(connected)
    connected.clock.advance(120)
    return connected


@pytest.fixture
def streams(heard: Product) -> Streams:
    """The product's streams, and an endpoint that names every event of these tests."""
    Receivers.of(heard)
    assert heard.caller().put("/v1/webhook-endpoints/e-1", json={"url": HOOK, "events": NAMED}).is_success
    return Streams(heard)


def calls(product: Product) -> list[str]:
    return [f"{call.method} {call.path.partition('?')[0]}" for call in product.zoom.faults.calls]


def only_id(product: Product) -> int:
    return only_meeting(product).id


def until(product: Product, *, minutes: float) -> None:
    """Let time pass until so many minutes after the start of the booking, with the looks on the way."""
    for ahead in (timedelta(days=1), timedelta(hours=1), timedelta(minutes=-minutes)):
        target = START + timedelta(days=DAYS) - ahead + timedelta(seconds=1)
        product.clock.advance(max(0.0, (target - product.clock()).total_seconds()))
        product.tick(0)


def take_place(product: Product, **how: Any) -> None:
    deliveries = product.zoom.sessions.take_place(only_id(product), **how)
    assert all(delivery.accepted for delivery in deliveries), deliveries


def rows(product: Product) -> list[dict[str, Any]]:
    return [json.loads(row["document"]["S"]) for row in product.aws.scan("provider_events")]


def attendance(product: Product) -> str:
    return str(get(product)["meeting"]["attendance"])


def sent(product: Product, kind: str | None = None) -> list[dict[str, Any]]:
    """The payloads of webhooks that were enqueued, in order of their time."""
    bodies = [json.loads(json.loads(row["document"]["S"])["body"]) for row in product.aws.scan("deliveries")]
    ordered = sorted(bodies, key=lambda body: str(body["timestamp"]))
    return [body for body in ordered if kind in (None, body["type"])]


def send(product: Product, event: str, payload: Any, **others: Any) -> httpx.Response:
    """Send an event that Zoom has signed."""
    now = product.clock()
    body = json.dumps({"event": event, "event_ts": int(now.timestamp() * 1000), "payload": payload} | others)
    return send_raw(product, body.encode())


def send_raw(product: Product, body: bytes, secret: str | None = None) -> httpx.Response:
    timestamp = str(int(product.clock().timestamp()))
    text = body.decode("utf-8", "surrogateescape")
    headers = {
        "x-zm-request-timestamp": timestamp,
        "x-zm-signature": webhooks.signature(secret or product.zoom.webhook_secret, timestamp, text),
    }
    return product.stranger().post(ADDRESS, content=body, headers=headers)


def started(product: Product, **changes: Any) -> dict[str, Any]:
    meeting = only_meeting(product)
    about = {"id": str(meeting.id), "uuid": "session-1", "host_id": ACCOUNT.user_id, "topic": "T", "type": 2}
    return {"account_id": ACCOUNT.account_id, "object": about | changes}


class TestAChangeByHand:
    def test_a_deleted_meeting_is_replaced_at_once(self, heard: Product) -> None:
        first = get(heard)["meeting"]["join_url"]
        heard.zoom.sessions.delete_by_hand(only_id(heard))
        heard.settle()
        assert get(heard)["meeting"]["state"] == "ready"
        assert get(heard)["meeting"]["join_url"] != first
        assert str(only_meeting(heard).id) in get(heard)["meeting"]["join_url"]

    def test_a_changed_passcode_reaches_the_guests(self, heard: Product) -> None:
        link, mails = get(heard)["meeting"]["join_url"], len(heard.mails.sent)
        heard.zoom.sessions.change_by_hand(only_id(heard), password="by-hand")
        heard.settle()
        meeting = get(heard)["meeting"]
        assert (meeting["passcode"], meeting["join_url"] != link) == ("by-hand", True)
        assert [letter.invite.join_url for letter in heard.mails.sent[mails:]] == [meeting["join_url"]] * 2

    def test_a_meeting_that_is_renamed_by_hand_is_looked_at_and_stays(self, heard: Product) -> None:
        before, link = len(calls(heard)), get(heard)["meeting"]["join_url"]
        heard.zoom.sessions.change_by_hand(only_id(heard), topic="By hand")
        heard.settle()
        assert [call.partition(" ")[0] for call in calls(heard)[before:]] == ["GET", "GET"]
        assert (get(heard)["meeting"]["join_url"], only_meeting(heard).topic) == (link, "By hand")

    def test_the_later_looks_still_come(self, heard: Product) -> None:
        heard.zoom.sessions.change_by_hand(only_id(heard), topic="By hand")
        heard.settle()
        before = len(calls(heard))
        until(heard, minutes=-30)
        assert len(calls(heard)) > before + 2

    def test_a_look_that_fails_is_repeated_later(self, heard: Product) -> None:
        heard.zoom.faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, status=503))
        heard.zoom.sessions.delete_by_hand(only_id(heard))
        heard.settle()
        assert heard.zoom.meetings == {}
        heard.tick(601)
        assert len(heard.zoom.meetings) == 1

    def test_the_schedule_does_it_if_the_stream_misses_it(self, heard: Product) -> None:
        heard.zoom.sessions.delete_by_hand(only_id(heard))
        heard.stream_records()
        heard.tick(1)
        assert len(heard.zoom.meetings) == 1

    def test_a_report_during_a_run_is_served_after_it(self, heard: Product) -> None:
        """The meeting is deleted while a settler works on a new time."""
        meeting_id = only_id(heard)
        heard.caller().put("/v1/bookings/b-1", json=booking(title="Another title"))
        send_mail = heard.mails.send

        def delete_meanwhile(invite: Any) -> str:
            if meeting_id in heard.zoom.meetings:
                heard.zoom.sessions.delete_by_hand(meeting_id)
            return send_mail(invite)

        heard.mails.send = delete_meanwhile  # type: ignore[method-assign]
        for record in heard.stream_records():
            booking_stream.settle_records({"Records": [record]}, LambdaContext(), heard.services)
        assert meeting_id not in heard.zoom.meetings
        assert str(only_id(heard)) in get(heard)["meeting"]["join_url"]

    def test_nothing_happens_after_the_start(self, heard: Product) -> None:
        until(heard, minutes=1)
        before = len(calls(heard))
        heard.zoom.sessions.delete_by_hand(only_id(heard))
        heard.tick()
        assert calls(heard)[before:] == []


class TestOurOwnChange:
    @pytest.fixture
    def new_calls(self, heard: Product) -> Callable[[], list[str]]:
        """The methods of the calls to Zoom since the test began."""
        before = len(calls(heard))
        return lambda: [call.partition(" ")[0] for call in calls(heard)[before:]]

    def test_a_new_time_causes_one_call(self, heard: Product, new_calls: Callable[[], list[str]]) -> None:
        put(heard, days=36)
        heard.tick()
        assert new_calls() == ["PATCH"]

    def test_its_event_causes_no_look_when_it_comes_late(
        self, heard: Product, new_calls: Callable[[], list[str]]
    ) -> None:
        meeting, title = only_meeting(heard), "Another title"
        heard.zoom.webhook_url = None
        put(heard, title=title, days=36)
        heard.clock.advance(3600)
        start = only_meeting(heard).start_time.strftime("%Y-%m-%dT%H:%M:%SZ")
        change = {"id": meeting.id, "topic": title, "start_time": start, "duration": 30, "agenda": meeting.agenda}
        assert send(heard, "meeting.updated", {"account_id": ACCOUNT.account_id, "object": change}).status_code == 204
        heard.settle()
        assert new_calls() == ["PATCH"]

    def test_an_event_of_an_earlier_change_causes_none_either(
        self, heard: Product, new_calls: Callable[[], list[str]]
    ) -> None:
        put(heard, title="First")
        put(heard, title="Second")
        change = {"id": only_id(heard), "topic": "First"}
        send(heard, "meeting.updated", {"account_id": ACCOUNT.account_id, "object": change})
        heard.settle()
        assert new_calls() == ["PATCH", "PATCH"]

    def test_a_cancellation_causes_one_call(self, heard: Product, new_calls: Callable[[], list[str]]) -> None:
        cancel(heard)
        heard.tick()
        assert new_calls() == ["DELETE"]

    def test_a_change_of_settings_alone_causes_none(self, heard: Product, new_calls: Callable[[], list[str]]) -> None:
        change = {"id": only_id(heard), "settings": {"waiting_room": False}}
        send(heard, "meeting.updated", {"account_id": ACCOUNT.account_id, "object": change})
        heard.settle()
        assert new_calls() == []


class TestPeople:
    def test_a_meeting_that_took_place_is_reported(self, heard: Product, streams: Streams) -> None:
        until(heard, minutes=2)
        take_place(heard, guests=2, is_recorded=True)
        assert [body["type"] for body in sent(heard)].count("meeting.joined") == 3
        run = {body["type"]: body["data"] for body in sent(heard)}
        assert run["meeting.started"] == run["meeting.ended"]
        assert run["meeting.started"]["booking_id"] == "b-1"
        joined = [(body["data"]["role"], body["data"]["present"]) for body in sent(heard, "meeting.joined")]
        assert sorted(joined) == [("guest", 2), ("guest", 3), ("host", 1)]

    def test_a_recording_is_shared_without_its_passcode(self, heard: Product, streams: Streams) -> None:
        until(heard, minutes=2)
        take_place(heard, is_recorded=True)
        (body,) = sent(heard, "meeting.recording_ready")
        assert body["data"]["share_url"].startswith("https://zoom.us/rec/share/")
        assert "?" not in body["data"]["share_url"]
        stored = json.dumps([heard.aws.scan(table) for table in ("provider_events", "deliveries")], default=str)
        assert [word for word in ("pwd", "download", "password") if word in stored] == []
        assert "rec/share" not in json.dumps(heard.aws.scan("provider_events"))

    def test_no_name_or_address_of_a_participant_is_stored(self, heard: Product, streams: Streams) -> None:
        until(heard, minutes=2)
        take_place(heard)
        stored = json.dumps([heard.aws.scan(table) for table in ("provider_events", "deliveries")], default=str)
        assert [word for word in ("Demo", "@") if word in stored] == []

    def test_who_joins_is_sent_only_to_endpoints_that_name_it(self, heard: Product) -> None:
        Receivers.of(heard)
        assert heard.caller().put("/v1/webhook-endpoints/e-all", json={"url": HOOK}).is_success
        until(heard, minutes=2)
        take_place(heard)
        assert {body["type"] for body in sent(heard)} >= {"meeting.started", "meeting.ended"}
        assert sent(heard, "meeting.joined") == []

    def test_a_repeated_event_is_one_row_and_one_webhook(self, heard: Product, streams: Streams) -> None:
        for _ in range(3):
            assert send(heard, "meeting.started", started(heard), event_ts=1_900_000_000_000).status_code == 204
        assert (len(rows(heard)), len(sent(heard))) == (1, 1)

    def test_what_an_outage_interrupted_is_done_when_the_event_comes_again(
        self, heard: Product, streams: Streams
    ) -> None:
        client, table = heard.aws.client("dynamodb"), f"{heard.aws.table_prefix}deliveries"
        client.delete_table(TableName=table)
        assert send(heard, "meeting.started", started(heard), event_ts=1_900_000_000_000).status_code == 503
        assert rows(heard) == []
        create_tables(client, heard.aws.table_prefix)
        assert send(heard, "meeting.started", started(heard), event_ts=1_900_000_000_000).status_code == 204
        assert (len(rows(heard)), len(sent(heard))) == (1, 1)

    def test_an_event_calls_no_provider_and_sends_no_email(self, heard: Product, streams: Streams) -> None:
        until(heard, minutes=2)
        before = (len(calls(heard)), len(heard.mails.sent))
        take_place(heard)
        heard.settle()
        until(heard, minutes=60)
        assert (len(calls(heard)), len(heard.mails.sent)) == before


class TestAttendance:
    @pytest.mark.parametrize(
        ("with_host", "guests", "verdict"),
        [(True, 1, "both"), (True, 0, "host_only"), (False, 2, "guests_only"), (False, 0, "unknown")],
    )
    def test_it_is_decided_a_quarter_of_an_hour_after_the_end(
        self, heard: Product, with_host: bool, guests: int, verdict: str
    ) -> None:
        until(heard, minutes=2)
        take_place(heard, with_host=with_host, guests=guests)
        until(heard, minutes=44)
        assert attendance(heard) == "unknown"
        until(heard, minutes=46)
        assert attendance(heard) == verdict
        (row,) = (row for row in heard.aws.scan("bookings") if row["booking_id"]["S"] == "b-1")
        assert "due_shard" not in row
        assert "expires_at" in row

    def test_silence_of_an_account_that_reports_is_a_no_show(self, heard: Product, streams: Streams) -> None:
        self.another_meeting_takes_place(heard)
        until(heard, minutes=46)
        streams.announce()
        assert attendance(heard) == "none"
        assert [body["data"]["booking_id"] for body in sent(heard, "booking.no_show")] == ["b-1"]

    def test_silence_of_an_account_that_never_reported_is_unknown(self, heard: Product, streams: Streams) -> None:
        until(heard, minutes=46)
        streams.announce()
        assert (attendance(heard), sent(heard, "booking.no_show")) == ("unknown", [])

    def test_silence_of_an_account_that_reported_long_ago_is_unknown(self, heard: Product, streams: Streams) -> None:
        self.another_meeting_takes_place(heard)
        heard.aws.client("dynamodb").update_item(
            TableName=f"{heard.aws.table_prefix}grants",
            Key={"grant_id": {"S": f"zoom#{ACCOUNT.user_id}"}},
            UpdateExpression="SET reported_at = :at",
            ExpressionAttributeValues={":at": {"N": str(int((START + timedelta(days=4)).timestamp() * 1000))}},
        )
        until(heard, minutes=46)
        streams.announce()
        assert (attendance(heard), sent(heard, "booking.no_show")) == ("unknown", [])

    def test_connecting_the_account_again_forgets_nothing(self, heard: Product) -> None:
        self.another_meeting_takes_place(heard)
        heard.connect()
        until(heard, minutes=46)
        assert attendance(heard) == "none"

    def test_a_booking_that_moved_is_decided_for_its_new_time(self, heard: Product) -> None:
        until(heard, minutes=2)
        take_place(heard)
        put(heard, days=DAYS + 1)
        heard.clock.advance(2 * 86_400)
        heard.tick()
        assert attendance(heard) == "none"

    def test_a_late_event_corrects_it(self, heard: Product) -> None:
        until(heard, minutes=2)
        take_place(heard, guests=0)
        joined_at = heard.clock()
        until(heard, minutes=46)
        assert attendance(heard) == "host_only"
        person = {"user_id": "7", "user_name": "G", "email": "", "join_time": "2030-01-01T00:00:00Z"}
        payload = started(heard, participant=person)
        late = int(joined_at.timestamp() * 1000)
        assert send(heard, "meeting.participant_joined", payload, event_ts=late).status_code == 204
        heard.settle()
        assert attendance(heard) == "both"

    def test_a_test_of_the_link_days_before_does_not_count(self, heard: Product) -> None:
        heard.clock.advance(25 * 86_400)
        take_place(heard)
        until(heard, minutes=46)
        assert attendance(heard) == "none"

    def test_an_old_booking_that_is_settled_again_is_no_no_show(self, heard: Product, streams: Streams) -> None:
        """As one of an earlier release, which an operator has retried."""
        until(heard, minutes=46)
        heard.clock.advance(3 * 86_400)
        assert send(heard, "meeting.started", started(heard)).status_code == 204
        assert heard.caller().post("/v1/bookings/b-1/retry").is_success
        heard.settle()
        streams.announce()
        assert (attendance(heard), sent(heard, "booking.no_show")) == ("unknown", [])

    def another_meeting_takes_place(self, heard: Product) -> None:
        heard.clock.advance((START + timedelta(days=20) - heard.clock()).total_seconds())
        put(heard, "b-2", start=START + timedelta(days=20), days=0.01)
        other = next(m for m in heard.zoom.meetings.values() if m.start_time < START + timedelta(days=21))
        heard.zoom.sessions.take_place(other.id)
        heard.zoom.held.by_id.pop(other.id)


class TestIsolation:
    def nothing_changed(self, heard: Product) -> bool:
        return heard.settle() == [] and rows(heard) == [] and sent(heard) == []

    def test_events_of_meetings_that_are_not_ours_are_not_stored(self, heard: Product, streams: Streams) -> None:
        assert send(heard, "meeting.started", started(heard, id="12345678901")).status_code == 204
        assert self.nothing_changed(heard)

    @pytest.mark.parametrize(
        "other",
        [
            {"account_id": SECOND_ACCOUNT.account_id, "host_id": ACCOUNT.user_id},
            {"account_id": ACCOUNT.account_id, "host_id": SECOND_ACCOUNT.user_id},
            {"account_id": None, "host_id": None},
        ],
    )
    def test_an_event_of_another_account_changes_nothing(
        self, heard: Product, streams: Streams, other: dict[str, Any]
    ) -> None:
        for event in ("meeting.started", "meeting.deleted", "meeting.updated"):
            payload = started(heard, host_id=other["host_id"]) | {"account_id": other["account_id"]}
            payload["object"]["topic"] = "By another"
            assert send(heard, event, payload).status_code == 204
        assert self.nothing_changed(heard)

    def test_a_workspace_that_disconnected_the_account_receives_nothing_more(
        self, heard: Product, streams: Streams
    ) -> None:
        heard.connect("u-2")
        disconnect(heard)
        assert send(heard, "meeting.started", started(heard)).status_code == 204
        assert self.nothing_changed(heard)

    def test_another_workspace_of_the_same_account_receives_its_own_only(
        self, heard: Product, streams: Streams
    ) -> None:
        second = heard.caller("ws-2")
        heard.connect("u-1", workspace_id="ws-2")
        second.put("/v1/calendars/c-1", json=calendar())
        second.put("/v1/webhook-endpoints/e-2", json={"url": HOOK, "events": NAMED})
        put(heard, workspace_id="ws-2", title="Theirs")
        theirs = next(meeting for meeting in heard.zoom.meetings.values() if meeting.topic == "Theirs")
        heard.zoom.sessions.take_place(theirs.id)
        assert {row["workspace_id"]["S"] for row in heard.aws.scan("provider_events")} == {"ws-2"}
        assert {row["endpoint_key"]["S"].partition("#")[0] for row in heard.aws.scan("deliveries")} == {"ws-2"}

    def test_a_report_does_not_wake_a_broken_account(self, heard: Product) -> None:
        break_grant(heard)
        put(heard, days=36)
        before = len(calls(heard))
        heard.zoom.sessions.delete_by_hand(only_id(heard))
        heard.settle()
        assert calls(heard)[before:] == []

    def test_the_event_of_a_removed_meeting_changes_nothing(self, heard: Product, streams: Streams) -> None:
        payload = started(heard)
        cancel(heard)
        assert send(heard, "meeting.started", payload).status_code == 204
        assert [row["type"] for row in sent(heard)] == []


class TestBadInput:
    def test_a_forged_event_is_refused(self, heard: Product) -> None:
        body = json.dumps({"event": "meeting.deleted", "event_ts": 1, "payload": started(heard)}).encode()
        assert send_raw(heard, body, secret="another-secret").status_code == 401

    def test_a_replayed_one_is_refused_after_five_minutes(self, heard: Product) -> None:
        body = json.dumps({"event": "meeting.started", "payload": started(heard)}).encode()
        timestamp = str(int(heard.clock().timestamp()))
        signature = webhooks.signature(heard.zoom.webhook_secret, timestamp, body.decode())
        headers = {"x-zm-request-timestamp": timestamp, "x-zm-signature": signature}
        heard.clock.advance(301)
        assert heard.stranger().post(ADDRESS, content=body, headers=headers).status_code == 401

    def test_an_oversized_one_is_refused(self, heard: Product) -> None:
        assert send(heard, "meeting.started", started(heard, topic="x" * 70_000)).status_code == 413

    @pytest.mark.parametrize(
        "event_ts", [10**30, -(10**30), float("nan"), "2030", [], {}, True, -1, 253_402_300_800_000]
    )
    def test_an_impossible_time_changes_nothing(self, heard: Product, event_ts: Any) -> None:
        assert send(heard, "meeting.started", started(heard), event_ts=event_ts).status_code == 204
        assert rows(heard) == []

    @examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_nothing_that_zoom_could_sign_causes_an_error(self, heard: Product, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([*EVENTS, "meeting.unheard_of"]))
        wild = st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
            max_leaves=12,
        )
        payload = data.draw(wild)
        if isinstance(payload, dict) and data.draw(st.booleans()):
            about = data.draw(st.dictionaries(st.sampled_from(FIELDS), wild, max_size=6))
            payload = payload | started(heard, **about)
        others = data.draw(st.fixed_dictionaries({}, optional={"event_ts": wild}))
        assert send(heard, name, payload, **others).status_code in (200, 204)
        assert heard.settle() == []


EVENTS = (
    "meeting.updated",
    "meeting.deleted",
    "meeting.permanently_deleted",
    "meeting.started",
    "meeting.ended",
    "meeting.participant_joined",
    "meeting.participant_left",
    "recording.completed",
    "app_deauthorized",
    "endpoint.url_validation",
)
FIELDS = (
    "id",
    "uuid",
    "host_id",
    "topic",
    "start_time",
    "duration",
    "password",
    "share_url",
    "participant",
    "user_id",
    "participant_uuid",
    "object",
    "account_id",
    "plainToken",
    "deauthorization_time",
)
