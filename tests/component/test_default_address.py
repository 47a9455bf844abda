"""The default address of the API is closed only while no one needs it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import boto3
import pytest
from botocore.stub import Stubber
from msgspec.structs import replace

from infra.deploy.default_address import require_unused
from infra.deploy.stage import DeployError, Stage
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.product import DAILY_KEY, Product, booking, calendar

HOST = "abc.execute-api.eu-central-1.amazonaws.com"
DOMAIN = "https://meet.example.com"
DAYS = 4
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
PATIENTLY = 100 * 24 * 3600


@dataclass
class Deployed:
    """A stage with the harness's tables, and with these lines in its access log."""

    aws: Aws
    now: datetime
    lines: list[dict[str, Any]] = field(default_factory=list)
    name: str = "ci"

    @property
    def table_prefix(self) -> str:
        return self.aws.table_prefix

    def client(self, service: str) -> Any:
        if service != "logs":
            return self.aws.client(service)
        client = boto3.client("logs", region_name="eu-central-1", **KEYS)
        stubber = Stubber(client)
        events = [{"message": json.dumps(line)} for line in self.lines]
        stubber.add_response(
            "filter_log_events",
            {"events": events},
            {
                "logGroupName": "/aws/apigateway/meetlink-ci",
                "startTime": int(self.now.timestamp() - 7 * 24 * 3600) * 1000,
                "filterPattern": f'{{ $.host = "{HOST}" }}',
            },
        )
        stubber.activate()
        return client


def require(product: Product, *lines: dict[str, Any]) -> list[str]:
    """What the command says; raises `DeployError` if the address is needed."""
    said: list[str] = []
    now = product.clock()
    deployed = cast(Stage, Deployed(product.aws, now, list(lines)))
    require_unused(deployed, f"https://{HOST}/ci/", now, said.append)
    return said


def request(route: str, status: int = 200, method: str = "GET") -> dict[str, Any]:
    return {"route": route, "status": str(status), "method": method}


@pytest.fixture
def hosted(moto_aws: Aws, clock: FakeClock) -> Product:
    """A booking whose links begin with the default address, as there is no domain yet."""
    product = Product(moto_aws, clock)
    product.connect_with_key("daily", {"api_key": DAILY_KEY})
    connection = product.services.connection_store.get("ws-1", "u-1")
    assert connection is not None
    product.services.connection_store.replace(replace(connection, base_url=f"https://{HOST}/ci"))
    product.caller().put("/v1/calendars/c-1", json=calendar())
    product.caller().put("/v1/bookings/b-1", json=booking(days=DAYS))
    product.settle()
    return product


def with_domain(product: Product) -> Product:
    return Product(product.aws, product.clock, base_url=DOMAIN, PUBLIC_BASE_URL=DOMAIN)


def test_an_upcoming_booking_with_a_link_to_the_address_keeps_it_open(hosted: Product) -> None:
    with pytest.raises(DeployError, match=r"1 upcoming booking .*ws-1/b-1.* booking retry --state ready --yes"):
        require(hosted)


def test_new_links_free_the_address_once_they_are_mailed(hosted: Product) -> None:
    later = with_domain(hosted)
    later.services.bookings.retry("ws-1", "b-1")
    with pytest.raises(DeployError, match="upcoming booking"):
        require(later)
    before = len(later.mails.sent)
    later.settle()
    assert len(later.mails.sent) > before
    assert require(later)[0] == "default address: looking for upcoming bookings with links to it ..."


def test_a_booking_that_is_over_frees_the_address(hosted: Product) -> None:
    hosted.clock.advance(PATIENTLY)
    require(hosted)


def test_a_cancelled_booking_frees_the_address(hosted: Product) -> None:
    assert hosted.caller().delete("/v1/bookings/b-1").is_success
    hosted.settle()
    require(hosted)


def test_links_of_a_provider_do_not_keep_the_address_open(connected: Product) -> None:
    connected.caller().put("/v1/bookings/b-1", json=booking(days=DAYS))
    connected.settle()
    require(connected)


@pytest.mark.parametrize(
    "route", ["/v1/webhooks/providers/{provider}", "/oauth/{provider}/callback", "/v1/bookings/{booking_id}"]
)
def test_an_address_that_is_used_stays_open(connected: Product, route: str) -> None:
    with pytest.raises(DeployError) as refused:
        require(connected, request(route, method="POST"), request(route, method="POST"), request("/health"))
    assert f"POST {route} (2)" in str(refused.value)
    assert "/health (" not in str(refused.value)


def test_requests_of_strangers_do_not_keep_the_address_open(connected: Product) -> None:
    assert len(require(connected, request("/v1/bookings", 401), request("/health"), request("/docs"))) == 2


def test_the_scan_reports_its_progress(connected: Product, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(5):
        connected.caller().put(f"/v1/bookings/b-{number}", json=booking(days=DAYS))
    assert require(connected)[0] == "default address: looking for upcoming bookings with links to it ..."
    assert "bookings checked: 5 in " in capsys.readouterr().err
