"""`/v1/bookings` (DESIGN 7 and 11): statuses, problem details, idempotency, versions, waiting, pages."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest
from icalendar import Calendar

from infra.local.standins.faults import Action, Fault
from tests.support.answers import as_far_as, assert_problem
from tests.support.product import Product, booking, calendar

PATH = "/v1/bookings/b-1"


class TestPut:
    def test_a_new_booking_is_answered_201_and_a_change_200(self, caller: httpx.Client) -> None:
        assert caller.put(PATH, json=booking()).status_code == 201
        assert caller.put(PATH, json=booking(title="Other")).status_code == 200

    def test_the_answer_has_the_form_of_the_design(self, caller: httpx.Client) -> None:
        body = booking(metadata={"source": "web", "nested": {"list": [1, 2.5, None, True]}}, version=7)
        expected = {
            "id": "b-1",
            "revision": 1,
            "status": "confirmed",
            "calendar_id": "c-1",
            "host": {
                "user_id": "u-1",
                "name": "Demo Host",
                "email": "host@example.com",
                "time_zone": "Europe/Berlin",
            },
            "location": {"type": "phone", "phone": None},
            "starts_at": "2027-01-05T09:30:00Z",
            "ends_at": "2027-01-05T10:00:00Z",
            "time_zone": "Europe/Berlin",
            "title": "Introductory call",
            "description": "We will look at your questions.",
            "guests": body["guests"],
            "metadata": body["metadata"],
            "version": 7,
            "meeting": {
                "state": "none",
                "reason": "location_not_video",
                "detail": None,
                "provider": None,
                "join_url": None,
                "passcode": None,
                "dial_in": [],
                "attempts": 0,
                "next_attempt_at": None,
            },
            "invitations": [],
            "created_at": "2026-12-01T09:30:00Z",
            "updated_at": "2026-12-01T09:30:00Z",
        }
        answer = caller.put(PATH, json=body).json()
        assert as_far_as(expected, answer) == expected

    def test_the_same_content_again_makes_no_new_revision(self, product: Product, caller: httpx.Client) -> None:
        first = caller.put(PATH, json=booking()).json()
        product.clock.advance(60)
        again = caller.put(PATH, json=booking())
        assert (again.status_code, again.json()) == (200, first)

    @pytest.mark.parametrize(
        "same",
        [
            {"starts_at": "2027-01-05T10:30:00+01:00", "ends_at": "2027-01-05T11:00:00+01:00"},
            {"starts_at": "2027-01-05T09:30:00.000Z"},
            {"title": "  Introductory \t call\u0000 "},
        ],
        ids=["another offset", "with milliseconds", "cleaned alike"],
    )
    def test_the_same_content_spelled_otherwise_makes_none_either(
        self, caller: httpx.Client, same: dict[str, Any]
    ) -> None:
        caller.put(PATH, json=booking())
        assert caller.put(PATH, json=booking(**same)).json()["revision"] == 1

    @pytest.mark.parametrize(
        ("name", "first", "second"),
        [
            ("title", "One", "Two"),
            ("description", "One", "Two"),
            ("guests", [], [{"email": "guest@example.com"}]),
            ("time_zone", "Europe/Berlin", "Europe/Paris"),
            ("metadata", {"a": 1}, {"a": 2}),
            ("metadata", {"paid": 1}, {"paid": True}),
            ("metadata", {"paid": False}, {"paid": 0}),
        ],
    )
    def test_every_change_of_content_raises_the_revision_and_is_kept(
        self, caller: httpx.Client, name: str, first: Any, second: Any
    ) -> None:
        caller.put(PATH, json=booking(**{name: first}))
        changed = caller.put(PATH, json=booking(**{name: second})).json()
        assert changed["revision"] == 2
        if name != "guests":
            assert json.dumps(changed[name]) == json.dumps(second)

    def test_a_cancelled_id_is_refused(self, caller: httpx.Client) -> None:
        caller.put(PATH, json=booking())
        caller.delete(PATH)
        assert_problem(caller.put(PATH, json=booking(title="Other")), 409, "booking_cancelled")
        assert_problem(caller.put(PATH, json=booking()), 409, "booking_cancelled")

    def test_an_unknown_calendar_is_named(self, caller: httpx.Client) -> None:
        assert_problem(caller.put(PATH, json=booking("c-9")), 422, "unknown_calendar", "/calendar_id")
        assert caller.get(PATH).status_code == 404

    def test_a_booking_outlives_its_calendar(self, caller: httpx.Client) -> None:
        caller.put(PATH, json=booking())
        caller.delete("/v1/calendars/c-1")
        assert caller.put(PATH, json=booking(title="Other")).status_code == 200
        assert caller.delete(PATH).status_code == 200

    def test_a_route_calls_no_provider_and_sends_no_mail(self, connected: Product) -> None:
        calls = len(connected.zoom.faults.calls)
        connected.caller().put(PATH, json=booking())
        connected.caller().put(PATH, json=booking(days=36))
        connected.caller().delete(PATH)
        assert len(connected.zoom.faults.calls) == calls
        assert connected.mails.sent == []

    def test_a_title_full_of_control_characters_is_cleaned_and_the_booking_gets_its_link(
        self, connected: Product
    ) -> None:
        hostile = "".join(map(chr, range(32))) + "A\x7f\x85\u2028\u202eB\ufffe\ud800\r\nBcc: x@example.com"
        body = json.dumps(booking(title=hostile, description=hostile)).encode()
        answer = connected.caller().put(PATH, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 201, answer.text
        assert connected.settle() == []
        assert connected.caller().get(PATH).json()["meeting"]["state"] == "ready"
        assert len(connected.mails.sent) == 2

    def test_a_title_of_nothing_but_control_characters_gets_a_word(self, caller: httpx.Client) -> None:
        assert caller.put(PATH, json=booking(title="\x00\x01\u202e")).json()["title"] == "Appointment"

    def test_a_very_long_title_is_cut_and_not_refused(self, caller: httpx.Client) -> None:
        answer = caller.put(PATH, json=booking(title="x" * 5000))
        assert (answer.status_code, len(answer.json().get("title", ""))) == (201, 200)


class TestVersion:
    def test_an_older_version_changes_nothing_and_is_answered_with_the_newer(self, caller: httpx.Client) -> None:
        caller.put(PATH, json=booking(title="Newer", version=5))
        late = caller.put(PATH, json=booking(title="Older", version=4))
        assert (late.status_code, late.json()["title"], late.json()["version"]) == (200, "Newer", 5)

    def test_one_version_for_two_contents_is_refused(self, caller: httpx.Client) -> None:
        caller.put(PATH, json=booking(title="One", version=5))
        assert_problem(caller.put(PATH, json=booking(title="Two", version=5)), 409, "version_reused")

    def test_the_newest_version_counts_although_it_changed_nothing(self, caller: httpx.Client) -> None:
        caller.put(PATH, json=booking(title="A", version=1))
        caller.put(PATH, json=booking(title="A", version=3))
        late = caller.put(PATH, json=booking(title="B", version=2)).json()
        assert (late["title"], late["version"]) == ("A", 3)

    def test_versions_in_any_order_leave_the_newest(self, caller: httpx.Client) -> None:
        for version in (3, 1, 5, 2, 4):
            caller.put(PATH, json=booking(title=f"Title {version}", version=version))
        assert caller.get(PATH).json()["title"] == "Title 5"

    def test_a_late_change_of_a_cancelled_booking_is_no_error_and_no_revival(self, caller: httpx.Client) -> None:
        caller.put(PATH, json=booking(version=5))
        caller.delete(PATH)
        late = caller.put(PATH, json=booking(title="Older", version=4))
        assert (late.status_code, late.json()["status"]) == (200, "cancelled")

    def test_a_posted_booking_keeps_its_version(self, caller: httpx.Client) -> None:
        made = caller.post("/v1/bookings", json=booking(version=5)).json()
        late = caller.put(f"/v1/bookings/{made['id']}", json=booking(title="Older", version=4)).json()
        assert (late["title"], late["version"]) == ("Introductory call", 5)


class TestPost:
    def test_it_makes_an_id_and_tells_where_the_booking_is(self, product: Product, caller: httpx.Client) -> None:
        answer = caller.post("/v1/bookings", json=booking())
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"{product.base_url}/v1/bookings/{answer.json()['id']}"
        assert caller.get(answer.headers["Location"]).json() == answer.json()

    def test_two_posts_make_two_bookings(self, caller: httpx.Client) -> None:
        ids = {caller.post("/v1/bookings", json=booking()).json()["id"] for _ in range(2)}
        assert len(ids) == 2

    def test_the_same_key_makes_one(self, caller: httpx.Client) -> None:
        key = {"Idempotency-Key": "order 17/é".encode("ascii", "ignore").decode()}
        answers = [caller.post("/v1/bookings", json=booking(), headers=key) for _ in range(3)]
        assert {(a.status_code, a.json()["id"]) for a in answers} == {(201, answers[0].json()["id"])}
        assert len(caller.get("/v1/bookings").json()["items"]) == 1

    def test_a_repeated_post_is_answered_with_the_booking_as_it_is_now(self, caller: httpx.Client) -> None:
        key = {"Idempotency-Key": "k-1"}
        made = caller.post("/v1/bookings", json=booking(), headers=key).json()
        caller.put(f"/v1/bookings/{made['id']}", json=booking(title="Changed"))
        again = caller.post("/v1/bookings", json=booking(), headers=key).json()
        assert (again["id"], again["title"], again["revision"]) == (made["id"], "Changed", 2)

    def test_a_repeated_post_does_not_revive_a_cancelled_booking(self, caller: httpx.Client) -> None:
        key = {"Idempotency-Key": "k-1"}
        made = caller.post("/v1/bookings", json=booking(), headers=key).json()
        caller.delete(f"/v1/bookings/{made['id']}")
        assert caller.post("/v1/bookings", json=booking(), headers=key).json()["status"] == "cancelled"

    def test_the_same_key_for_another_booking_is_refused(self, caller: httpx.Client) -> None:
        key = {"Idempotency-Key": "k-1"}
        caller.post("/v1/bookings", json=booking(), headers=key)
        answer = caller.post("/v1/bookings", json=booking(days=40), headers=key)
        assert_problem(answer, 409, "idempotency_key_reused")

    def test_the_same_key_for_another_booking_is_refused_also_after_a_change(self, caller: httpx.Client) -> None:
        key = {"Idempotency-Key": "k-1"}
        made = caller.post("/v1/bookings", json=booking(), headers=key).json()
        caller.put(f"/v1/bookings/{made['id']}", json=booking(title="Changed"))
        answer = caller.post("/v1/bookings", json=booking(days=40), headers=key)
        assert_problem(answer, 409, "idempotency_key_reused")

    def test_one_key_in_two_workspaces_makes_two_bookings(self, product: Product) -> None:
        key = {"Idempotency-Key": "k-1"}
        product.caller("ws-2").put("/v1/calendars/c-1", json=calendar("phone"))
        ids = {
            product.caller(w).post("/v1/bookings", json=booking(), headers=key).json()["id"] for w in ("ws-1", "ws-2")
        }
        assert len(ids) == 2


class TestGetAndCancel:
    def test_an_unknown_booking_is_404_everywhere(self, caller: httpx.Client) -> None:
        for answer in (
            caller.get(PATH),
            caller.delete(PATH),
            caller.post(f"{PATH}/retry"),
            caller.get(f"{PATH}/invite.ics"),
        ):
            assert_problem(answer, 404, "not_found")

    def test_cancelling_answers_with_the_booking_again_and_again(self, product: Product, caller: httpx.Client) -> None:
        caller.put(PATH, json=booking())
        first = caller.delete(PATH)
        product.clock.advance(60)
        second = caller.delete(PATH)
        assert first.status_code == second.status_code == 200
        assert first.json() == second.json()
        assert (first.json()["status"], first.json()["revision"]) == ("cancelled", 2)

    def test_cancelling_before_the_first_settling_mails_no_one(self, connected: Product) -> None:
        connected.caller().put(PATH, json=booking())
        connected.caller().delete(PATH)
        connected.settle()
        assert connected.mails.sent == []
        assert not connected.zoom.meetings
        assert connected.caller().get(PATH).json()["meeting"]["state"] == "removed"

    def test_an_id_may_have_every_allowed_character(self, caller: httpx.Client) -> None:
        booking_id = "A-Z.a_z:0-9" + "x" * 117
        assert caller.put(f"/v1/bookings/{booking_id}", json=booking()).json()["id"] == booking_id
        assert caller.get(f"/v1/bookings/{booking_id.replace(':', '%3A')}").status_code == 200

    def test_the_calendar_file_is_a_calendar(self, product: Product, caller: httpx.Client) -> None:
        caller.put(PATH, json=booking(title="Über uns"))
        product.settle()
        answer = caller.get(f"{PATH}/invite.ics")
        assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8; method=REQUEST"
        known = Calendar.from_ical(answer.content)
        assert (str(known["METHOD"]), str(known.events[0]["SUMMARY"])) == ("REQUEST", "Über uns")

    def test_the_calendar_file_has_the_uid_and_sequence_that_were_mailed(
        self, product: Product, caller: httpx.Client
    ) -> None:
        for days in (35, 36):
            caller.put(PATH, json=booking(days=days))
            product.settle()
        event = Calendar.from_ical(caller.get(f"{PATH}/invite.ics").content).events[0]
        mailed = product.mails.sent[-1].invite
        assert (str(event["UID"]), event["SEQUENCE"]) == (mailed.uid, mailed.sequence) == (mailed.uid, 1)

    def test_the_calendar_file_of_a_cancelled_booking_cancels(self, product: Product, caller: httpx.Client) -> None:
        caller.put(PATH, json=booking())
        product.settle()
        caller.delete(PATH)
        product.settle()
        known = Calendar.from_ical(caller.get(f"{PATH}/invite.ics").content)
        assert (str(known["METHOD"]), str(known.events[0]["STATUS"])) == ("CANCEL", "CANCELLED")

    def test_retrying_a_settled_booking_changes_and_mails_nothing(self, connected: Product) -> None:
        connected.caller().put(PATH, json=booking())
        connected.settle()
        before = connected.caller().get(PATH).json()
        assert connected.caller().post(f"{PATH}/retry").status_code == 200
        connected.settle()
        assert connected.caller().get(PATH).json()["meeting"] == before["meeting"]
        assert len(connected.zoom.meetings) == 1
        assert len(connected.mails.sent) == 2

    def test_retrying_needs_no_content_type_and_takes_a_body(self, caller: httpx.Client) -> None:
        caller.put(PATH, json=booking())
        assert caller.post(f"{PATH}/retry").status_code == 200
        assert caller.post(f"{PATH}/retry", json={}).status_code == 200


class TestPreferWait:
    def test_a_settled_booking_is_answered_at_once(self, connected: Product) -> None:
        connected.caller().put(PATH, json=booking())
        connected.settle()
        answer = connected.caller().get(PATH, headers={"Prefer": "wait=20"})
        assert answer.json()["meeting"]["state"] == "ready"
        assert answer.headers["Preference-Applied"] == "wait=20"

    @pytest.mark.parametrize("method", ["PUT", "POST", "GET"])
    def test_a_pending_one_is_answered_as_soon_as_another_settles_it(self, connected: Product, method: str) -> None:
        caller = connected.caller()
        if method == "GET":
            caller.put(PATH, json=booking())
        settler = threading.Timer(0.1, connected.settle)
        settler.start()
        path = "/v1/bookings" if method == "POST" else PATH
        body = {} if method == "GET" else {"json": booking()}
        answer = caller.request(method, path, headers={"Prefer": "wait=20"}, **body)
        settler.join()
        assert answer.json()["meeting"]["state"] == "ready"

    def test_waiting_is_settled_too(self, connected: Product) -> None:
        with connected.zoom.lock:
            connected.zoom.identity.reset()
        connected.caller().put(PATH, json=booking())
        connected.settle()
        answer = connected.caller().get(PATH, headers={"Prefer": "wait=20"})
        assert answer.json()["meeting"]["state"] == "waiting"

    def test_the_time_over_it_is_answered_pending(self, connected: Product) -> None:
        connected.zoom.faults.add(Fault("/v2/users/me/meetings", Action.LOST_AFTER, method="POST"))
        connected.caller().put(PATH, json=booking())
        connected.settle()
        answer = connected.caller().get(PATH, headers={"Prefer": "wait=1"})
        assert (answer.status_code, answer.json()["meeting"]["state"]) == (200, "pending")

    def test_a_preference_that_says_nothing_is_ignored(self, connected: Product) -> None:
        connected.caller().put(PATH, json=booking())
        says_nothing = (
            "wait=0",
            "wait=-5",
            "wait=abc",
            "wait",
            "wait=",
            "waits=20",
            "respond-async",
            "return=minimal",
            ";;;",
            "",
        )
        for prefer in says_nothing:
            answer = connected.caller().get(PATH, headers={"Prefer": prefer})
            assert answer.status_code == 200, prefer
            assert "Preference-Applied" not in answer.headers, prefer

    @pytest.mark.parametrize(
        ("prefer", "applied"),
        [
            ("wait=21", "wait=20"),
            ("WAIT=5", "wait=5"),
            ("respond-async, wait=5", "wait=5"),
            ('return=minimal; wait="5"', "wait=5"),
            ("wait=99999999999999999999", "wait=20"),
        ],
    )
    def test_others_are_understood_and_cut_at_20_seconds(self, caller: httpx.Client, prefer: str, applied: str) -> None:
        caller.put(PATH, json=booking())
        assert caller.get(PATH, headers={"Prefer": prefer}).headers.get("Preference-Applied") == applied
