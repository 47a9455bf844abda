"""Settling applies a list of effects; adding one changes nothing else (DESIGN section 3)."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from msgspec import structs

from chalicelib.domain.deadline import Deadline
from chalicelib.handlers import booking_stream
from chalicelib.store.booking_leases import Lease
from chalicelib.usecases.effects import EffectResult
from chalicelib.wiring import Services
from tests.support.product import LambdaContext, Product, booking

ROOT = Path(__file__).parents[2]
MAX_FRAMES = 10
"""Own frames from the stream record to the call of a provider's method: a reader follows them all."""


MAX_FRAMES_TO_HTTP = 16
"""The same to the HTTP request: within Zoom's class they are the retry without a time zone, the create and the call."""


class Recorder:
    """An effect that another part of the product could add. It is done at `due_at`."""

    def __init__(self, due_at: datetime) -> None:
        self.due_at = due_at
        self.calls: list[tuple[str, str | None]] = []

    def apply(self, lease: Lease, deadline: Deadline) -> EffectResult:
        deadline.require(1)
        settlement = lease.settlement
        self.calls.append((lease.booking.booking_id, settlement.meeting.join_url))
        return EffectResult(lease, self.due_at if len(self.calls) == 1 else None)


def with_effect(product: Product, effect: Recorder) -> None:
    """Append an effect to the product's list, as one line in `wiring` would."""
    services = product.services
    ours = services.effects
    vars(services)["effects"] = lambda share: (*ours(share), effect)
    vars(services).pop("settling", None)


def test_a_new_effect_runs_after_the_others_and_decides_when_to_continue(connected: Product) -> None:
    effect = Recorder(connected.clock() + timedelta(seconds=120))
    with_effect(connected, effect)
    connected.caller().put("/v1/bookings/b-1", json=booking())
    connected.settle()
    meeting = connected.caller().get("/v1/bookings/b-1").json()["meeting"]
    assert effect.calls == [("b-1", meeting["join_url"])]
    assert len(connected.mails.sent) == 2
    connected.tick(60)
    assert len(effect.calls) == 1  # Parked until it is due.
    connected.tick(61)
    assert len(effect.calls) == 2
    connected.tick(600)
    assert len(effect.calls) == 2  # Settled.
    assert (len(connected.zoom.meetings), len(connected.mails.sent)) == (1, 2)


def test_a_booking_that_changes_during_an_effect_starts_again_with_the_first(connected: Product) -> None:
    class Changing(Recorder):
        def apply(self, lease: Lease, deadline: Deadline) -> EffectResult:
            result = super().apply(lease, deadline)
            if len(self.calls) == 1:
                connected.caller().put("/v1/bookings/b-1", json=booking(days=36))
                store, now = connected.services.booking_leases, connected.clock()
                result = structs.replace(result, lease=store.save(lease, lease.settlement, now))
            return structs.replace(result, continue_at=None)

    effect = Changing(connected.clock())
    with_effect(connected, effect)
    connected.caller().put("/v1/bookings/b-1", json=booking())
    connected.settle()
    assert len(effect.calls) == 2
    (meeting,) = connected.zoom.meetings.values()
    assert meeting.start_time == connected.clock() + timedelta(days=36)


class InlineExecutor(Executor):
    """Runs tasks in the caller's thread, so that one stack shows the whole way."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class StackRecorder(httpx.BaseTransport):
    """Records the product's own frames at each request to a provider."""

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport
        self.stacks: dict[str, list[str]] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        frames = traceback.extract_stack()
        own = [f for f in frames if Path(f.filename).is_relative_to(ROOT / "chalicelib")]
        self.stacks[f"{request.method} {request.url.path}"] = [f"{Path(f.filename).stem}.{f.name}" for f in own]
        return self._transport.handle_request(request)


@contextmanager
def recorded_stacks(product: Product) -> Iterator[tuple[Services, StackRecorder]]:
    assert product.services.transport is not None
    recorder = StackRecorder(product.services.transport)
    services = replace(product.services, transport=recorder, workers=lambda _: InlineExecutor())
    for name in ("encryption", "deployment_secrets", "connection_store"):
        vars(services)[name] = getattr(product.services, name)
    yield services, recorder


def test_few_frames_lie_between_a_stream_record_and_the_provider(connected: Product) -> None:
    connected.caller().put("/v1/bookings/b-1", json=booking())
    records = connected.stream_records()
    with recorded_stacks(connected) as (services, recorder):
        booking_stream.settle_records({"Records": records}, LambdaContext(), services)
    own = ["app.on_booking", *recorder.stacks["POST /v2/users/me/meetings"]]
    before_provider = own[: own.index("zoom.create")]
    assert len(before_provider) <= MAX_FRAMES, "\n".join(own)
    assert len(own) <= MAX_FRAMES_TO_HTTP, "\n".join(own)
