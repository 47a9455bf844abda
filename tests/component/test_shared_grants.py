"""One provider account may serve many users in many workspaces: its tokens are shared, its connections are not."""

from __future__ import annotations

import pytest

from infra.local.standins.faults import Action, Fault
from tests.support.product import ACCOUNT, SECOND_ACCOUNT, Product, booking, calendar

WORKSPACES = ("ws-1", "ws-2", "ws-3")
USERS = ("u-1", "u-2", "u-3")


def test_one_account_serves_three_workspaces_with_three_users_each(product: Product) -> None:
    connect_everyone(product)

    links = {link_of_new_booking(product, workspace, user) for workspace in WORKSPACES for user in USERS}

    assert len(links) == 9
    assert None not in links


def test_connecting_an_account_again_elsewhere_keeps_the_earlier_connections_working(product: Product) -> None:
    product.connect("u-1", workspace_id="ws-1")
    product.connect("u-1", workspace_id="ws-2")  # Zoom kills the first pair here.

    assert link_of_new_booking(product, "ws-1", "u-1")


def test_leaving_one_workspace_after_the_other_ends_no_one_elses_connection(product: Product) -> None:
    connect_everyone(product)

    for workspace in WORKSPACES[:2]:
        for user in USERS:
            product.caller(workspace).delete(f"/v1/users/{user}/connection")
    product.tick()

    assert all(link_of_new_booking(product, "ws-3", user) for user in USERS)
    assert revocations(product) == 0


def test_the_last_one_to_leave_revokes_the_access_at_the_provider(product: Product) -> None:
    connect_everyone(product)

    for workspace in WORKSPACES:
        for user in USERS:
            product.caller(workspace).delete(f"/v1/users/{user}/connection")
    product.tick()

    assert revocations(product) == 1
    assert product.aws.scan("grants") == []


def test_connecting_another_account_replaces_the_connection_of_that_user_only(product: Product) -> None:
    product.connect("u-1", ACCOUNT)
    product.connect("u-2", ACCOUNT)

    product.connect("u-1", SECOND_ACCOUNT)

    assert account_of(product, "u-1") == SECOND_ACCOUNT.email
    assert account_of(product, "u-2") == ACCOUNT.email
    product.tick()
    assert revocations(product) == 0


def test_an_account_that_was_replaced_everywhere_is_revoked(product: Product) -> None:
    product.connect("u-1", ACCOUNT)

    product.connect("u-1", SECOND_ACCOUNT)
    product.tick()

    assert revocations(product) == 1
    assert account_of(product, "u-1") == SECOND_ACCOUNT.email


@pytest.mark.parametrize("status", [500, 503, 429])
def test_disconnecting_works_here_even_while_the_provider_refuses_to_revoke(product: Product, status: int) -> None:
    product.connect("u-1")
    product.zoom.faults.add(fault("/oauth/revoke", status=status, times=1))

    product.caller().delete("/v1/users/u-1/connection")
    product.tick()
    assert product.caller().get("/v1/users/u-1/connection").json()["state"] == "none"
    assert len(product.aws.scan("grants")) == 1

    product.tick()
    assert product.aws.scan("grants") == []


def test_a_grant_that_the_provider_refused_to_revoke_is_kept_and_revoked_later(product: Product) -> None:
    product.connect("u-1")
    wrong_client = {"reason": "Invalid client_id or client_secret", "error": "invalid_client"}
    product.zoom.faults.add(Fault("/oauth/revoke", Action.BEFORE, status=401, body=wrong_client))

    product.caller().delete("/v1/users/u-1/connection")
    product.tick()
    assert len(product.aws.scan("grants")) == 1
    assert product.zoom.identity.has_grant(ACCOUNT.user_id)

    product.clock.advance(3600)
    product.tick()
    assert product.aws.scan("grants") == []
    assert not product.zoom.identity.has_grant(ACCOUNT.user_id)


def test_an_expired_access_token_is_refreshed_before_the_grant_is_revoked(product: Product) -> None:
    product.connect("u-1")
    product.clock.advance(2 * 3600)

    product.caller().delete("/v1/users/u-1/connection")
    product.tick()

    calls = [call.path for call in product.zoom.faults.calls if call.path in ("/oauth/token", "/oauth/revoke")]
    assert calls[-2:] == ["/oauth/token", "/oauth/revoke"]
    assert product.aws.scan("grants") == []


def connect_everyone(product: Product) -> None:
    for workspace in WORKSPACES:
        for user in USERS:
            product.connect(user, workspace_id=workspace)


def link_of_new_booking(product: Product, workspace: str, user: str) -> str | None:
    caller = product.caller(workspace)
    assert caller.put(f"/v1/calendars/c-{user}", json=calendar(user_id=user)).is_success
    assert caller.put(f"/v1/bookings/b-{user}", json=booking(f"c-{user}")).status_code == 201
    product.settle()
    link: str | None = caller.get(f"/v1/bookings/b-{user}").json()["meeting"]["join_url"]
    return link


def account_of(product: Product, user: str) -> str:
    return str(product.caller().get(f"/v1/users/{user}/connection").json()["account"]["email"])


def revocations(product: Product) -> int:
    return sum(call.path == "/oauth/revoke" for call in product.zoom.faults.calls)


def fault(path: str, *, status: int, times: int | None = None) -> Fault:
    return Fault(path, Action.BEFORE, status=status, times=times)
