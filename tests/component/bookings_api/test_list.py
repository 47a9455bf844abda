"""`GET /v1/bookings`: pages, filters, and what they cost."""

from __future__ import annotations

import json
from datetime import timedelta

import httpx
import pytest

from infra.local.standins.faults import Action, Fault
from tests.support.clock import START
from tests.support.product import Product, booking, calendar

CHOICES: list[tuple[dict[str, str], list[str]]] = [
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
    ({"meeting_state": "none", "calendar_id": "c-2"}, ["b-5"]),
    ({"meeting_state": "waiting,failed"}, []),
    ({"reason": "location_not_video", "to": (START + timedelta(days=1)).isoformat()}, ["b-0"]),
    ({"guest_email": "Guest@example.com", "from": (START + timedelta(days=5)).isoformat()}, ["b-5", "b-6"]),
    ({"guest_email": "host@example.com"}, []),
]
"""Queries, and the bookings of `booked` that they choose."""


class TestList:
    @pytest.fixture
    def booked(self, product: Product) -> httpx.Client:
        """Seven bookings a day apart; b-3 is cancelled, b-5 is on c-2 of another host."""
        caller = product.caller()
        caller.put("/v1/calendars/c-2", json=calendar("phone", user_id="u-2"))
        for day in range(7):
            caller.put(f"/v1/bookings/b-{day}", json=booking("c-2" if day == 5 else "c-1", days=day))
        caller.delete("/v1/bookings/b-3")
        product.settle()
        return caller

    @staticmethod
    def ids(answer: httpx.Response) -> list[str]:
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    def all_pages(self, caller: httpx.Client, query: dict[str, str], limit: int) -> list[str]:
        ids: list[str] = []
        cursor = None
        for _ in range(9):
            params = {**query, "limit": limit} | ({"cursor": cursor} if cursor else {})
            response = caller.get("/v1/bookings", params=params)
            ids += self.ids(response)
            cursor = response.json()["next_cursor"]
            if cursor is None:
                break
        return ids

    def test_bookings_come_in_the_order_of_their_start(self, booked: httpx.Client) -> None:
        assert self.ids(booked.get("/v1/bookings")) == [f"b-{day}" for day in range(7)]

    def test_they_are_chosen(self, booked: httpx.Client) -> None:
        chosen = [(query, self.ids(booked.get("/v1/bookings", params=query))) for query, _ in CHOICES]
        assert chosen == CHOICES

    @pytest.mark.parametrize("query", [{}, {"status": "confirmed"}, {"user_id": "u-1"}])
    def test_pages_hold_everything_once(self, booked: httpx.Client, query: dict[str, str]) -> None:
        whole = self.ids(booked.get("/v1/bookings", params=query))
        assert [self.all_pages(booked, query, limit) for limit in (1, 3, 7)] == [whole] * 3

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
            "meeting_state=broken",
            "meeting_state=failed,",
            "meeting_state=",
            "reason=because",
            "guest_email=guest",
            "email=guest@example.com",
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

    def test_a_booking_that_waits_is_listed_with_its_reason_until_it_has_its_link(self, connected: Product) -> None:
        caller = connected.caller()
        outage = Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=503, times=None)
        connected.zoom.faults.add(outage)
        caller.put("/v1/bookings/b-1", json=booking())
        connected.settle()
        for _ in range(3):
            connected.tick()
        query = {"meeting_state": "waiting,failed"}
        (listed,) = caller.get("/v1/bookings", params=query).json()["items"]
        assert (listed["id"], listed["meeting"]["reason"]) == ("b-1", "provider_unavailable")
        assert caller.get("/v1/bookings", params=query | {"reason": "rate_limited"}).json()["items"] == []
        connected.zoom.faults.clear()
        connected.tick(3600)
        assert caller.get("/v1/bookings", params=query).json()["items"] == []

    def test_a_list_whose_index_is_being_built_says_so_and_the_others_work(
        self, booked: httpx.Client, product: Product
    ) -> None:
        client, name = product.aws.client("dynamodb"), product.aws.table_prefix + "bookings"
        client.update_table(TableName=name, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by_trouble"}}])
        answer = booked.get("/v1/bookings", params={"meeting_state": "failed"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert "its index is being built" in answer.json()["detail"]
        assert len(self.ids(booked.get("/v1/bookings"))) == 7

    def test_a_page_of_large_bookings_stays_below_what_lambda_may_return(self, product: Product) -> None:
        caller, everything = product.caller(), [f"b-{number:02}" for number in range(45)]
        for booking_id in everything:
            body = booking() | {"metadata": {"note": '"' * 29_000}}
            assert caller.put(f"/v1/bookings/{booking_id}", json=body).status_code == 201
        found, cursor, pages = [], None, 0
        while pages == 0 or cursor:
            answer = caller.get("/v1/bookings", params={"limit": 100} | ({"cursor": cursor} if cursor else {}))
            assert len(json.dumps({"body": answer.text})) < 6_000_000
            found += self.ids(answer)
            cursor, pages = answer.json()["next_cursor"], pages + 1
        assert (found, pages) == (everything, 2)
