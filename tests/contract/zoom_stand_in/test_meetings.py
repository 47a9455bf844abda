"""The stand-in Zoom keeps Zoom's published rules: meetings, lists, limits."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from infra.local.standins.zoom import Zoom
from infra.local.standins.zoom.bodies import RECORDED
from infra.local.standins.zoom.contract import response_errors
from tests.contract.zoom_stand_in.visit import (
    BOOKING,
    MEETING,
    OTHER,
    USER_MEETINGS,
    WEB,
    Api,
    ManualClock,
    connect,
    field_errors,
)


class TestMeetings:
    def test_creating_answers_what_the_contract_declares(self, api: Api) -> None:
        answer = api.create(settings={"waiting_room": False, "jbh_time": 10, "additional_data_center_regions": ["TY"]})
        body = answer.json()
        declared = {name: value for name, value in body.items() if name not in RECORDED}
        assert (answer.status_code, response_errors("post", USER_MEETINGS, "201", declared)) == (201, [])
        assert (body["settings"]["waiting_room"], body["settings"]["jbh_time"]) == (False, 10)
        assert re.fullmatch(r"\d{11}", str(body["id"]))
        assert re.fullmatch(rf"{WEB}/j/{body['id']}\?pwd=\w+\.1", body["join_url"])
        assert "zak=" in body["start_url"]
        assert len(body["settings"]["global_dial_in_numbers"]) == 2

    def test_reading_answers_what_the_contract_declares(self, api: Api) -> None:
        created = api.create().json()
        body = api("GET", f"/meetings/{created['id']}").json()
        assert response_errors("get", MEETING, "200", body) == []
        changed = {key for key in created if body[key] != created[key]}
        assert changed == {"start_url"}

    def test_the_invitation_answers_what_the_contract_declares(self, api: Api) -> None:
        created = api.create().json()
        body = api("GET", f"/meetings/{created['id']}/invitation").json()
        assert response_errors("get", f"{MEETING}/invitation", "200", body) == []
        assert created["join_url"] in body["invitation"]

    def test_local_time_is_read_in_the_named_zone(self, api: Api) -> None:
        body = api.create(start_time="2026-07-01T10:00:00", timezone="America/New_York").json()
        assert body["start_time"] == "2026-07-01T14:00:00Z"

    def test_local_time_without_zone_is_the_hosts(self, api: Api) -> None:
        assert api.create(start_time="2026-07-01T10:00:00").json()["start_time"] == "2026-07-01T08:00:00Z"

    def test_a_meeting_without_start_is_instant_and_unlisted(self, api: Api) -> None:
        assert api("POST", "/users/me/meetings", {"type": 2, "topic": "Now"}).json()["type"] == 1
        assert api("GET", "/users/me/meetings").json()["total_records"] == 0

    def test_no_passcode_is_made_if_none_is_wanted(self, api: Api) -> None:
        body = api.create(default_password=False).json()
        assert "pwd=" not in body["join_url"]
        assert "password" not in body

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"topic": "x" * 201}, "topic"),
            ({"agenda": "x" * 2001}, "agenda"),
            ({"duration": "30"}, "duration"),
            ({"password": "x" * 11}, "password"),
            ({"password": "a b"}, "password"),
            ({"type": 8}, "type"),
            ({"type": 99}, "type"),
            ({"start_time": "2026-03-02T10:00:00+01:00"}, "start_time"),
            ({"start_time": "2026-02-30T10:00:00Z"}, "start_time"),
            ({"timezone": "Mars/Base"}, "timezone"),
            ({"settings": {"jbh_time": 7}}, "settings.jbh_time"),
            ({"settings": {"waiting_rom": True}}, "settings"),
            ({"tpoic": "Talk"}, "(body)"),
        ],
    )
    def test_a_field_against_the_contract_is_refused_by_name(
        self, api: Api, zoom: Zoom, changes: dict[str, Any], field: str
    ) -> None:
        assert field_errors(api.create(**changes)) == [field]
        assert zoom.meetings == {}

    def test_a_body_that_is_not_an_object_is_refused(self, api: Api) -> None:
        assert api("POST", "/users/me/meetings", [1]).json()["code"] == 300

    def test_an_update_is_an_empty_204(self, api: Api) -> None:
        meeting_id = api.create().json()["id"]
        answer = api("PATCH", f"/meetings/{meeting_id}", {"topic": "New", "settings": {"waiting_room": False}})
        assert (answer.status_code, answer.content, answer.headers.get("Content-Type")) == (204, b"", None)
        body = api("GET", f"/meetings/{meeting_id}").json()
        assert (body["topic"], body["agenda"], body["settings"]["waiting_room"]) == ("New", "mark-1", False)

    def test_an_update_moves_the_meeting_and_keeps_its_link(self, api: Api) -> None:
        created = api.create().json()
        api("PATCH", f"/meetings/{created['id']}", {"start_time": "2026-03-03T09:00:00Z"})
        body = api("GET", f"/meetings/{created['id']}").json()
        assert (body["start_time"], body["join_url"]) == ("2026-03-03T09:00:00Z", created["join_url"])

    def test_a_new_passcode_changes_the_link(self, api: Api) -> None:
        created = api.create().json()
        api("PATCH", f"/meetings/{created['id']}", {"password": "fresh1"})
        body = api("GET", f"/meetings/{created['id']}").json()
        assert body["password"] == "fresh1"
        assert body["join_url"] != created["join_url"]

    def test_a_past_start_is_ignored_in_an_update(self, api: Api) -> None:
        meeting_id = api.create().json()["id"]
        answer = api("PATCH", f"/meetings/{meeting_id}", {"start_time": "2026-02-01T10:00:00Z", "topic": "New"})
        body = api("GET", f"/meetings/{meeting_id}").json()
        assert (answer.status_code, body["start_time"], body["topic"]) == (204, BOOKING["start_time"], "New")

    def test_an_update_against_the_contract_changes_nothing(self, api: Api) -> None:
        meeting_id = api.create().json()["id"]
        assert field_errors(api("PATCH", f"/meetings/{meeting_id}", {"topic": "New", "tpoic": "x"})) == ["(body)"]
        assert api("GET", f"/meetings/{meeting_id}").json()["topic"] == "Talk"

    def test_a_deleted_meeting_is_gone(self, api: Api, zoom: Zoom) -> None:
        path = f"/meetings/{api.create().json()['id']}"
        quietly = {"schedule_for_reminder": "false", "cancel_meeting_reminder": "false"}
        answers = [api("DELETE", path, **quietly), api("DELETE", path), api("GET", path), api("PATCH", path, {})]
        assert [answer.status_code for answer in answers] == [204, 404, 404, 404]
        assert zoom.meetings == {}

    def test_an_unknown_query_parameter_is_refused(self, api: Api) -> None:
        assert field_errors(api("GET", "/users/me/meetings", pagesize=10)) == ["pagesize"]

    def test_live_meetings_can_be_inspected(self, client: httpx.Client, api: Api, zoom: Zoom) -> None:
        meeting_id = api.create().json()["id"]
        meeting = zoom.meetings[meeting_id]
        assert (meeting.host_user_id, meeting.start_time) == ("user-1", datetime(2026, 3, 2, 10, tzinfo=UTC))
        inspected = {key: BOOKING[key] for key in ("topic", "agenda", "start_time", "duration")}
        expected = [{"id": meeting_id, "user_id": "user-1"} | inspected]
        assert client.get(f"{WEB}/_admin/meetings").json()["meetings"] == expected


class TestLists:
    def test_a_list_answers_what_the_contract_declares(self, api: Api) -> None:
        api.create(agenda="x" * 300)
        body = api("GET", "/users/me/meetings", type="scheduled").json()
        assert response_errors("get", USER_MEETINGS, "200", body) == []
        assert len(body["meetings"][0]["agenda"]) == 250
        assert "start_url" not in body["meetings"][0]

    def test_pages_lead_through_all_meetings_once(self, api: Api) -> None:
        ids = {api.create().json()["id"] for _ in range(5)}
        seen, token = [], None
        while token != "":
            params = {"page_size": 2} | ({"next_page_token": token} if token else {})
            body = api("GET", "/users/me/meetings", **params).json()
            seen += [meeting["id"] for meeting in body["meetings"]]
            token = body["next_page_token"]
        assert (len(seen), set(seen)) == (5, ids)

    def test_a_page_token_lives_fifteen_minutes(self, api: Api, clock: ManualClock) -> None:
        for _ in range(2):
            api.create()
        token = api("GET", "/users/me/meetings", page_size=1).json()["next_page_token"]
        clock.advance(minutes=15)
        answer = api("GET", "/users/me/meetings", page_size=1, next_page_token=token)
        assert field_errors(answer) == ["next_page_token"]

    def test_a_page_holds_at_most_three_hundred(self, api: Api) -> None:
        assert field_errors(api("GET", "/users/me/meetings", page_size=301)) == ["page_size"]

    def test_upcoming_leaves_out_what_is_over(self, client: httpx.Client, api: Api, clock: ManualClock) -> None:
        api.create()
        clock.advance(days=2)
        api = Api(client, connect(client)["access_token"])
        counts = [
            api("GET", "/users/me/meetings", type=kind).json()["total_records"] for kind in ("scheduled", "upcoming")
        ]
        assert counts == [1, 0]

    def test_a_new_meeting_can_lag_in_lists(self, api: Api, zoom: Zoom, clock: ManualClock) -> None:
        zoom.list_lag_seconds = 10
        meeting_id = api.create().json()["id"]
        assert api("GET", f"/meetings/{meeting_id}").status_code == 200
        counts = [api("GET", "/users/me/meetings").json()["total_records"]]
        clock.advance(seconds=10)
        assert [*counts, api("GET", "/users/me/meetings").json()["total_records"]] == [0, 1]


class TestLimits:
    @pytest.fixture
    def zoom(self, zoom: Zoom) -> Zoom:
        zoom.limits.daily_limit = 3
        return zoom

    def test_creates_and_updates_of_a_day_are_limited(self, api: Api) -> None:
        path = f"/meetings/{api.create().json()['id']}"
        statuses = [api("PATCH", path, {}).status_code, api.create().status_code, api.create().status_code]
        assert [*statuses, api("PATCH", path, {}).status_code, api("DELETE", path).status_code] == [
            204, 201, 429, 429, 204,
        ]  # fmt: skip

    def test_each_create_and_update_says_what_is_left(self, api: Api) -> None:
        answers = [created := api.create(), api("PATCH", f"/meetings/{created.json()['id']}", {})]
        left = [answer.headers["X-RateLimit-Remaining"] for answer in answers]
        assert (left, answers[0].headers["X-RateLimit-Limit"]) == (["2", "1"], "3")

    def test_the_daily_limit_says_when_to_come_back(self, api: Api) -> None:
        *_, answer = [api.create() for _ in range(4)]
        assert answer.headers["X-RateLimit-Type"] == "Daily-limit"
        assert answer.headers["Retry-After"] == "2026-03-02T00:00:00Z"
        assert answer.json()["code"] == 429
        assert "(3) of Meeting Create/Update API requests" in answer.json()["message"]

    def test_midnight_in_utc_opens_the_day(self, client: httpx.Client, api: Api, clock: ManualClock) -> None:
        for _ in range(3):
            api.create()
        clock.advance(hours=12)
        assert Api(client, connect(client)["access_token"]).create().status_code == 201

    def test_failed_creates_do_not_count(self, api: Api) -> None:
        for _ in range(5):
            api.create(topic="x" * 201)
        assert api.create().status_code == 201

    def test_hosts_do_not_share_the_day(self, client: httpx.Client, api: Api) -> None:
        for _ in range(3):
            api.create()
        assert Api(client, connect(client, OTHER)["access_token"]).create().status_code == 201

    def test_calls_per_second_can_be_limited(self, api: Api, zoom: Zoom, clock: ManualClock) -> None:
        zoom.limits.qps = 2
        answers = [api("GET", "/users/me") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert (answers[2].headers["X-RateLimit-Type"], answers[2].headers["Retry-After"]) == ("QPS", "1")
        clock.advance(seconds=1)
        assert api("GET", "/users/me").status_code == 200
