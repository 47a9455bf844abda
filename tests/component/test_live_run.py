"""The run against a live account, tried on stand-ins that are served as a live provider would be."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

import httpx
import pytest

from chalicelib.providers.catalogue import PROVIDERS
from infra.local.standins import catalogue
from infra.local.standins.kit import Action, Fault, serve
from tests.live.__main__ import BEHAVIOURS, contract_of, run
from tests.live.subject import NotSetUp

HOST = catalogue.Host("host@example.com", "password-1", "Demo Host")


def lines(name: str, *faults: Fault, environment: Mapping[str, str] | None = None) -> list[str]:
    """What a run says of the provider `name`."""
    standing = catalogue.make(name, HOST)
    said: list[str] = []
    with ExitStack() as stack, httpx.Client() as browser:
        url = stack.enter_context(serve(standing.app)).url if standing.app else ""  # Rooms have no server.
        standing.moved(url, frozenset({f"http://localhost:8000/oauth/{name}/callback"}))
        for fault in faults:
            standing.faults.add(fault)
        settings = standing.environment(url) | {
            f"{name}_{field}".upper(): text for field, text in standing.key_form.items()
        }
        settings |= environment or {}
        sign_in = standing.sign_in
        good = run(
            name, settings, lambda address: sign_in(browser, address) if sign_in else "", said.append, lambda _: None
        )
    assert good is not any(line.startswith("  NO") for line in said)
    return said


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_stand_in_passes_as_a_live_provider(name: str) -> None:
    said = lines(name)
    assert not [line for line in said if line.startswith("  NO")]
    applies = [behaviour for behaviour in BEHAVIOURS if behaviour not in contract_of(name).subject_kind.lacks]
    assert [line for line in said if line.startswith("  yes")] == [f"  yes  {one.replace('_', ' ')}" for one in applies]
    assert len(applies) >= 4


def test_what_differs_is_named_and_the_run_goes_on() -> None:
    said = lines("daily", Fault("/v1/rooms$", Action.BEFORE, status=500, method="POST"))
    assert [line for line in said if line.startswith("  NO")] == [
        "  NO   create makes the meeting as asked: daily: HTTP 500 (status 500, code None, request None)"
    ]
    assert said[-2].startswith("  yes") or said[-2].startswith("  –")


def test_what_is_missing_is_named() -> None:
    with pytest.raises(NotSetUp, match="ZOOM_CLIENT_ID"):
        run("zoom", {}, lambda _: "", print)
    with pytest.raises(NotSetUp, match="PROVIDER must be one of zoom"):
        run("", {}, lambda _: "", print)
