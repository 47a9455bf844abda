"""Rate limits and calls from other origins' pages."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from random import Random

import httpx
import pytest

from chalicelib.errors import StoreUnavailable
from chalicelib.store.ephemeral import EphemeralStore
from chalicelib.usecases.rate_limit import RateLimit
from tests.support.aws import Aws
from tests.support.clock import START, FakeClock
from tests.support.product import Product

ORIGIN = "https://booking.example.com"


@pytest.fixture
def limited(moto_aws: Aws, clock: FakeClock) -> Product:
    """A deployment with the limits that ship."""
    return Product(moto_aws, clock, MEETLINK_RATE_PER_SECOND="50", MEETLINK_RATE_BURST="100")


LATENCY = timedelta(milliseconds=10)
"""How long a write to the shared usage takes."""


class Shared:
    """The usage that all processes share. Others see a write when it has taken `LATENCY`."""

    def __init__(self) -> None:
        self.used_until = START
        self.writes = 0
        self.is_down = False
        self._pending: deque[tuple[datetime, timedelta]] = deque()

    def read(self, now: datetime) -> datetime:
        while self._pending and self._pending[0][0] <= now:
            at, amount = self._pending.popleft()
            self.used_until = max(self.used_until, at) + amount
        return self.used_until

    def add_usage(self, workspace_id: str, amount: timedelta, now: datetime, *, is_idle: bool) -> None:
        self.writes += 1
        if self.is_down:
            raise StoreUnavailable("down")
        self._pending.append((now + LATENCY, amount))


class Minute:
    """A minute in which every process gets so many requests a second, evenly, each process at its own moments."""

    def __init__(self, processes: int, per_second: int) -> None:
        random, self.shared, self.granted = Random(1), Shared(), 0
        self.now = START
        limits = [RateLimit(self.shared, 50, 100, lambda: self.now, random.random) for _ in range(processes)]
        starts = sorted(((random.random() / per_second, limit) for limit in limits), key=lambda pair: pair[0])
        for number in range(60 * per_second):
            for start, limit in starts:
                self.now = START + timedelta(seconds=number / per_second + start)
                self.granted += limit.count_request("ws", self.shared.read(self.now)).granted


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

    def test_lets_50_a_second_through_for_ever(self) -> None:
        assert 3000 <= Minute(1, 100).granted <= 3100

    def test_grants_every_request_below_the_rate(self) -> None:
        assert Minute(40, 1).granted == 40 * 60

    @pytest.mark.parametrize("per_second", [1, 4, 10])
    def test_holds_over_a_thousand_processes(self, per_second: int) -> None:
        minute = Minute(1000, per_second)
        assert 0.95 * 3000 <= minute.granted <= 1.2 * 3000
        assert minute.shared.writes == pytest.approx(minute.granted / 4, rel=0.1)

    def test_lets_requests_through_when_the_shared_usage_is_down(self, clock: FakeClock) -> None:
        shared = Shared()
        shared.is_down = True
        limit = RateLimit(shared, 50, 100, clock, lambda: 0.0)
        assert sum(limit.count_request("ws", None).granted for _ in range(150)) == 100

    def test_is_read_with_the_key_and_refuses_in_every_process(self, limited: Product) -> None:
        usage = EphemeralStore()
        for is_idle in (True, False, True):  # The last expectation is wrong: the store finds out.
            usage.add_usage("ws-1", timedelta(seconds=1), limited.clock(), is_idle=is_idle)
        refused = ask(limited)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "2")
        assert ask(limited, "ws-2").status_code == 200
        limited.clock.advance(2)
        assert ask(limited).headers["RateLimit"] == '"workspace";r=50;t=1'

    def test_counts_four_for_one_request_in_four(self, limited: Product) -> None:
        shares = iter([0.9, 0.3, 0.2, 0.6] * 2)
        object.__setattr__(limited.services, "sample", lambda: next(shares))
        for _ in range(8):
            assert ask(limited).status_code == 200
        _, used_until = limited.services.workspace_store.get_with_usage("ws-1")
        assert used_until == limited.clock() + timedelta(seconds=8 / 50)


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
