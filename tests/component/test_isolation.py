"""Every route with another workspace's ids (RELIABILITY 19): nothing is told and nothing happens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.product import Product, booking, calendar
from tests.support.webhooks import Receivers

OURS, THEIRS = "ws-1", "ws-2"
IDS = {
    "booking_id": "b-1",
    "calendar_id": "c-1",
    "user_id": "u-1",
    "endpoint_id": "e-1",
    "secret_id": "s-1",
    "delivery_id": "d-1",
}
NOTHING = 404
# What the other workspace is answered when it names our ids. Users need no registration and a PUT makes a thing of
# the caller's own under any id, so these succeed: without a look at ours.
ANSWERS: dict[tuple[str, str], tuple[int, Any]] = {
    ("GET", "/v1/bookings/{booking_id}"): (NOTHING, None),
    ("PUT", "/v1/bookings/{booking_id}"): (422, booking()),  # Our calendar is none of theirs.
    ("DELETE", "/v1/bookings/{booking_id}"): (NOTHING, None),
    ("POST", "/v1/bookings/{booking_id}/retry"): (NOTHING, None),
    ("GET", "/v1/bookings/{booking_id}/invite.ics"): (NOTHING, None),
    ("GET", "/v1/calendars/{calendar_id}"): (NOTHING, None),
    ("PUT", "/v1/calendars/{calendar_id}"): (409, calendar()),  # Our host's connection is none of theirs.
    ("DELETE", "/v1/calendars/{calendar_id}"): (NOTHING, None),
    ("GET", "/v1/calendars/{calendar_id}/locations"): (NOTHING, None),
    ("POST", "/v1/users/{user_id}/connect-links"): (201, {}),
    ("GET", "/v1/users/{user_id}/connection"): (200, None),
    ("DELETE", "/v1/users/{user_id}/connection"): (204, None),
    ("POST", "/v1/users/{user_id}/connection/confirm"): (409, {"account_id": "zoom-user-1"}),
    ("DELETE", "/v1/users/{user_id}/sessions"): (204, None),
    ("POST", "/v1/users/{user_id}/connection/check"): (200, None),
    ("GET", "/v1/webhook-endpoints/{endpoint_id}"): (NOTHING, None),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/rotate-secret"): (NOTHING, None),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/test"): (NOTHING, None),
    ("GET", "/v1/webhook-endpoints/{endpoint_id}/deliveries"): (NOTHING, None),
    ("GET", "/v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}"): (NOTHING, None),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/deliveries/{delivery_id}/resend"): (NOTHING, None),
    ("POST", "/v1/webhook-endpoints/{endpoint_id}/resend-failed"): (NOTHING, None),
    ("DELETE", "/v1/webhook-endpoints/{endpoint_id}"): (NOTHING, None),
    ("DELETE", "/v1/webhook-secrets/{secret_id}"): (NOTHING, None),
    # The last, as it makes one of their own under that id.
    ("PUT", "/v1/webhook-endpoints/{endpoint_id}"): (201, {"url": "https://example.com/theirs"}),
}
WITHOUT_IDS = {
    ("GET", "/v1/bookings"): {"items": [], "next_cursor": None},
    ("GET", "/v1/connections"): {"items": [], "next_cursor": None},
    ("GET", "/v1/calendars"): {"items": [], "next_cursor": None},
    ("GET", "/v1/webhook-endpoints"): {"items": [], "next_cursor": None},
    ("GET", "/v1/webhook-secrets"): {"items": [], "next_cursor": None},
}
OPEN_PREFIX = "/v1/webhooks/"
"""Not by key but by signature."""


@pytest.fixture
def ours(connected: Product) -> Product:
    """Our workspace has a booking with a link, a calendar and a connected user; theirs has a key and nothing else."""
    Receivers.of(connected)
    connected.caller(OURS).put("/v1/bookings/b-1", json=booking(title="No one else may read this"))
    connected.settle()
    connected.caller(OURS).put("/v1/webhook-endpoints/e-1", json={"url": "https://example.com/ours"})
    connected.caller(THEIRS)
    return connected


def ids(product: Product) -> dict[str, str]:
    """What the ids in paths stand for: things of ours."""
    made = product.caller(OURS).post("/v1/webhook-secrets").json()
    product.caller(OURS).post("/v1/webhook-endpoints/e-1/test")
    (delivery,) = product.caller(OURS).get("/v1/webhook-endpoints/e-1/deliveries").json()["items"]
    return IDS | {"secret_id": made["id"], "delivery_id": delivery["delivery_id"]}


def routes(product: Product) -> list[tuple[str, str]]:
    known = product.app.routes
    return [
        (method, path) for path in known for method in known[path] if path.startswith("/v1/") and method != "OPTIONS"
    ]


def rows(product: Product) -> dict[str, list[dict[str, Any]]]:
    """What our workspace has in the tables, and every grant."""
    kept: dict[str, list[dict[str, Any]]] = {}
    for table in ("bookings", "calendars", "connections", "workspaces"):
        kept[table] = [row for row in product.aws.scan(table) if row["workspace_id"]["S"] == OURS]
    kept["deliveries"] = [row for row in product.aws.scan("deliveries") if row["endpoint_key"]["S"] == f"{OURS}#e-1"]
    return kept | {"grants": product.aws.scan("grants")}


def test_every_route_with_an_id_is_tried(product: Product) -> None:
    with_ids = {route for route in routes(product) if "{" in route[1] and not route[1].startswith(OPEN_PREFIX)}
    assert with_ids == set(ANSWERS), "Say in ANSWERS what another workspace is to be answered on the new route."


def test_another_workspaces_id_tells_nothing_and_does_nothing(ours: Product) -> None:
    known = ids(ours)
    before, stranger = rows(ours), ours.caller(THEIRS)
    calls = len(ours.zoom.faults.calls)
    for (method, path), (status, body) in ANSWERS.items():
        answer = stranger.request(method, path.format(**known), **({} if body is None else {"json": body}))
        assert answer.status_code == status, (method, path, answer.text)
        for secret in ("No one else", "zoom.us/j", "host@example.com", "zoom-user-1", "example.com/ours"):
            assert secret not in answer.text, (method, path)
    assert rows(ours) == before
    ours.settle()
    assert len(ours.zoom.faults.calls) == calls


def test_lists_hold_nothing_of_others_whatever_is_asked_for(ours: Product) -> None:
    cursor = ours.caller(OURS).get("/v1/bookings", params={"limit": 1}).json()["next_cursor"]
    for (_, path), nothing in WITHOUT_IDS.items():
        queries: list[dict[str, str]] = [
            {},
            {"user_id": "u-1"},
            {"calendar_id": "c-1"},
            {"meeting_state": "ready"},
            {"meeting_state": "waiting,failed"},
            {"guest_email": "guest@example.com"},
            {"state": "connected"},
            {"cursor": cursor} if cursor else {},
        ]
        for query in queries:
            answer = ours.caller(THEIRS).get(path, params=query)
            is_refused = answer.status_code == 422 and "unknown" in answer.json()["errors"][0]["detail"]
            assert is_refused or answer.json() == nothing


def test_an_unknown_id_and_another_workspaces_are_answered_alike(ours: Product) -> None:
    known, stranger = ids(ours), ours.caller(THEIRS)
    for (method, path), (status, _) in ANSWERS.items():
        if status != NOTHING:
            continue
        theirs = stranger.request(method, path.format(**known))
        nobodys = stranger.request(method, path.format(**dict.fromkeys(IDS, "never-seen")))
        assert theirs.json() == nobodys.json(), (method, path)


def test_no_route_answers_without_a_key(ours: Product) -> None:
    before, stranger = rows(ours), ours.stranger()
    for method, path in routes(ours):
        if path.startswith(OPEN_PREFIX):
            continue
        answer = stranger.request(method, path.format(**IDS), json={})
        assert answer.status_code == 401, (method, path, answer.text)
    assert rows(ours) == before


def test_no_route_answers_a_key_that_was_revoked(ours: Product) -> None:
    from chalicelib.handlers import operations

    key = ours.caller(OURS).headers["Authorization"].split(".")[-2]
    operations.run({"do": "revoke-key", "workspace_id": OURS, "key_id": key}, ours.services)
    for method, path in routes(ours):
        if not path.startswith(OPEN_PREFIX):
            assert ours.caller(OURS).request(method, path.format(**IDS), json={}).status_code == 401


def test_the_same_ids_in_two_workspaces_are_two_things(ours: Product) -> None:
    theirs = ours.caller(THEIRS)
    theirs.put("/v1/calendars/c-1", json=calendar("phone"))
    theirs.put("/v1/bookings/b-1", json=booking(title="Theirs"))
    ours.settle()
    theirs.delete("/v1/bookings/b-1")
    ours.settle()
    known = ours.caller(OURS).get("/v1/bookings/b-1").json()
    assert (known["title"], known["status"], known["meeting"]["state"]) == (
        "No one else may read this",
        "confirmed",
        "ready",
    )
    uids = {letter.invite.uid for letter in ours.mails.sent}
    assert len(uids) == 2


def test_a_session_reaches_its_own_user_and_no_other(ours: Product) -> None:
    browser = ours.browser()
    page = ours.open_settings(browser, "u-1", THEIRS)
    assert "host@example.com" not in page.text
    assert ">Connected<" not in page.text


@pytest.mark.parametrize(("user_id", "workspace_id"), [("u-1", THEIRS), ("u-2", OURS)])
def test_a_session_does_nothing_to_calendars_and_bookings_of_others(
    ours: Product, user_id: str, workspace_id: str
) -> None:
    ours.caller(OURS).put("/v1/calendars/c-2", json=calendar("phone"))
    browser = ours.browser()
    page = ours.open_settings(browser, user_id, workspace_id)
    csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
    before = rows(ours)
    for path in ("/settings/calendars/c-2/video", "/settings/bookings/b-1/retry"):
        answer = browser.post(path, data={"csrf": csrf})
        assert answer.status_code in (403, 404, 409), (path, answer.status_code)
    assert rows(ours) == before
