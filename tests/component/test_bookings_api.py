"""`/v1/bookings` (DESIGN 7 and 11): statuses, problem details, idempotency, versions, waiting, pages."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest
from icalendar import Calendar

from infra.local.standins.kit import Action, Fault
from tests.support.clock import START
from tests.support.product import Product, booking, calendar, recorded_event

PATH = "/v1/bookings/b-1"


@pytest.fixture
def product(product: Product) -> Product:
    """Calendar c-1 is by phone, so that most tests need no connection."""
    assert product.caller().put("/v1/calendars/c-1", json=calendar("phone")).status_code == 201
    return product


@pytest.fixture
def caller(product: Product) -> httpx.Client:
    return product.caller()


def assert_problem(answer: httpx.Response, status: int, reason: str, pointer: str | None = None) -> None:
    """RFC 9457, as DESIGN 7 has it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"urn:meetlink:problem:{reason}"
    assert body["status"] == status
    assert body["title"] and body["detail"]
    assert [error["pointer"] for error in body.get("errors", [])] == ([pointer] if pointer is not None else [])


def as_far_as(expected: Any, answer: Any) -> Any:
    """`answer` without the members that `expected` does not name: an answer may grow."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        return {name: as_far_as(value, answer.get(name, "missing")) for name, value in expected.items()}
    if isinstance(expected, list) and isinstance(answer, list) and len(expected) == len(answer):
        return [as_far_as(one, other) for one, other in zip(expected, answer, strict=True)]
    return answer


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

    def test_cancelling_before_the_first_settling_mails_nobody(self, connected: Product) -> None:
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
        assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
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
            connected.zoom.grants.reset()
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


class TestList:
    @pytest.fixture
    def booked(self, product: Product) -> httpx.Client:
        """Seven bookings a day apart; b-3 is cancelled, b-5 is on c-2 of another host."""
        caller = product.caller()
        caller.put("/v1/calendars/c-2", json=calendar("phone", user_id="u-2"))
        for day in range(7):
            caller.put(f"/v1/bookings/b-{day}", json=booking("c-2" if day == 5 else "c-1", days=day))
        caller.delete("/v1/bookings/b-3")
        return caller

    @staticmethod
    def ids(answer: httpx.Response) -> list[str]:
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    def test_bookings_come_in_the_order_of_their_start(self, booked: httpx.Client) -> None:
        assert self.ids(booked.get("/v1/bookings")) == [f"b-{day}" for day in range(7)]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"status": "cancelled"}, ["b-3"]),
            ({"calendar_id": "c-2"}, ["b-5"]),
            ({"user_id": "u-2"}, ["b-5"]),
            ({"user_id": "u-1", "calendar_id": "c-2"}, []),
            ({"from": (START + timedelta(days=5)).isoformat()}, ["b-5", "b-6"]),
            ({"to": (START + timedelta(days=1)).isoformat()}, ["b-0"]),
            ({"from": "2026-12-02T10:30:00+01:00", "to": "2026-12-03T10:30:00+01:00"}, ["b-1"]),
            ({"from": "2026-12-03T00:00:00Z", "to": "2026-12-02T00:00:00Z"}, []),
            ({"user_id": "u-9"}, []),
            ({"status": "confirmed", "from": "2026-12-04T00:00:00Z", "to": "2026-12-06T00:00:00Z"}, ["b-4"]),
        ],
    )
    def test_they_are_chosen(self, booked: httpx.Client, query: dict[str, str], expected: list[str]) -> None:
        assert self.ids(booked.get("/v1/bookings", params=query)) == expected

    @pytest.mark.parametrize("query", [{}, {"status": "confirmed"}, {"user_id": "u-1"}])
    @pytest.mark.parametrize("limit", [1, 3, 7])
    def test_pages_hold_everything_once(self, booked: httpx.Client, query: dict[str, str], limit: int) -> None:
        whole = self.ids(booked.get("/v1/bookings", params=query))
        found, cursor = [], None
        for _ in range(9):
            params = {**query, "limit": limit} | ({"cursor": cursor} if cursor else {})
            answer = booked.get("/v1/bookings", params=params)
            found += self.ids(answer)
            cursor = answer.json()["next_cursor"]
            if cursor is None:
                break
        assert found == whole

    def test_a_booking_that_is_made_meanwhile_does_not_shift_the_pages(self, booked: httpx.Client) -> None:
        first = booked.get("/v1/bookings", params={"limit": 3}).json()
        booked.put("/v1/bookings/early", json=booking(days=-1))
        second = booked.get("/v1/bookings", params={"limit": 3, "cursor": first["next_cursor"]})
        assert self.ids(second) == ["b-3", "b-4", "b-5"]

    def test_a_cursor_of_another_list_leads_to_nothing_that_was_not_asked_for(self, booked: httpx.Client) -> None:
        cursor = booked.get("/v1/bookings", params={"limit": 1}).json()["next_cursor"]
        query = {"from": (START + timedelta(days=5)).isoformat(), "cursor": cursor}
        assert self.ids(booked.get("/v1/bookings", params=query)) == ["b-5", "b-6"]

    def test_a_moved_booking_is_listed_once_under_its_new_time(self, booked: httpx.Client) -> None:
        booked.put("/v1/bookings/b-0", json=booking(days=9))
        assert self.ids(booked.get("/v1/bookings"))[-1] == "b-0"
        assert len(self.ids(booked.get("/v1/bookings"))) == 7

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=",
            "limit=%D9%A3",
            "status=pending",
            "from=yesterday",
            "from=2027-01-05",
            "from=2027-01-05T15:00:00",
            "to=2027-01-05T15:00:00%2B25:00",
            "to=9999-12-31T23:59:59-23:59",
            "from=0001-01-01T00:00:00%2B23:59",
            "cursor=%00",
            "cursor=AAAA",
            "cursor=not+base64",
            "calendar_id=c%2F1",
            "user_id=%F0%9F%98%80",
            "limit=1&limit=2",
            "cursor=" + "QUFB" * 200,
        ],
    )
    def test_a_query_that_makes_no_sense_is_422(self, caller: httpx.Client, query: str) -> None:
        answer = caller.get(f"/v1/bookings?{query}")
        assert answer.status_code == 422, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"


class TestTheEdge:
    @pytest.mark.parametrize(
        "header",
        [
            {},
            {"Authorization": ""},
            {"Authorization": "Bearer"},
            {"Authorization": "Bearer "},
            {"Authorization": "Basic d3M6eA=="},
            {"Authorization": "Bearer meetlink.ws-1.00000000.x"},
            {"Authorization": "Bearer meetlink.nobody.00000000.x"},
            {"Authorization": "Bearer meetlink..."},
            {"Authorization": "Bearer meetlink." + "w" * 3000 + ".a.b"},
        ],
    )
    def test_without_a_valid_key_it_is_401(self, product: Product, header: dict[str, str]) -> None:
        answer = product.stranger().get("/v1/bookings", headers=header)
        assert_problem(answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    def test_another_workspaces_secret_under_our_workspaces_name_is_401(self, product: Product) -> None:
        ours = product.caller().headers["Authorization"].split(".")
        theirs = product.caller("ws-2").headers["Authorization"].split(".")
        forged = ".".join([theirs[0], "ws-1", *theirs[2:]])
        assert forged != ".".join(ours)
        answer = product.stranger().get("/v1/bookings", headers={"Authorization": forged})
        assert_problem(answer, 401, "unauthorized")

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
    def test_the_scheme_may_be_written_as_you_like(self, product: Product, scheme: str) -> None:
        key = product.caller().headers["Authorization"].split(" ")[1]
        answer = product.stranger().get("/v1/bookings", headers={"Authorization": f"{scheme} {key}"})
        assert answer.status_code == 200

    def test_an_address_that_does_not_exist_is_404(self, caller: httpx.Client) -> None:
        assert_problem(caller.get("/v1/nothing"), 404, "not_found")

    @pytest.mark.parametrize(
        ("method", "path", "allow"),
        [
            ("PATCH", PATH, {"DELETE", "GET", "PUT"}),
            ("POST", PATH, {"DELETE", "GET", "PUT"}),
            ("PUT", "/v1/bookings", {"GET", "POST"}),
            ("GET", f"{PATH}/retry", {"POST"}),
        ],
    )
    def test_a_method_that_does_not_exist_is_405(
        self, caller: httpx.Client, method: str, path: str, allow: set[str]
    ) -> None:
        answer = caller.request(method, path)
        assert_problem(answer, 405, "method_not_allowed")
        assert set(answer.headers["Allow"].replace(" ", "").split(",")) - {"OPTIONS"} == allow

    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "image/png"]
    )
    def test_a_body_that_is_not_json_is_415(self, caller: httpx.Client, kind: str) -> None:
        answer = caller.put(PATH, content=json.dumps(booking()), headers={"Content-Type": kind})
        assert_problem(answer, 415, "unsupported_media_type")

    @pytest.mark.parametrize(
        "kind", ["application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8"]
    )
    def test_json_is_json_with_and_without_a_charset(self, caller: httpx.Client, kind: str) -> None:
        assert caller.put(PATH, content=json.dumps(booking()), headers={"Content-Type": kind}).status_code == 201

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/vnd.api+json"])
    def test_without_a_body_its_kind_does_not_matter(self, caller: httpx.Client, kind: str) -> None:
        """HTTP clients of frontends send their default Content-Type with every request."""
        caller.put(PATH, json=booking())
        for method, path in (("GET", "/v1/bookings"), ("GET", PATH), ("POST", f"{PATH}/retry"), ("DELETE", PATH)):
            answer = caller.request(method, path, headers={"Content-Type": kind})
            assert answer.status_code == 200, (method, path, answer.text)

    def test_every_answer_carries_an_id_and_is_not_to_be_stored(self, caller: httpx.Client) -> None:
        for answer in (caller.get("/v1/bookings"), caller.get(PATH), caller.patch(PATH)):
            assert answer.headers["X-Request-Id"]
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "max-age" in answer.headers["Strict-Transport-Security"]

    def test_an_event_of_api_gateway_is_answered(self, product: Product) -> None:
        event = recorded_event("api_gateway_put_booking")
        event["headers"]["Authorization"] = product.caller().headers["Authorization"]
        answer = product.app(event, None)
        assert (answer["statusCode"], json.loads(answer["body"])["id"]) == (201, "b-42")
        assert answer["headers"]["X-Request-Id"] == event["requestContext"]["requestId"]

    def test_health_is_green(self, product: Product) -> None:
        answer = product.stranger().get("/health")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    def test_a_database_that_does_not_answer_is_503_and_says_when_to_come_again(self, product: Product) -> None:
        product.aws.client("dynamodb").delete_table(TableName=product.aws.table_prefix + "workspaces")
        for answer in (product.stranger().get("/health"), product.caller().get("/v1/bookings")):
            assert_problem(answer, 503, "unavailable")
            assert answer.headers["Retry-After"] == "1"
