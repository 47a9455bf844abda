"""What every route of the API does alike: keys, bodies, unknown addresses."""

from __future__ import annotations

import json

import httpx
import pytest

from chalicelib.version import VERSION
from tests.support.answers import assert_problem
from tests.support.product import Product, booking, recorded_event

PATH = "/v1/bookings/b-1"


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
        # API Gateway renames it, so here it is renamed too.
        assert answer.headers["x-amzn-Remapped-WWW-Authenticate"].startswith("Bearer")
        assert "WWW-Authenticate" not in answer.headers

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

    def test_the_log_names_whose_call_the_database_failed(
        self, product: Product, caller: httpx.Client, caplog: pytest.LogCaptureFixture
    ) -> None:
        product.aws.client("dynamodb").delete_table(TableName=product.aws.table_prefix + "bookings")
        assert_problem(caller.get(PATH), 503, "unavailable")
        (line,) = [line for line in caplog.records if line.message == "store"]
        assert vars(line)["workspace_id"] == "ws-1"

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/v1/nothing"),
            ("PATCH", PATH),
            ("POST", PATH),
            ("PUT", "/v1/bookings"),
            ("GET", f"{PATH}/retry"),
            ("HEAD", PATH),
        ],
    )
    def test_what_has_no_route_is_404_and_a_page_can_read_it(
        self, caller: httpx.Client, method: str, path: str
    ) -> None:
        """API Gateway responds itself: it cannot tell a wrong method from a wrong address."""
        answer = caller.request(method, path)
        if method == "HEAD":
            assert (answer.status_code, answer.content) == (404, b"")
        else:
            assert_problem(answer, 404, "not_found")
        assert answer.headers["X-Request-Id"]
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "X-Request-Id" in answer.headers["Access-Control-Expose-Headers"]

    def test_a_body_that_api_gateway_does_not_take_is_413(self, caller: httpx.Client) -> None:
        answer = caller.put(PATH, content=b" " * (10 * 1024 * 1024 + 1), headers={"Content-Type": "application/json"})
        assert_problem(answer, 413, "too_large")

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
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "version": VERSION})

    def test_every_response_names_the_version(self, product: Product) -> None:
        paths = ("/health", "/docs", "/v1/bookings", "/v1/nothing", "/settings", "/connect/gone", "/assets/page.css")
        for caller in (product.stranger(), product.caller()):
            for path in paths:
                assert caller.get(path).headers["Meetlink-Version"] == VERSION, path

    def test_a_key_is_told_its_workspace_its_id_and_its_limits(self, product: Product) -> None:
        for workspace_id in ("ws-1", "ws-2"):
            caller = product.caller(workspace_id)
            key_id = caller.headers["Authorization"].split(".")[-2]
            assert caller.get("/v1/me").json() == {
                "workspace_id": workspace_id,
                "name": product.services.workspace_store.get(workspace_id).name,
                "key_id": key_id,
                "limits": {
                    "requests_per_second": 50,
                    "requests_at_once": product.services.settings.rate_burst,
                    "emails_per_minute": 600,
                    "emails_per_day": 20_000,
                },
                "version": VERSION,
            }
        assert_problem(product.stranger().get("/v1/me"), 401, "unauthorized")

    def test_a_database_that_does_not_answer_is_503_and_says_when_to_come_again(self, product: Product) -> None:
        product.aws.client("dynamodb").delete_table(TableName=product.aws.table_prefix + "workspaces")
        for answer in (product.stranger().get("/health"), product.caller().get("/v1/bookings")):
            assert_problem(answer, 503, "unavailable")
            assert answer.headers["Retry-After"] == "1"
