"""The whole product, as component tests use it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chalicelib.handlers import webhook_streams
from chalicelib.webhooks.http_sender import Outcome
from infra.local.standins.faults import Action, Fault
from tests.support.aws import Aws
from tests.support.clock import FakeClock
from tests.support.product import SECOND_ACCOUNT, LambdaContext, Product, Saved, booking, calendar
from tests.support.webhooks import Receivers, Streams

_connected: list[Saved] = []
"""The state after connecting, from the first test of this process that needs it: making it takes most of a test."""


@pytest.fixture
def product(moto_aws: Aws, clock: FakeClock) -> Product:
    """A deployment in which no one is connected yet."""
    return Product(moto_aws, clock)


@pytest.fixture
def connected(product: Product) -> Product:
    """User u-1 is connected and hosts the video calendar c-1."""
    if not _connected:
        product.connect()
        assert product.caller().put("/v1/calendars/c-1", json=calendar()).is_success
        _connected.append(product.save())
    product.restore(_connected[0])
    return product


@pytest.fixture
def acme(product: Product) -> Product:
    """A link, a meeting that Zoom refuses, one that waits for it, a broken connection, a webhook that failed."""
    receivers, streams = Receivers.of(product), Streams(product)
    receivers.answers["https://receiver.example/hooks"] = Outcome(500, "bad_status")
    product.connect_in_browser(workspace_id="acme")
    product.connect_in_browser("u-2", SECOND_ACCOUNT, workspace_id="acme")
    caller = product.caller("acme")
    caller.put("/v1/calendars/c-1", json=calendar())
    caller.put("/v1/webhook-endpoints/e-1", json={"url": "https://receiver.example/hooks", "events": ["meeting.ready"]})
    caller.put("/v1/bookings/b-41", json=booking(days=35))
    product.settle()
    streams.announce()
    for _ in range(26):
        product.clock.advance(3600)
        webhook_streams.deliver_due(LambdaContext(), product.services)
    receivers.answers.clear()
    product.zoom.faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=400))
    caller.put("/v1/bookings/b-42", json=booking(days=36))
    product.settle()
    product.zoom.faults.add(Fault("/v2/users/me/meetings", Action.BEFORE, method="POST", status=503, times=None))
    caller.put("/v1/bookings/b-43", json=booking(days=37))
    product.settle()
    for _ in range(3):
        product.tick()
    grant = product.services.grant_store.get("zoom#zoom-user-2")
    assert grant is not None
    broken = replace(grant, broken_reason="reconnect_needed", broken_at=product.clock())
    product.services.grant_store.write(broken)
    return product
