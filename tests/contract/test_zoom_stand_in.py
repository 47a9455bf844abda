"""The stand-in Zoom keeps Zoom's published rules; in process, on a clock of its own."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from flask import Flask, request

from infra.local.standins.kit import Action, Fault, InProcessTransport, serve
from infra.local.standins.zoom import Account, Zoom, create_app
from infra.local.standins.zoom.contract import response_errors
from infra.local.standins.zoom.visitor import answer_consent
from infra.local.standins.zoom.webhooks import hex_hmac, signature

WEB, API, PRODUCT = "https://zoom.us", "https://api.zoom.us", "https://product.example"
REDIRECT = f"{PRODUCT}/callback?from=zoom"
CLIENT = ("client-1", "client-secret-1")
USER_MEETINGS, MEETING = "/users/{userId}/meetings", "/meetings/{meetingId}"
HOST = Account("user-1", "account-1", "host@example.com", "password-1", "Demo Host", timezone="Europe/Berlin")
OTHER = Account("user-2", "account-2", "other@example.com", "password-2", "Other Host")
VERIFIER = "v" * 43
BOOKING = {"type": 2, "topic": "Talk", "agenda": "mark-1", "start_time": "2026-03-02T10:00:00Z", "duration": 30}


class ManualClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **units: float) -> None:
        self.now += timedelta(**units)


class Receiver:
    """The product's webhook endpoint."""

    def __init__(self) -> None:
        self.app = Flask(__name__)
        self.app.add_url_rule("/events", view_func=self.receive, methods=["POST"])
        self.secret = "webhook-secret-1"
        self.events: list[tuple[Mapping[str, str], str]] = []

    def receive(self) -> tuple[dict[str, str], int]:
        self.events.append((dict(request.headers), request.get_data(as_text=True)))
        token = request.get_json()["payload"].get("plainToken", "")
        return {"plainToken": token, "encryptedToken": hex_hmac(self.secret, token)}, 200


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def zoom(clock: ManualClock, receiver: Receiver) -> Zoom:
    return Zoom(
        client_id=CLIENT[0],
        client_secret=CLIENT[1],
        webhook_secret="webhook-secret-1",
        redirect_uris=[REDIRECT],
        accounts=[HOST, OTHER],
        clock=clock,
        webhook_url=f"{PRODUCT}/events",
        webhook_transport=InProcessTransport({PRODUCT: receiver.app}),
        random=Random(7),
    )


@pytest.fixture
def client(zoom: Zoom) -> Iterator[httpx.Client]:
    app = create_app(zoom)
    with httpx.Client(transport=InProcessTransport({WEB: app, API: app})) as client:
        yield client


def authorize_url(**changes: str) -> str:
    query = {"response_type": "code", "client_id": CLIENT[0], "redirect_uri": REDIRECT, "state": "s-1"} | changes
    return f"{WEB}/oauth/authorize?{urlencode(query)}"


def consent(client: httpx.Client, account: Account = HOST, **changes: str) -> dict[str, list[str]]:
    client.cookies.clear()
    back = answer_consent(client, authorize_url(**changes), account.email, account.password)
    return parse_qs(urlsplit(back).query)


def exchange(client: httpx.Client, code: str, **changes: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT} | changes
    return client.post(f"{WEB}/oauth/token", data=form, auth=CLIENT)


def refresh(client: httpx.Client, refresh_token: str, **more: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token} | more
    return client.post(f"{WEB}/oauth/token", data=form, auth=CLIENT)


def connect(client: httpx.Client, account: Account = HOST) -> dict[str, Any]:
    return exchange(client, consent(client, account)["code"][0]).json()


class Api:
    """Calls below /v2 with one access token."""

    def __init__(self, client: httpx.Client, access_token: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {access_token}"}

    def __call__(self, method: str, path: str, body: Any = None, **params: Any) -> httpx.Response:
        return self.client.request(method, f"{API}/v2{path}", json=body, params=params or None, headers=self.headers)

    def create(self, **changes: Any) -> httpx.Response:
        return self("POST", "/users/me/meetings", BOOKING | changes)


@pytest.fixture
def api(client: httpx.Client) -> Api:
    return Api(client, connect(client)["access_token"])


def field_errors(answer: httpx.Response) -> list[str]:
    assert (answer.status_code, answer.json()["code"]) == (400, 300)
    return [error["field"] for error in answer.json()["errors"]]


class TestPages:
    def test_allowing_leads_back_with_a_code_and_the_state(self, client: httpx.Client) -> None:
        answer = consent(client)
        assert (answer["state"], answer["from"], len(answer["code"])) == (["s-1"], ["zoom"], 1)

    def test_denying_leads_back_with_an_error_and_the_state(self, client: httpx.Client) -> None:
        back = answer_consent(client, authorize_url(), HOST.email, HOST.password, decision="deny")
        assert parse_qs(urlsplit(back).query) == {"from": ["zoom"], "error": ["access_denied"], "state": ["s-1"]}

    @pytest.mark.parametrize(
        "changes",
        [
            {"client_id": "somebody"},
            {"redirect_uri": f"{PRODUCT}/callback"},
            {"response_type": "token"},
            {"code_challenge": "short"},
            {"code_challenge": VERIFIER, "code_challenge_method": "S512"},
        ],
    )
    def test_a_wrong_request_is_shown_and_never_redirected(self, client: httpx.Client, changes: dict[str, str]) -> None:
        answer = client.get(authorize_url(**changes))
        assert answer.status_code == 400
        assert "Location" not in answer.headers
        assert "That did not work" in answer.text

    def test_a_wrong_password_stays_with_a_message(self, client: httpx.Client) -> None:
        with pytest.raises(ValueError, match="Wrong email or password"):
            answer_consent(client, authorize_url(), HOST.email, "guess")

    def test_signing_in_never_leads_to_another_site(self, client: httpx.Client) -> None:
        for target in ("https://evil.example/", "//evil.example/", "/\\evil.example"):
            form = {"next": target, "email": HOST.email, "password": HOST.password}
            assert client.post(f"{WEB}/signin", data=form).status_code == 400

    def test_consent_needs_the_form_of_the_same_session(self, client: httpx.Client) -> None:
        consent(client)
        answer = client.post(authorize_url(), data={"decision": "allow", "csrf": "guess"})
        assert answer.status_code == 403

    def test_the_consent_page_lists_the_scopes(self, client: httpx.Client, zoom: Zoom) -> None:
        consent(client)
        page = client.get(authorize_url()).text
        assert all(scope in page for scope in zoom.scopes)

    def test_every_page_says_that_it_is_a_stand_in(self, client: httpx.Client) -> None:
        pages = [client.get(url).text for url in (authorize_url(), authorize_url(client_id="x"), f"{WEB}/apps")]
        assert all("Stand-in Zoom" in page and "<script" not in page for page in pages)

    def test_the_demo_login_is_shown_only_on_request(self, client: httpx.Client, zoom: Zoom) -> None:
        assert HOST.password in client.get(authorize_url()).text
        zoom.show_demo_login = False
        assert HOST.password not in client.get(authorize_url()).text

    def test_removing_the_app_ends_its_tokens(self, client: httpx.Client, api: Api, receiver: Receiver) -> None:
        csrf = re.search(r'name="csrf" value="(\w+)"', client.get(f"{WEB}/apps").text)
        assert csrf
        client.post(f"{WEB}/apps/remove", data={"csrf": csrf[1]})
        assert api("GET", "/users/me").status_code == 401
        assert "No app has access" in client.get(f"{WEB}/apps").text
        assert len(receiver.events) == 1

    def test_a_join_link_opens_only_with_its_passcode(self, client: httpx.Client, api: Api) -> None:
        link = api.create().json()["join_url"]
        assert "Talk" in client.get(link).text
        assert client.get(link.split("?")[0]).status_code == 404


class TestTokens:
    def test_an_exchange_answers_what_the_documentation_says(self, client: httpx.Client, zoom: Zoom) -> None:
        answer = connect(client)
        assert {key: answer[key] for key in ("token_type", "expires_in", "api_url", "scope")} == {
            "token_type": "bearer",
            "expires_in": 3599,
            "api_url": API,
            "scope": " ".join(zoom.scopes),
        }
        assert answer.keys() - {"token_type", "expires_in", "api_url", "scope"} == {"access_token", "refresh_token"}

    def test_a_code_works_once(self, client: httpx.Client) -> None:
        code = consent(client)["code"][0]
        assert [exchange(client, code).status_code for _ in range(2)] == [200, 400]

    def test_a_code_lives_five_minutes(self, client: httpx.Client, clock: ManualClock) -> None:
        code = consent(client)["code"][0]
        clock.advance(minutes=5)
        assert exchange(client, code).json()["error"] == "invalid_grant"

    def test_an_exchange_must_repeat_the_redirect_uri(self, client: httpx.Client) -> None:
        assert exchange(client, consent(client)["code"][0], redirect_uri=PRODUCT).status_code == 400

    @pytest.mark.parametrize(
        ("method", "verifier", "status"),
        [("S256", VERIFIER, 200), ("S256", "w" * 43, 400), ("S256", "", 400), ("plain", VERIFIER, 200), ("", "", 400)],
    )
    def test_a_challenge_demands_its_verifier(
        self, client: httpx.Client, method: str, verifier: str, status: int
    ) -> None:
        digest = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
        pkce = {"code_challenge": digest if method == "S256" else VERIFIER}
        code = consent(client, **pkce, **({"code_challenge_method": method} if method else {}))["code"][0]
        assert exchange(client, code, **({"code_verifier": verifier} if verifier else {})).status_code == status

    def test_client_credentials_in_the_body_are_refused(self, client: httpx.Client) -> None:
        form = {"grant_type": "refresh_token", "client_id": CLIENT[0], "client_secret": CLIENT[1]}
        answer = client.post(f"{WEB}/oauth/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")

    def test_a_wrong_client_secret_is_refused(self, client: httpx.Client) -> None:
        answer = client.post(f"{WEB}/oauth/token", data={"grant_type": "refresh_token"}, auth=(CLIENT[0], "guess"))
        assert answer.json()["error"] == "invalid_client"

    def test_an_unknown_grant_type_is_refused(self, client: httpx.Client) -> None:
        answer = client.post(f"{WEB}/oauth/token", data={"grant_type": "password"}, auth=CLIENT)
        assert answer.json()["error"] == "unsupported_grant_type"

    def test_a_refresh_takes_nothing_but_the_token(self, client: httpx.Client) -> None:
        token = connect(client)["refresh_token"]
        assert refresh(client, token, redirect_uri=REDIRECT).status_code == 400
        assert refresh(client, token).status_code == 200

    def test_a_refresh_rotates_both_tokens(self, client: httpx.Client) -> None:
        old = connect(client)
        new = refresh(client, old["refresh_token"]).json()
        assert new.keys() == old.keys()
        assert all(new[name] != old[name] for name in ("access_token", "refresh_token"))

    def test_a_refresh_token_dies_with_its_use(self, client: httpx.Client, zoom: Zoom) -> None:
        token = connect(client)["refresh_token"]
        refresh(client, token)
        answer = refresh(client, token)
        assert (answer.status_code, answer.json()) == (400, {"reason": "Invalid Token!", "error": "invalid_grant"})
        assert zoom.refresh_calls == 2

    def test_a_refresh_token_lives_ninety_days(self, client: httpx.Client, clock: ManualClock) -> None:
        token = connect(client)["refresh_token"]
        clock.advance(days=90)
        assert refresh(client, token).status_code == 400

    def test_an_access_token_lives_an_hour(self, api: Api, clock: ManualClock) -> None:
        clock.advance(minutes=59)
        assert api("GET", "/users/me").status_code == 200
        clock.advance(minutes=1)
        answer = api("GET", "/users/me")
        assert (answer.status_code, answer.json()["code"]) == (401, 124)

    def test_authorizing_again_kills_the_earlier_pair(self, client: httpx.Client, api: Api) -> None:
        earlier, later = connect(client), connect(client)
        assert Api(client, earlier["access_token"])("GET", "/users/me").status_code == 401
        assert refresh(client, earlier["refresh_token"]).status_code == 400
        assert refresh(client, later["refresh_token"]).status_code == 200

    def test_revoking_ends_both_tokens(self, client: httpx.Client) -> None:
        pair = connect(client)
        answer = client.post(f"{WEB}/oauth/revoke", data={"token": pair["access_token"]}, auth=CLIENT)
        assert (answer.status_code, answer.json()) == (200, {"status": "success"})
        assert Api(client, pair["access_token"])("GET", "/users/me").status_code == 401
        assert refresh(client, pair["refresh_token"]).status_code == 400


class TestAccess:
    def test_me_is_described(self, api: Api) -> None:
        body = api("GET", "/users/me").json()
        expected = ("user-1", "account-1", HOST.email, 2, "Europe/Berlin")
        assert tuple(body[key] for key in ("id", "account_id", "email", "type", "timezone")) == expected

    def test_the_address_needs_its_own_scope(self, client: httpx.Client, zoom: Zoom) -> None:
        zoom.scopes = ("user:read:user",)
        assert "email" not in Api(client, connect(client)["access_token"])("GET", "/users/me").json()

    def test_an_unknown_token_is_refused(self, client: httpx.Client) -> None:
        answer = Api(client, "guess")("GET", "/users/me")
        assert (answer.status_code, answer.json()) == (401, {"code": 124, "message": "Invalid access token."})

    def test_a_missing_scope_is_named(self, client: httpx.Client, zoom: Zoom) -> None:
        zoom.scopes = ("user:read:user",)
        answer = Api(client, connect(client)["access_token"]).create()
        assert (answer.status_code, answer.json()["code"]) == (400, 4711)
        assert "does not contain scopes:[meeting:write:meeting, " in answer.json()["message"]

    def test_classic_scopes_still_work(self, client: httpx.Client, zoom: Zoom) -> None:
        zoom.scopes = ("meeting:write",)
        assert Api(client, connect(client)["access_token"]).create().status_code == 201

    def test_a_scope_added_to_the_app_needs_consent_anew(self, client: httpx.Client, zoom: Zoom) -> None:
        every_scope, zoom.scopes = zoom.scopes, ("user:read:user",)
        pair = connect(client)
        zoom.scopes = every_scope
        assert refresh(client, pair["refresh_token"]).json()["scope"] == "user:read:user"
        assert connect(client)["scope"] == " ".join(every_scope)

    @pytest.mark.parametrize("user_id", [HOST.user_id, HOST.email, OTHER.user_id])
    def test_user_level_tokens_must_say_me(self, api: Api, user_id: str) -> None:
        for method, path in (("GET", ""), ("GET", "/meetings"), ("POST", "/meetings")):
            assert api(method, f"/users/{user_id}{path}").json()["code"] == 4711

    def test_somebody_elses_meeting_does_not_exist(self, client: httpx.Client, api: Api) -> None:
        meeting_id = api.create().json()["id"]
        other = Api(client, connect(client, OTHER)["access_token"])
        for method in ("GET", "DELETE"):
            answer = other(method, f"/meetings/{meeting_id}")
            expected = {"code": 3001, "message": f"Meeting does not exist: {meeting_id}."}
            assert (answer.status_code, answer.json()) == (404, expected)

    def test_every_reply_can_be_traced(self, client: httpx.Client, api: Api) -> None:
        answers = [api.create(), api("GET", "/meetings/1"), client.get(authorize_url()), refresh(client, "x")]
        assert len({answer.headers["x-zm-trackingid"] for answer in answers}) == len(answers)


class TestMeetings:
    def test_creating_answers_what_the_contract_declares(self, api: Api) -> None:
        answer = api.create(settings={"waiting_room": False, "jbh_time": 10, "additional_data_center_regions": ["TY"]})
        body = answer.json()
        assert (answer.status_code, response_errors("post", USER_MEETINGS, "201", body)) == (201, [])
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


class TestWebhooks:
    def test_deauthorizing_kills_tokens_and_sends_a_signed_event(
        self, client: httpx.Client, api: Api, receiver: Receiver
    ) -> None:
        answer = client.post(f"{WEB}/_admin/deauthorize", json={"user_id": "user-1"})
        (headers, body), *_ = receiver.events
        assert answer.json() == {"delivered": 200}
        assert api("GET", "/users/me").status_code == 401
        expected = signature("webhook-secret-1", headers["X-Zm-Request-Timestamp"], body)
        assert headers["X-Zm-Signature"] == expected
        event = json.loads(body)
        assert (event["event"], event["event_ts"]) == ("app_deauthorized", 1772366400000)
        assert event["payload"].keys() == {
            "account_id", "user_id", "signature", "deauthorization_time", "client_id",
        }  # fmt: skip

    def test_the_receiver_must_prove_that_it_knows_the_secret(self, client: httpx.Client, receiver: Receiver) -> None:
        assert client.post(f"{WEB}/_admin/validate-webhook").json() == {"valid": True}
        receiver.secret = "guess"
        assert client.post(f"{WEB}/_admin/validate-webhook").json() == {"valid": False}

    def test_an_absent_receiver_is_no_error(self, zoom: Zoom) -> None:
        zoom.webhook_url = "https://absent.example/"
        delivery = zoom.deauthorize("user-1")
        assert delivery is not None
        assert delivery.status is None

    def test_signatures_match_those_zooms_own_receiver_accepts(self) -> None:
        vectors = json.loads((Path(__file__).parent / "zoom-webhook-vectors.json").read_text())
        for vector in vectors:
            matches = signature(vector["secret"], vector["timestamp"], vector["body"]) == vector["x-zm-signature"]
            assert matches is not vector["name"].endswith("_tampered")


class TestFaults:
    def test_an_answer_before_the_work_leaves_it_undone(self, api: Api, zoom: Zoom) -> None:
        zoom.faults.add(Fault("/meetings$", Action.BEFORE, status=503, headers={"Retry-After": "7"}, body="<busy/>"))
        answer = api.create()
        assert (answer.status_code, answer.text, answer.headers["Retry-After"]) == (503, "<busy/>", "7")
        assert zoom.meetings == {}

    def test_an_answer_after_the_work_replaces_the_real_one(self, api: Api, zoom: Zoom) -> None:
        zoom.faults.add(Fault("/meetings$", Action.AFTER, status=500, body={"code": 1}))
        assert api.create().json() == {"code": 1}
        assert len(zoom.meetings) == 1

    @pytest.mark.parametrize(("action", "meetings"), [(Action.LOST_BEFORE, 0), (Action.LOST_AFTER, 1)])
    def test_a_lost_answer_times_out(self, api: Api, zoom: Zoom, action: Action, meetings: int) -> None:
        zoom.faults.add(Fault("/meetings$", action))
        with pytest.raises(httpx.ReadTimeout):
            api.create()
        assert len(zoom.meetings) == meetings
        assert zoom.faults.calls[-1].status is None

    def test_a_lost_request_can_look_like_a_failed_connection(self, api: Api, zoom: Zoom) -> None:
        zoom.faults.add(Fault(".", Action.LOST_BEFORE, error="connect_error"))
        with pytest.raises(httpx.ConnectError):
            api.create()

    def test_a_lost_refresh_costs_the_connection(self, client: httpx.Client, zoom: Zoom) -> None:
        token = connect(client)["refresh_token"]
        zoom.faults.add(Fault("/oauth/token", Action.LOST_AFTER))
        with pytest.raises(httpx.ReadTimeout):
            refresh(client, token)
        assert refresh(client, token).status_code == 400

    def test_a_delay_beyond_the_timeout_times_out_after_the_work(self, api: Api, zoom: Zoom) -> None:
        zoom.faults.add(Fault("/meetings$", delay_seconds=4, times=2))
        assert api.create().status_code == 201
        with pytest.raises(httpx.ReadTimeout):
            zoom.faults.add(Fault("/meetings$", delay_seconds=6))
            [api.create() for _ in range(2)]
        assert len(zoom.meetings) == 3

    def test_a_fault_strikes_the_chosen_requests_only(self, api: Api, zoom: Zoom) -> None:
        zoom.faults.add(Fault("/users/me$", Action.BEFORE, method="GET", skip=1, times=2, status=500))
        statuses = [api("GET", "/users/me").status_code for _ in range(4)]
        assert [*statuses, api.create().status_code] == [200, 500, 500, 200, 201]

    def test_faults_can_be_added_and_cleared_over_http(self, client: httpx.Client, api: Api) -> None:
        fault = {"action": "before", "path": "^/v2/", "times": None, "status": 502}
        assert client.post(f"{WEB}/_admin/faults", json=fault).status_code == 201
        assert [api("GET", "/users/me").status_code for _ in range(2)] == [502, 502]
        assert client.delete(f"{WEB}/_admin/faults").status_code == 204
        assert api("GET", "/users/me").status_code == 200

    @pytest.mark.parametrize(
        "fault", [[], {}, {"path": "."}, {"path": "(", "action": "before"}, {"path": ".", "action": "explode"}]
    )
    def test_a_meaningless_fault_is_refused(self, client: httpx.Client, fault: Any) -> None:
        assert client.post(f"{WEB}/_admin/faults", json=fault).status_code == 400

    def test_the_log_of_calls_keeps_no_secrets(self, client: httpx.Client, api: Api) -> None:
        api("GET", "/users/me")
        calls = client.get(f"{WEB}/_admin/calls").json()["calls"]
        assert calls[-1] == {"method": "GET", "path": "/v2/users/me", "status": 200}
        assert "state=" not in json.dumps(calls)

    def test_a_reset_forgets_everything(self, client: httpx.Client, api: Api, zoom: Zoom) -> None:
        api.create()
        zoom.faults.add(Fault(".", Action.BEFORE))
        assert client.post(f"{WEB}/_admin/reset").status_code == 204
        assert (zoom.meetings, zoom.faults.calls) == ({}, [])
        assert api("GET", "/users/me").status_code == 401


class TestServer:
    def test_a_lost_answer_closes_the_socket(self, zoom: Zoom) -> None:
        zoom.faults.add(Fault("/oauth/token", Action.LOST_BEFORE))
        with serve(create_app(zoom)) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                client.post("/oauth/token", data={"grant_type": "refresh_token"}, auth=CLIENT)
            assert client.post("/oauth/token", auth=CLIENT).status_code == 400

    def test_it_logs_nothing(self, zoom: Zoom, capfd: pytest.CaptureFixture[str]) -> None:
        with serve(create_app(zoom)) as server:
            answer = httpx.get(f"{server.url}/oauth/authorize?state=secret", trust_env=False)
        assert (answer.http_version, answer.status_code) == ("HTTP/1.1", 400)
        assert capfd.readouterr() == ("", "")

    def test_an_unknown_origin_cannot_be_reached_in_process(self, client: httpx.Client) -> None:
        with pytest.raises(httpx.ConnectError):
            client.get("https://elsewhere.example/")
