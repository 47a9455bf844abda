"""Each receiver gets every event, whatever happens to the queue, and again only if its mark was lost with a process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import islice, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.webhooks.model import Attempt, Delivery, DeliveryKey, DeliveryState
from chalicelib.webhooks.store import DeliveryStore
from chalicelib.wiring import Services
from tests.chaos.network import When
from tests.chaos.queues import Queue
from tests.chaos.webhooks import FLAKY, STEADY, WebhookCase, crashes, problems, run
from tests.support.examples import examples, sample

AT_ONCE = WebhookCase(queue=Queue((0.0, 0.05), duplicate=1.0), readers=2)
CASES = {
    "calm": WebhookCase(),
    "lost": WebhookCase(queue=Queue(drop=0.5)),
    "doubled, late, reordered": WebhookCase(queue=Queue((0.0, 400.0), duplicate=0.7)),
    "two consumers at once": AT_ONCE,
    "unavailable": WebhookCase(refused_seconds=300.0),
}
QUEUES = st.builds(
    Queue,
    st.tuples(st.just(0.0), st.floats(0.05, 400.0)),
    drop=st.sampled_from([0.0, 0.3, 0.6]),
    duplicate=st.sampled_from([0.0, 0.5, 1.0]),
)
CRASHES = st.none() | st.tuples(st.integers(0, 200), st.sampled_from(When))


def test_each_receiver_gets_each_event_once() -> None:
    types = ("invitation.answered", "meeting.ready", "meeting.ready", "meeting.removed")
    receipt = run(WebhookCase())
    assert receipt.types == tuple(product((FLAKY, STEADY), types))
    assert (receipt.repeated, receipt.doubled) == (0, 0)


@pytest.mark.parametrize("name", CASES)
def test_neither_is_one_lost_nor_doubled_by_what_happens_to_messages(name: str) -> None:
    assert [text for seed in sample(range(6), 6) for text in problems(replace(CASES[name], seed=seed))] == []


@pytest.mark.parametrize("name", CASES)
def test_neither_by_a_crash(name: str) -> None:
    every_ninth = islice(crashes(CASES[name]), 0, None, 9)
    assert [text for case in sample(every_ninth, 5) for text in problems(case)] == []


@examples(60)
@given(
    st.builds(
        WebhookCase,
        seed=st.integers(0, 9),
        queue=QUEUES,
        refused_seconds=st.sampled_from([0.0, 90.0]),
        readers=st.integers(1, 2),
        crash=CRASHES,
    )
)
def test_neither_by_all_of_it_together(case: WebhookCase) -> None:
    assert problems(case) == []


def test_an_event_is_repeated_if_its_mark_is_lost() -> None:
    points = run(WebhookCase()).points
    case = WebhookCase(crash=(points.index(f"http POST {STEADY}"), When.AFTER))
    assert run(case).repeated > 0


class _Hasty(DeliveryStore):
    """Marks a delivery before its POST."""

    def lease(self, key: DeliveryKey, now: datetime) -> Delivery | None:
        delivery = super().lease(key, now)
        if delivery is not None:
            self.finish(delivery, DeliveryState.DELIVERED, Attempt(now, 0, 200))
        return delivery


class _Leaseless(DeliveryStore):
    """Ignores the lease of another sender."""

    def lease(self, key: DeliveryKey, now: datetime) -> Delivery | None:
        return super().lease(key, now) or self.get(key)


MUTANTS: dict[str, tuple[type[DeliveryStore], Callable[[], list[WebhookCase]]]] = {
    "mark before the POST": (_Hasty, lambda: list(sample(crashes(WebhookCase()), 3))),
    "no lease": (_Leaseless, lambda: [AT_ONCE]),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_does_not_survive(mutant: str) -> None:
    store, cases = MUTANTS[mutant]

    def alter(services: Services) -> None:
        services.__dict__["delivery_store"] = store()

    assert any(problems(case, alter) for case in cases())
