"""Rate limits and calls from other origins' pages."""

from __future__ import annotations

import httpx
import pytest

from chalicelib.errors import StoreUnavailable
from chalicelib.usecases.rate_limit import RateLimit
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.product import Product

ORIGIN = "https://booking.example.com"


@pytest.fixture
def limited(moto_aws: Aws, clock: FakeClock) -> Product:
    """A deployment with the limits that ship."""
    return Product(moto_aws, clock, MEETLINK_RATE_PER_SECOND="50", MEETLINK_RATE_BURST="100")


class Shared:
    """The counter that all processes share, and how often it was told something."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self.calls = 0
        self.is_down = False

    def increment(self, key: str, amount: int, expires_at: object) -> int:
        self.calls += 1
        if self.is_down:
            raise StoreUnavailable("down")
        self.totals[key] = self.totals.get(key, 0) + amount
        return self.totals[key]


def ask(product: Product, workspace_id: str = "ws-1") -> httpx.Response:
    return product.caller(workspace_id).get("/v1/users/u-1/connection")


class TestARateLimit:
    def test_lets_a_burst_through_and_then_says_when_to_come_back(self, limited: Product) -> None:
        assert [ask(limited).status_code for _ in range(100)] == [200] * 100
        refused = ask(limited)
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["type"] == "urn:meetlink:problem:too_many_requests"
        wait = int(refused.headers["Retry-After"])
        assert 1 <= wait <= 2
        limited.clock.advance(wait)
        assert ask(limited).status_code == 200

    def test_is_each_workspaces_own(self, limited: Product) -> None:
        assert [ask(limited).status_code for _ in range(101)][-1] == 429
        assert ask(limited, "ws-2").status_code == 200

    def test_is_told_with_every_answer(self, limited: Product) -> None:
        answer = ask(limited)
        assert answer.headers["RateLimit-Policy"] == '"workspace";q=100;w=2'
        assert answer.headers["RateLimit"] == '"workspace";r=99;t=1'

    def test_has_no_effect_when_refused(self, limited: Product) -> None:
        for _ in range(100):
            ask(limited)
        assert limited.caller().delete("/v1/bookings/b-1").status_code == 429

    def test_lets_50_a_second_through_for_ever(self, clock: FakeClock) -> None:
        limit = RateLimit(Shared(), 50, 100, clock)
        granted = 0
        for _ in range(1000):
            granted += limit.count_request("ws").granted
            clock.advance(0.01)
        assert 500 <= granted <= 600

    def test_of_few_requests_costs_no_round_trip(self, clock: FakeClock) -> None:
        shared = Shared()
        limit = RateLimit(shared, 50, 100, clock)
        for _ in range(40):
            assert limit.count_request("ws").granted
            clock.advance(0.25)
        assert shared.calls == 0

    @pytest.mark.parametrize("processes", [2, 10, 30])
    def test_holds_over_many_processes_up_to_a_bounded_overshoot(self, clock: FakeClock, processes: int) -> None:
        shared = Shared()
        limits = [RateLimit(shared, 50, 100, clock) for _ in range(processes)]
        granted = 0
        clock.advance(1 - clock().timestamp() % 2 + 1)
        for _ in range(190):
            granted += sum(limit.count_request("ws").granted for limit in limits)
            clock.advance(0.01)
        assert granted <= 100 + 10 * processes

    def test_lets_requests_through_when_the_shared_count_is_down(self, clock: FakeClock) -> None:
        shared = Shared()
        shared.is_down = True
        limit = RateLimit(shared, 50, 100, clock)
        assert sum(limit.count_request("ws").granted for _ in range(150)) == 100

    def test_counts_in_the_real_table(self, limited: Product) -> None:
        for _ in range(25):
            ask(limited)
        counted = [row["counted"]["N"] for row in limited.aws.scan("ephemeral") if "counted" in row]
        assert counted == ["20"]


class TestAPageOfAnotherOrigin:
    def test_reads_answers_if_the_workspace_lists_it(self, product: Product) -> None:
        caller = product.caller("ws-9", allowed_origins=[ORIGIN])
        answer = caller.get("/v1/calendars", headers={"Origin": ORIGIN})
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert answer.headers["Vary"] == "Origin"
        refused = caller.get("/v1/calendars/none", headers={"Origin": ORIGIN})
        assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (404, ORIGIN)

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", ORIGIN + ".evil.example", ORIGIN.upper()])
    def test_does_not_read_them_otherwise(self, product: Product, origin: str) -> None:
        caller = product.caller("ws-9", allowed_origins=[ORIGIN])
        answer = caller.get("/v1/calendars", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers

    def test_reads_no_other_workspaces_answers(self, product: Product) -> None:
        product.caller("ws-9", allowed_origins=[ORIGIN])
        answer = product.caller("ws-8").get("/v1/calendars", headers={"Origin": ORIGIN})
        assert "Access-Control-Allow-Origin" not in answer.headers

    def test_gets_its_preflight_answered_without_a_key(self, product: Product) -> None:
        asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}
        answer = product.stranger().options("/v1/bookings/b-1", headers=asked)
        assert (answer.status_code, answer.text) == (204, "")
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert answer.headers["Access-Control-Allow-Methods"] == "DELETE, GET, PUT"
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers

    @pytest.mark.parametrize("path", ["/settings", "/v1/webhooks/providers/zoom", "/health"])
    def test_gets_no_preflight_for_what_is_not_the_callers_api(self, product: Product, path: str) -> None:
        """API Gateway's own 404 can be read by any origin, but a preflight succeeds with a 2xx alone (Fetch, 4.8)."""
        answer = product.stranger().options(path, headers={"Origin": ORIGIN})
        assert answer.status_code == 404
        assert "Access-Control-Allow-Methods" not in answer.headers

    @pytest.mark.parametrize("origin", ["*", "https://*.example.com", "http://booking.example.com", "https://a/b", "x"])
    def test_is_listed_by_its_exact_origin_only(self, product: Product, origin: str) -> None:
        from chalicelib.handlers import operations

        made = operations.run(
            {"do": "create-workspace", "workspace_id": "ws-9", "allowed_origins": [origin]}, product.services
        )
        assert "is not an origin" in made["error"]


def test_every_answer_names_its_request(product: Product) -> None:
    for answer in (
        product.caller().get("/v1/calendars"),
        product.stranger().get("/v1/calendars"),
        product.caller().get("/v1/calendars/none"),
        product.stranger().get("/settings"),
        product.caller().patch("/v1/calendars"),
    ):
        assert answer.headers["X-Request-Id"]
