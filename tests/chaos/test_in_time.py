"""Nothing is begun too late: for the Lambda's end, for the lease's, or for the booking's start."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from chalicelib.domain.meeting import MeetingState
from tests.chaos import faults, invariants
from tests.chaos.faults import CREATE, TOKENS, trouble
from tests.chaos.world import Conditions, new_world
from tests.support.clock import START

GRANT = "zoom#zoom-u-1"


def test_a_settler_that_stood_still_does_not_write_an_old_time_over_a_newer_one() -> None:
    with new_world(1, Conditions(lambda_seconds=(300.0, 300.0))) as world:
        world.put()
        world.run(20)
        world.network.troubles.append(trouble("dynamodb Transact", faults.stalls_for(world, 200)))
        world.put(starts_at=START + timedelta(days=2))
        world.run(30)
        world.put(starts_at=START + timedelta(days=5))
        world.rest()
        assert [one.starts_at for one in world.place.held()] == [START + timedelta(days=5)]
        assert invariants.broken_promises(world) == []


@pytest.mark.exhaustive
def test_a_lambda_that_is_about_to_end_begins_no_refresh() -> None:
    with new_world(1, Conditions(lambda_seconds=(12.0, 12.0))) as world:
        services = world.process("setup").services
        grant = services.grant_store.get(GRANT)
        assert grant is not None
        expired = replace(services.access_tokens.open(grant), expires_at=world.simulation.now)
        services.grant_store.write(services.access_tokens.seal(grant, expired))
        world.network.troubles.append(trouble(TOKENS, faults.slow(world, 14)))
        world.put()
        world.run(400)
        kept = services.grant_store.get(GRANT)
        assert kept is not None and kept.broken_reason is None
        assert not [point for point in world.network.points if "/oauth/token" in point]


@pytest.mark.parametrize("provider", ["zoom", "google_meet", "microsoft_teams", "webex", "daily"])
def test_no_meeting_is_made_after_the_start(provider: str) -> None:
    with new_world(1, provider=provider) as world:
        begun = []

        def never_arrives(point: str, perform: Callable[[], Any]) -> Any:
            begun.append(world.simulation.now)
            raise httpx.ReadTimeout("never arrived")

        world.network.troubles.append(trouble(CREATE, never_arrives, times=1))
        starts_at = START + timedelta(seconds=5)
        world.put(starts_at=starts_at)
        world.rest()
        assert begun
        assert max(begun) < starts_at
        assert world.place.held() == []
        assert world.record().settlement.meeting.state is MeetingState.FAILED
