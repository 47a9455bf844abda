"""What a tenant, or a guest with a link, cannot make the service do at everyone's expense."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from _pytest.mark import ParameterSet
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chalicelib import api
from chalicelib.api.schemas.fields import END, LANGUAGE_PATTERN
from chalicelib.errors import Conflict, LostRace, Rejected
from chalicelib.providers.http_client import HttpClient
from chalicelib.providers.jaas import Jaas
from chalicelib.store.booking_lists import BookingQuery
from chalicelib.store.booking_records import Record
from chalicelib.store.bookings import BookingStore
from chalicelib.store.workspaces import WorkspaceStore
from chalicelib.webhooks.endpoints import WebhookEndpoints
from chalicelib.webhooks.model import MAX_ENDPOINTS, Endpoint
from chalicelib.webhooks.signing_secrets import MAX_SECRETS, WebhookSecrets
from chalicelib.webhooks.store import EndpointStore
from tests.support.clock import START
from tests.support.meter import Meter
from tests.support.product import SECOND_ACCOUNT, WORKSPACE, Product, booking
from tests.support.steps import connection, put, zoom_writes

CHECK = "/v1/users/{}/connection/check"
URL = "https://hooks.example.com/"


def _slow(*values: object) -> ParameterSet:
    """Parameters for which OpenSSL needs seconds to generate the key."""
    return pytest.param(*values, marks=pytest.mark.exhaustive)


@pytest.mark.parametrize(("bits", "accepted"), [(1024, False), (2048, True), _slow(4096, True), _slow(4608, False)])
def test_a_key_whose_signatures_take_seconds_is_refused(bits: int, accepted: bool) -> None:
    key = rsa.generate_private_key(65537, bits)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    typed = {"app_id": "vpaas-magic-cookie-1", "key_id": "k1", "private_key": pem}
    jaas = Jaas(HttpClient(httpx.Client), lambda: START)
    if accepted:
        assert jaas.read_key(typed)
        assert len(pem) < next(field.longest for field in jaas.fields if field.name == "private_key")
    else:
        with pytest.raises(Rejected) as refused:
            jaas.read_key(typed)
        assert "2048 to 4096 bits" in refused.value.advice


class TestTheCheckOfAConnection:
    def test_runs_once_a_minute_for_an_account_whoever_asks(self, connected: Product) -> None:
        connected.connect("u-2")
        assert connected.caller().post(CHECK.format("u-1")).status_code == 200
        writes = zoom_writes(connected)
        for user_id in ("u-1", "u-2"):
            refused = connected.caller().post(CHECK.format(user_id))
            assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
            assert refused.json()["type"].endswith(":too_many_requests")
        assert zoom_writes(connected) == writes
        connected.clock.advance(60)
        assert connected.caller().post(CHECK.format("u-2")).status_code == 200

    def test_of_another_account_is_not_held_up(self, connected: Product) -> None:
        connected.connect("u-2", SECOND_ACCOUNT)
        for user_id in ("u-1", "u-2"):
            assert connected.caller().post(CHECK.format(user_id)).status_code == 200


class TestAListWithAFilter:
    def test_looks_at_so_many_rows_and_then_ends_with_a_cursor(self, connected: Product) -> None:
        store = BookingStore(filtered_rows=1)
        for number in range(13):
            put(connected, f"b-{number:02}", days=number + 1)
        connected.caller().delete("/v1/bookings/b-12")
        found: list[Record] = []
        pages, cursor = 0, None
        while cursor is not None or pages == 0:
            records, cursor = store.page(BookingQuery(WORKSPACE, status="cancelled"), limit=1, after=cursor)
            found, pages = [*found, *records], pages + 1
        assert [record.booking.booking_id for record in found] == ["b-12"]
        assert pages == 2  # Ten rows, then the other three.

    def test_asks_the_database_once_for_a_few_hundred_rows(
        self, connected: Product, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(30):
            connected.caller().put(f"/v1/bookings/b-{number}", json=booking(days=number + 1))
        meter = Meter(connected.aws, monkeypatch)
        with meter.running():
            connected.services.booking_store.page(BookingQuery("ws-1", calendar_id="none"), limit=2, after=None)
        assert meter.calls == {"dynamodb:Query bookings/by_start": 1}


@pytest.mark.parametrize("what", ["calendar_id", "language", "user_id"])
def test_no_field_ends_in_a_line_feed(connected: Product, what: str) -> None:
    host = {"user_id": "u-1", "name": "Demo Host", "email": "host@example.com"}
    if what == "calendar_id":
        answer = connected.caller().put("/v1/bookings/b-1", json=booking("c-1\n"))
    else:
        body = {"name": "Introduction", "host": host | {what: "de\n"}, "location": {"type": "phone"}}
        answer = connected.caller().put("/v1/calendars/c-1", json=body)
    assert answer.status_code == 422
    assert connected.caller().get("/v1/bookings", params={"user_id": "u-1\n"}).status_code == 422


def test_every_pattern_of_a_request_ends_where_the_text_ends() -> None:
    """A `$` alone also matches before a line feed at the end. The description omits what not every language has."""
    sources = [path.read_text(encoding="utf-8") for path in Path(api.__path__[0]).rglob("*.py")]
    found = [pattern for source in sources for pattern in re.findall(r"\bpattern=([^\n]+),", source)]
    assert len(found) > 3
    assert LANGUAGE_PATTERN.endswith(END) and END == r"$(?!\n)"
    assert [one for one in found if "END" not in one and END not in one and one != "LANGUAGE_PATTERN"] == []


class Behind(EndpointStore):
    """Every first count of a request was made before the others' writes."""

    def __init__(self) -> None:
        self._stale = True

    def list_by_workspace(self, workspace_id: str) -> list[Endpoint]:
        self._stale = not self._stale
        return super().list_by_workspace(workspace_id) if self._stale else []


def test_requests_that_count_at_the_same_moment_make_no_endpoint_too_many(connected: Product) -> None:
    services = connected.services
    keeper = WebhookEndpoints(
        Behind(),
        services.delivery_store,
        services.webhook_deliveries,
        services.encryption,
        services.clock,
        wake_up=lambda keys: None,
    )
    for number in range(MAX_ENDPOINTS):
        keeper.put("ws-1", f"e-{number}", URL, ("meeting.ready",))
    for number in range(MAX_ENDPOINTS, MAX_ENDPOINTS + 5):
        with pytest.raises(Conflict, match="at most"):
            keeper.put("ws-1", f"e-{number}", URL, ("meeting.ready",))
    assert len(services.endpoint_store.list_by_workspace("ws-1")) == MAX_ENDPOINTS


class Overtaken(WorkspaceStore):
    """Another request writes between each of the first reads and its write."""

    def __init__(self, times: int) -> None:
        self.left = times

    def put(self, workspace: Any) -> None:
        if self.left:
            self.left -= 1
            raise LostRace("ConditionalCheckFailedException")
        super().put(workspace)


class TestALostRace:
    def test_is_run_again(self, connected: Product) -> None:
        connected.caller()
        secrets = WebhookSecrets(Overtaken(MAX_SECRETS), connected.services.encryption, connected.clock)
        secret, _ = secrets.add("ws-1", None, "")
        assert [known.secret_id for known in secrets.list_secrets("ws-1")] == [secret.secret_id]

    def test_that_is_lost_again_and_again_is_a_conflict_and_no_outage(self, connected: Product) -> None:
        vars(connected.services)["webhook_secrets"] = WebhookSecrets(
            Overtaken(1000), connected.services.encryption, connected.clock
        )
        answer = connected.caller().post("/v1/webhook-secrets")
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:meetlink:problem:changed_meanwhile")


class TestTheCheckAndTheConnectionAgree:
    def test_on_one_that_waits_for_confirmation(self, product: Product) -> None:
        product.caller()
        workspace = product.services.workspace_store.get("ws-1")
        assert workspace is not None
        _confirms(product)
        product.connect()
        assert connection(product)["state"] == "pending"
        (step,) = product.caller().post(CHECK.format("u-1")).json()["steps"]
        assert (step["step"], step["ok"]) == ("connection", False)
        assert "connection/confirm" in step["detail"]
        refused = product.caller().put("/v1/calendars/c-1", json=_video())
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:meetlink:problem:not_confirmed")
        assert "POST /v1/users/u-1/connection/confirm" in refused.json()["detail"]

    def test_on_one_that_was_ended_at_the_provider(self, connected: Product) -> None:
        connected.zoom.webhook_url = f"{connected.base_url}/v1/webhooks/providers/zoom"
        connected.zoom.webhook_transport = connected.browser()._transport
        connected.clock.advance(600)
        connected.zoom.deauthorize("zoom-user-1")
        assert connection(connected)["state"] == "none"
        (step,) = connected.caller().post(CHECK.format("u-1")).json()["steps"]
        assert (step["step"], step["ok"]) == ("connection", False)


def _confirms(product: Product) -> None:
    from chalicelib.handlers import operations

    request = {"do": "update-workspace", "workspace_id": "ws-1", "confirms_connections": True}
    assert "error" not in operations.run(request, product.services)


def _video() -> dict[str, Any]:
    host = {"user_id": "u-1", "name": "Demo Host", "email": "host@example.com"}
    return {"name": "Introduction", "host": host, "location": {"type": "video"}}
