"""`GET /v1/connections`: a workspace's connections by state and provider."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.support.product import SECOND_ACCOUNT, Product


@pytest.fixture
def workspace(connected: Product) -> Product:
    """u-1 and u-2 are connected, each with an account."""
    connected.connect("u-2", SECOND_ACCOUNT)
    return connected


def test_connections_are_listed_with_their_state(workspace: Product) -> None:
    grant = workspace.services.grant_store.get("zoom#zoom-user-2")
    assert grant is not None
    workspace.services.grant_store.write(replace(grant, broken_reason="reconnect_needed", broken_at=workspace.clock()))
    caller = workspace.caller()
    everything = caller.get("/v1/connections").json()["items"]
    assert [(item["user_id"], item["state"]) for item in everything] == [("u-1", "connected"), ("u-2", "broken")]
    assert everything == [caller.get(f"/v1/users/{user}/connection").json() for user in ("u-1", "u-2")]
    broken = caller.get("/v1/connections", params={"state": "broken", "provider": "zoom"}).json()["items"]
    assert [item["user_id"] for item in broken] == ["u-2"]
    assert caller.get("/v1/connections", params={"provider": "webex"}).json()["items"] == []


@pytest.mark.parametrize("query", [{}, {"state": "connected"}])
def test_connections_come_in_pages(workspace: Product, query: dict[str, str]) -> None:
    caller, found, cursor = workspace.caller(), [], None
    for _ in range(3):
        page = caller.get("/v1/connections", params=query | {"limit": 1} | ({"cursor": cursor} if cursor else {}))
        found += [item["user_id"] for item in page.json()["items"]]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
    assert found == ["u-1", "u-2"]


def test_connections_that_a_user_ended_are_not_listed(workspace: Product) -> None:
    caller = workspace.caller()
    caller.delete("/v1/users/u-1/connection")
    caller.delete("/v1/users/u-2/connection?meetings=delete")
    assert caller.get("/v1/connections").json() == {"items": [], "next_cursor": None}
