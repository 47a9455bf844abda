"""What callers, admins and Zoom do in the tests of the whole product, a line each."""

from __future__ import annotations

from typing import Any

from infra.local.standins.zoom import Meeting
from tests.support.product import ACCOUNT, Product, booking

HOST = "host@example.com"


def put(product: Product, booking_id: str = "b-1", workspace_id: str = "ws-1", **changes: Any) -> dict[str, Any]:
    """Book or change, and settle: the booking as it is then."""
    answer = product.caller(workspace_id).put(f"/v1/bookings/{booking_id}", json=booking(**changes))
    assert answer.is_success, answer.text
    assert product.settle() == []
    return get(product, booking_id, workspace_id)


def get(product: Product, booking_id: str = "b-1", workspace_id: str = "ws-1") -> dict[str, Any]:
    known: dict[str, Any] = product.caller(workspace_id).get(f"/v1/bookings/{booking_id}").json()
    return known


def cancel(product: Product, booking_id: str = "b-1") -> dict[str, Any]:
    assert product.caller().delete(f"/v1/bookings/{booking_id}").status_code == 200
    product.settle()
    return get(product, booking_id)


def disconnect(product: Product, user_id: str = "u-1", workspace_id: str = "ws-1") -> None:
    assert product.caller(workspace_id).delete(f"/v1/users/{user_id}/connection").status_code == 204
    product.settle()


def state(known: dict[str, Any]) -> tuple[str, str | None]:
    return known["meeting"]["state"], known["meeting"]["reason"]


def connection(product: Product, user_id: str = "u-1", workspace_id: str = "ws-1") -> dict[str, Any]:
    known: dict[str, Any] = product.caller(workspace_id).get(f"/v1/users/{user_id}/connection").json()
    return known


def video(product: Product, calendar_id: str = "c-1") -> dict[str, Any]:
    answer = product.caller().get(f"/v1/calendars/{calendar_id}/locations").json()
    found: dict[str, Any] = next(place for place in answer["locations"] if place["type"] == "video")
    return found


def break_grant(product: Product, user_id: str = ACCOUNT.user_id) -> None:
    """Zoom forgets the app's tokens, as after a changed password."""
    with product.zoom.lock:
        product.zoom.identity.end_grant(user_id)


def zoom_writes(product: Product) -> int:
    """How many meetings were created, changed or deleted, or tried to be."""
    return sum(c.method != "GET" and c.path.startswith("/v2/") for c in product.zoom.faults.calls)


def only_meeting(product: Product) -> Meeting:
    (meeting,) = product.zoom.meetings.values()
    return meeting
