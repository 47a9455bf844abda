"""Every call of the API as a method. Bodies and results are plain dictionaries, with the types of `meetlink.types`."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self
from urllib.parse import quote

import httpx

from meetlink import types
from meetlink.errors import MeetlinkError, NotReadyError
from meetlink.session import Request, Session
from meetlink.version import VERSION

_LONGEST_WAIT_SECONDS = 20
_POLL_SECONDS = 2.0


class Meetlink:
    """A client of one workspace. Thread-safe; close it, or use it in a `with` statement.

    Every method raises `MeetlinkError`. Failures that pass are retried, if that repeats nothing.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout_seconds: float = 30,
        retries: int = 3,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`url` and `key` are by default `MEETLINK_URL` and `MEETLINK_KEY` of the environment."""
        http = httpx.Client(
            base_url=url or _setting("MEETLINK_URL"),
            headers={
                "Authorization": f"Bearer {key or _setting('MEETLINK_KEY')}",
                "User-Agent": f"meetlink-python/{VERSION}",
            },
            timeout=timeout_seconds,
            transport=transport,
        )
        self._session = Session(http, retries, sleep)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.http.close()

    def get_me(self) -> types.Identity:
        """Return what the API key belongs to."""
        return self._json("GET", "/v1/me")

    # Connections

    def create_connect_link(self, user_id: str, body: types.ConnectLinkBody | None = None) -> types.ConnectLink:
        """Create a link that opens the settings page for a user. It works once, for ten minutes."""
        return self._json("POST", f"{_user(user_id)}/connect-links", body or {}, repeatable=True)

    def get_connection(self, user_id: str) -> types.Connection:
        """Return the state of a user's connection."""
        return self._json("GET", f"{_user(user_id)}/connection")

    def list_connections(
        self, *, state: types.ConnectionState | None = None, provider: str | None = None
    ) -> Iterator[types.Connection]:
        """Yield the connections in order of user id."""
        return self._items("/v1/connections", {"state": state, "provider": provider})

    def check_connection(self, user_id: str) -> types.Check:
        """Try everything that a booking needs, with a test meeting. At most once a minute per account."""
        return self._json("POST", f"{_user(user_id)}/connection/check")

    def confirm_connection(self, user_id: str, account_id: str) -> types.Connection:
        """Confirm that the connected account belongs to the user."""
        body: types.ConfirmBody = {"account_id": account_id}
        return self._json("POST", f"{_user(user_id)}/connection/confirm", body, repeatable=True)

    def preview_disconnect(self, user_id: str) -> types.DisconnectPreview:
        """Return the upcoming meetings that could no longer be changed."""
        return self._json("DELETE", f"{_user(user_id)}/connection", query={"dry_run": True})

    def disconnect(self, user_id: str, *, delete_meetings: bool = False) -> None:
        """End a user's connection. Links stay valid, unless the upcoming meetings are deleted first."""
        meetings = "delete" if delete_meetings else "keep"
        self._send("DELETE", f"{_user(user_id)}/connection", query={"meetings": meetings})

    def end_sessions(self, user_id: str) -> None:
        """Sign a user out of the settings page."""
        self._send("DELETE", f"{_user(user_id)}/sessions")

    def list_providers(self) -> Iterator[types.Provider]:
        """Yield every video provider."""
        return self._items("/v1/providers", {})

    # Calendars

    def put_calendar(self, calendar_id: str, body: types.CalendarBody) -> types.Calendar:
        """Create or replace a calendar."""
        return self._json("PUT", f"/v1/calendars/{_part(calendar_id)}", body)

    def get_calendar(self, calendar_id: str) -> types.Calendar:
        """Return a calendar."""
        return self._json("GET", f"/v1/calendars/{_part(calendar_id)}")

    def list_calendars(self) -> Iterator[types.Calendar]:
        """Yield the calendars in order of id."""
        return self._items("/v1/calendars", {})

    def delete_calendar(self, calendar_id: str) -> None:
        """Delete a calendar. Its bookings do not change."""
        self._send("DELETE", f"/v1/calendars/{_part(calendar_id)}")

    def get_locations(self, calendar_id: str) -> types.Locations:
        """Return each meeting location of a calendar, and whether it can be chosen."""
        return self._json("GET", f"/v1/calendars/{_part(calendar_id)}/locations")

    # Bookings

    def put_booking(self, booking_id: str, body: types.BookingBody, *, wait_seconds: int = 0) -> types.Booking:
        """Create or change a booking. `wait_seconds` waits for the link, at most 20 seconds."""
        return self._json("PUT", _booking(booking_id), body, headers=_prefer(wait_seconds))

    def create_booking(
        self, body: types.BookingBody, *, idempotency_key: str | None = None, wait_seconds: int = 0
    ) -> types.Booking:
        """Create a booking with a generated id. The same `idempotency_key` again returns the same booking."""
        key = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return self._json("POST", "/v1/bookings", body, headers=key | _prefer(wait_seconds), repeatable=True)

    def get_booking(self, booking_id: str, *, wait_seconds: int = 0) -> types.Booking:
        """Return a booking. `wait_seconds` waits while its meeting is `pending`, at most 20 seconds."""
        return self._json("GET", _booking(booking_id), headers=_prefer(wait_seconds))

    def list_bookings(self, **filters: str | None) -> Iterator[types.Booking]:
        """Yield the bookings in order of start.

        Filters: `meeting_state`, `reason`, `status`, `user_id`, `calendar_id`, `guest_email`, `starts_from`,
        `starts_before`.
        """
        names = {"starts_from": "from", "starts_before": "to"}
        return self._items("/v1/bookings", {names.get(name, name): value for name, value in filters.items()})

    def cancel_booking(self, booking_id: str) -> types.Booking:
        """Cancel a booking: its meeting is removed, and everyone is notified. Returns it also if it was cancelled."""
        return self._json("DELETE", _booking(booking_id))

    def retry_booking(self, booking_id: str, *, wait_seconds: int = 0) -> types.Booking:
        """Create the link of a failed or waiting booking now."""
        return self._json("POST", f"{_booking(booking_id)}/retry", headers=_prefer(wait_seconds), repeatable=True)

    def get_invite(self, booking_id: str, *, email: str | None = None) -> str:
        """Return the calendar file of the host, or of the person with this address."""
        return self._send("GET", f"{_booking(booking_id)}/invite.ics", query={"for": email}).text

    def wait_until_ready(self, booking_id: str, *, timeout_seconds: float = 60) -> types.Booking:
        """Return a booking as soon as it has its link. Raises `NotReadyError` if it gets none, or not in time."""
        ends = time.monotonic() + timeout_seconds
        while True:
            left = max(0.0, ends - time.monotonic())
            booking = self.get_booking(booking_id, wait_seconds=min(_LONGEST_WAIT_SECONDS, int(left)))
            state = booking["meeting"]["state"]
            if state == "ready":
                return booking
            if state not in ("pending", "waiting") or time.monotonic() >= ends:
                raise NotReadyError(booking)
            self._session.sleep(min(_POLL_SECONDS, max(0.0, ends - time.monotonic())))

    # Webhook endpoints

    def put_endpoint(self, endpoint_id: str, body: types.EndpointBody) -> types.WebhookEndpoint:
        """Create or change a webhook endpoint. Only the first response has the `secret`: store it."""
        return self._json("PUT", _endpoint(endpoint_id), body)

    def get_endpoint(self, endpoint_id: str) -> types.WebhookEndpoint:
        """Return a webhook endpoint."""
        return self._json("GET", _endpoint(endpoint_id))

    def list_endpoints(self) -> Iterator[types.WebhookEndpoint]:
        """Yield every webhook endpoint."""
        return self._items("/v1/webhook-endpoints", {})

    def delete_endpoint(self, endpoint_id: str) -> None:
        """Delete a webhook endpoint."""
        self._send("DELETE", _endpoint(endpoint_id))

    def rotate_endpoint_secret(self, endpoint_id: str) -> types.WebhookEndpoint:
        """Create a new `secret`. For one day, events are also signed with the previous one."""
        return self._json("POST", f"{_endpoint(endpoint_id)}/rotate-secret")

    def test_endpoint(self, endpoint_id: str) -> types.WebhookDelivery:
        """Send a test event now, and return its result."""
        return self._json("POST", f"{_endpoint(endpoint_id)}/test", repeatable=True)

    def list_deliveries(self, endpoint_id: str, **filters: str | None) -> Iterator[types.WebhookDelivery]:
        """Yield the deliveries to an endpoint, newest first. Filters: `state`, `type`, `since`, `until`."""
        return self._items(f"{_endpoint(endpoint_id)}/deliveries", _times(filters))

    def get_delivery(self, endpoint_id: str, delivery_id: str) -> types.WebhookDelivery:
        """Return a delivery."""
        return self._json("GET", f"{_endpoint(endpoint_id)}/deliveries/{_part(delivery_id)}")

    def resend_delivery(self, endpoint_id: str, delivery_id: str) -> types.WebhookDelivery:
        """Send an event again."""
        path = f"{_endpoint(endpoint_id)}/deliveries/{_part(delivery_id)}/resend"
        return self._json("POST", path, repeatable=True)

    def resend_failed(self, endpoint_id: str, **filters: str | None) -> int:
        """Send failed events again, and return how many. Filters: `type`, `since`, `until`."""
        path, query = f"{_endpoint(endpoint_id)}/resend-failed", _times(filters)
        return sum(page["resent"] for page in self._pages("POST", path, query))

    # Webhook secrets

    def create_webhook_secret(self, body: types.SecretBody | None = None) -> types.WebhookSecret:
        """Create a secret for your booking system to sign with, or store its own."""
        return self._json("POST", "/v1/webhook-secrets", body or {})

    def list_webhook_secrets(self) -> Iterator[types.WebhookSecret]:
        """Yield the secrets that your booking system can sign with, without their texts."""
        return self._items("/v1/webhook-secrets", {})

    def delete_webhook_secret(self, secret_id: str) -> None:
        """Delete a secret."""
        self._send("DELETE", f"/v1/webhook-secrets/{_part(secret_id)}")

    # Members

    def put_members(self, members: list[types.MemberBody]) -> types.MemberPage:
        """Set who may open the workspace's own pages. Members who are left out are removed."""
        return self._json("PUT", "/v1/members", {"members": members})

    def list_members(self) -> Iterator[types.Member]:
        """Yield who may open the workspace's own pages."""
        return self._items("/v1/members", {})

    def create_workspace_link(self, body: types.WorkspaceLinkBody) -> types.WorkspaceLink:
        """Create a link that opens the workspace's own pages for a person. It works once, for ten minutes."""
        return self._json("POST", "/v1/workspace-links", body, repeatable=True)

    # HTTP

    def _items(self, path: str, query: Mapping[str, Any]) -> Iterator[Any]:
        for page in self._pages("GET", path, query):
            yield from page["items"]

    def _pages(self, method: str, path: str, query: Mapping[str, Any]) -> Iterator[Any]:
        cursor: str | None = None
        while True:
            page = self._json(method, path, query={**query, "cursor": cursor}, repeatable=True)
            yield page
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def _json(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        return self._send(method, path, body, **options).json()

    def _send(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self._session.send(Request(method, path, body, **options))


def _setting(name: str) -> str:
    if value := os.environ.get(name):
        return value
    raise MeetlinkError(f"Pass `url` and `key`, or set {name}.")


def _part(identifier: str) -> str:
    return quote(identifier, safe="")


def _user(user_id: str) -> str:
    return f"/v1/users/{_part(user_id)}"


def _booking(booking_id: str) -> str:
    return f"/v1/bookings/{_part(booking_id)}"


def _endpoint(endpoint_id: str) -> str:
    return f"/v1/webhook-endpoints/{_part(endpoint_id)}"


def _prefer(wait_seconds: int) -> dict[str, str]:
    return {"Prefer": f"wait={wait_seconds}"} if wait_seconds else {}


def _times(filters: Mapping[str, str | None]) -> dict[str, str | None]:
    names = {"since": "from", "until": "to"}
    return {names.get(name, name): value for name, value in filters.items()}
