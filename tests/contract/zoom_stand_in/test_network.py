"""The stand-in Zoom keeps Zoom's published rules: its events, and faults on demand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.standins.faults import Action, Fault
from infra.local.standins.server import serve
from infra.local.standins.zoom import Zoom, create_app
from infra.local.standins.zoom.webhooks import signature
from tests.contract.zoom_stand_in.visit import (
    CLIENT,
    WEB,
    Api,
    Receiver,
    connect,
    refresh,
)


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
            "account_id", "user_id", "signature", "deauthorization_time", "client_id", "user_data_retention",
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
        vectors = json.loads((Path(__file__).parents[1] / "zoom-webhook-vectors.json").read_text())
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
