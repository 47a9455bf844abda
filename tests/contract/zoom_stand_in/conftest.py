"""The stand-in Zoom in process, on a clock of its own."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import httpx
import pytest

from infra.local.standins.server import InProcessTransport
from infra.local.standins.zoom import Zoom, create_app
from tests.contract.zoom_stand_in.visit import (
    API,
    CLIENT,
    HOST,
    OTHER,
    PRODUCT,
    REDIRECT,
    WEB,
    Api,
    ManualClock,
    Receiver,
    connect,
)


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


@pytest.fixture
def api(client: httpx.Client) -> Api:
    return Api(client, connect(client)["access_token"])
