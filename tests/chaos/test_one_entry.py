"""Google Meet: an entry changes its owner once, wherever a run dies, and no person has two entries or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.domain.booking import Guest
from chalicelib.domain.invitation import Method
from chalicelib.wiring import Services
from tests.chaos import invariants
from tests.chaos.network import When
from tests.chaos.scenarios import LATER
from tests.chaos.world import World, new_world
from tests.support.examples import sample

HOST = "u-1@host.example.com"
_GUEST, _FORMER_HOST = Guest("Demo Guest", "guest@example.com"), Guest("Demo Host", HOST)


@dataclass(frozen=True)
class Change:
    """What a caller does to a booking of u-1. `is_earlier`: the release before settled it, with two entries."""

    act: Callable[[World], object]
    is_earlier: bool = False


CHANGES = {
    "to a phone calendar": Change(lambda w: w.put(calendar_id="c-9")),
    "to another host, with the former one as a guest": Change(
        lambda w: w.put(calendar_id="c-2", guests=(_GUEST, _FORMER_HOST))
    ),
    "another time after an upgrade": Change(lambda w: w.put(starts_at=LATER), is_earlier=True),
    "another host after an upgrade": Change(lambda w: w.put(calendar_id="c-2"), is_earlier=True),
    "cancelled after an upgrade": Change(lambda w: w.cancel(), is_earlier=True),
}


@contextmanager
def changed(change: Change, crash: tuple[int, When] | None = None) -> Iterator[World]:
    """The world at rest after the change, with a crash at one of its I/O calls."""
    providers: list[dict[str, Any]] = []
    earlier = {"writes_calendar_events": False} if change.is_earlier else {}

    def alter(services: Services) -> None:
        providers.append(services.providers["google_meet"].__dict__)  # The objects only, not their class.
        providers[-1].update(earlier)

    with new_world(alter=alter, provider="google_meet") as world:
        world.put()
        world.rest()
        for name in tuple(earlier):
            del earlier[name]
            for attributes in providers:
                del attributes[name]
        world.network.points.clear()
        world.network.crashes.update([crash] if crash else [])
        change.act(world)
        world.rest()
        yield world


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_no_crash_costs_or_doubles_an_entry(change: Change) -> None:
    with changed(change) as world:
        assert invariants.broken_promises(world) == []
        calls = len(world.network.points)
    wrong = []
    for crash in sample([(number, when) for number in range(calls) for when in When], 3):
        with changed(change, crash) as world:
            twice = [mail.invite.recipient.email for mail in invariants.duplicate_mails(world)]
            wrong += [(crash, problem) for problem in (*invariants.broken_promises(world), *twice)]
    assert wrong == []


def test_an_entry_is_handed_over_by_one_email() -> None:
    with changed(CHANGES["another time after an upgrade"]) as world:
        sent = [mail.invite.calendar_method for mail in world.post.mails if mail.invite.recipient.email == HOST]
    assert sent == [Method.REQUEST, Method.CANCEL]
