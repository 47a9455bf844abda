"""Every route of the workspace's own pages, for those who may not use it: signed out, support, another workspace."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.product import WORKSPACE, Product, booking
from tests.support.workspace_visitor import open_workspace

OTHER, OTHERS_MEMBER = "ws-2", "member-of-ws-2@example.com"
SECRETS = (OTHERS_MEMBER, "No one else may read this", "not-for-others")
OPEN = {"/workspace", "/workspace/sign-in", "/workspace/sign-in/{token}"}
"""Signed out, these serve to sign in."""
FOR_EVERYONE = {
    "/workspace/sign-out",
    "/workspace/people/link",
    "/workspace/bookings/{booking_id}/retry",
    "/workspace/bookings/{booking_id}/resend",
    "/workspace/webhooks/{endpoint_id}/resend-failed",
    "/workspace/webhooks/{endpoint_id}/deliveries/{delivery_id}/resend",
}
"""Forms that members with the role support may submit."""


def routes(product: Product, method: str) -> list[str]:
    known = product.app.routes
    return [path for path in known if path.startswith("/workspace") and method in known[path]]


def address(path: str) -> str:
    ids = {"booking_id": "b-1", "token": "unknown", "endpoint_id": "e-1", "delivery_id": "d-1"}
    return path.format(**ids)


def csrf(page: httpx.Response) -> str:
    return page.text.split('name="csrf" value="')[1].split('"')[0]


def rows(product: Product) -> dict[str, list[Any]]:
    return {table: product.aws.scan(table) for table in ("bookings", "workspaces", "references", "endpoints")}


@pytest.fixture
def two(connected: Product) -> Product:
    """Ours has a member, a booking and a link; theirs has a key."""
    caller = connected.caller()
    caller.put("/v1/members", json={"members": [{"email": OTHERS_MEMBER, "role": "admin"}]})
    caller.put("/v1/bookings/b-1", json=booking(title="No one else may read this"))
    connected.settle()
    url = f"https://receiver.example/{SECRETS[-1]}"
    caller.put("/v1/webhook-endpoints/e-1", json={"url": url})
    connected.caller(OTHER)
    return connected


def test_signed_out_every_page_asks_to_sign_in_and_no_form_does_anything(two: Product) -> None:
    before = rows(two)
    browser = two.browser()
    for path in set(routes(two, "GET")) - OPEN:
        page = browser.get(address(path))
        assert (page.status_code, 'name="email"' in page.text) == (403, True), path
        assert not any(secret in page.text for secret in SECRETS)
    for path in set(routes(two, "POST")) - OPEN:
        assert browser.post(address(path), data={"csrf": "x", "email": "x@example.com"}).status_code == 403, path
    assert rows(two) == before


def test_support_submits_no_form_of_administrators(two: Product) -> None:
    browser = two.browser()
    form = {"csrf": csrf(open_workspace(two, browser)), "email": "x@example.com", "role": "admin"}
    before = rows(two)
    for path in set(routes(two, "POST")) - OPEN - FOR_EVERYONE:
        answer = browser.post(address(path), data=form)
        assert (answer.status_code, "Only administrators" in answer.text) == (403, True), path
    assert rows(two) == before


def test_a_form_without_the_sessions_token_does_nothing(two: Product) -> None:
    browser = two.browser()
    open_workspace(two, browser, role="admin")
    before = rows(two)
    for path in set(routes(two, "POST")) - OPEN:
        assert browser.post(address(path), data={"email": "x@example.com", "csrf": "0" * 64}).status_code == 403, path
    assert rows(two) == before


@pytest.mark.parametrize("role", ["support", "admin"])
def test_members_of_another_workspace_see_and_change_nothing(two: Product, role: str) -> None:
    browser = two.browser()
    token = csrf(open_workspace(two, browser, role=role, workspace_id=OTHER, email="x@example.com"))
    ours = [row for row in rows(two)["bookings"] if row["workspace_id"]["S"] == WORKSPACE]
    for path in set(routes(two, "GET")) - OPEN:
        page = browser.get(address(path))
        assert page.status_code == (404 if "{" in path else 200), path
        assert not any(secret in page.text for secret in SECRETS), path
    for path in set(routes(two, "POST")) - OPEN - {"/workspace/sign-out"}:
        answer = browser.post(address(path), data={"csrf": token, "email": OTHERS_MEMBER, "id": "b-1"})
        assert not any(secret in answer.text for secret in SECRETS) or "members" in path, path
    assert [row for row in rows(two)["bookings"] if row["workspace_id"]["S"] == WORKSPACE] == ours
    assert [m["email"] for m in two.caller().get("/v1/members").json()["items"]] == [OTHERS_MEMBER]
