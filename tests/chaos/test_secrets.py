"""The harness sees a secret wherever the product writes one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.observability import log
from tests.chaos import invariants
from tests.chaos.secrets import text_of
from tests.chaos.world import World, new_world
from tests.support.clock import START


def in_the_log(_: World, secret: str) -> None:
    log.warning("a call failed", detail=f"Bearer {secret}")


def in_a_row(world: World, secret: str) -> None:
    world.process("setup").services.ephemeral_store.put("flow-1", {"token": secret}, START + timedelta(minutes=1))


def in_a_booking(world: World, secret: str) -> None:
    world.put(title=secret)
    world.rest()


def in_a_notice(world: World, secret: str) -> None:
    world.post.send_notice("host@example.com", "Please reconnect", f"Open {secret}", "")


PLACES: dict[str, Callable[[World, str], None]] = {
    "the log": in_the_log,
    "the table ephemeral": in_a_row,
    "a stream image": in_a_booking,
    "a mail": in_a_booking,
    "a notice": in_a_notice,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["access_tokens", "refresh_tokens"])
def test_a_token_is_seen(place: str, kind: str) -> None:
    with new_world() as world:
        assert invariants.leaks(world) == []
        PLACES[place](world, next(iter(getattr(world.zoom.identity, kind))))
        assert f"a secret stands in {place}" in invariants.leaks(world)


def test_binaries_are_read_too() -> None:
    assert "secret" in text_of({"tokens": {"B": b"\xff secret"}})
