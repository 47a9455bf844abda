"""Webhook endpoints, deliveries and secrets: what callers send and receive."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from chalicelib.api.pagination import PageQuery
from chalicelib.api.schemas.fields import (
    DateTime,
    NextCursor,
    Timestamp,
    format_optional_timestamp,
    format_timestamp,
    requires_year,
)
from chalicelib.domain.webhook_signing import SigningSecret, key_of
from chalicelib.validation import requires
from chalicelib.webhooks.events import EventType
from chalicelib.webhooks.model import Delivery, DeliveryState, Endpoint

_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # noqa: S105 — the specification's example
EndpointUrl = Annotated[
    str, Meta(max_length=2000, description="Where events are sent", examples=["https://example.com/webhooks"])
]
SecretText = Annotated[str, Meta(max_length=200, description="Only in this response. Store it", examples=[_SECRET])]
DeliveryError = Annotated[
    str,
    Meta(
        description="Why it failed: address_refused, timeout, no_connection, no_http_answer, redirect, bad_status, "
        "endpoint_disabled or endpoint_removed; null: it did not",
        examples=[None],
    ),
]


def _secret_flaw(text: str) -> str | None:
    try:
        key_of(text)
    except ValueError as error:
        return f"This is not a Standard Webhooks secret (whsec_…): {error}."
    return None


class EndpointBody(Struct, forbid_unknown_fields=True):
    """`PUT /v1/webhook-endpoints/{endpoint_id}`. Without `events`, every event is sent."""

    url: EndpointUrl
    events: Annotated[
        list[EventType],
        Meta(
            max_length=20,
            description="The types to send. Empty: all, except `meeting.joined`",
            examples=[["meeting.ready"]],
        ),
    ] = []


class SecretBody(Struct, forbid_unknown_fields=True):
    """`POST /v1/webhook-secrets`. Send `secret` if your booking system creates its own."""

    secret: Annotated[
        Annotated[str, Meta(max_length=200, examples=[_SECRET]), requires(_secret_flaw)] | None,
        Meta(description="A secret of Standard Webhooks, `whsec_…`. Null: one is created"),
    ] = None
    note: Annotated[
        str, Meta(max_length=200, description="For yourself: what uses the secret", examples=["booking system"])
    ] = ""


class WebhookEndpoint(Struct):
    """An address that receives events. `disabled_reason` is `gone` after a 410. PUT it again to enable it."""

    id: Annotated[str, Meta(description="Your id of the endpoint", examples=["e-1"])]
    url: EndpointUrl
    events: Annotated[list[EventType], Meta(description="The types that are sent. Empty: all, except `meeting.joined`")]
    enabled: Annotated[bool, Meta(description="Whether events are sent", examples=[True])]
    disabled_reason: Annotated[str | None, Meta(description="Why it is disabled: `gone` after a 410", examples=[None])]
    disabled_at: Annotated[Timestamp | None, Meta(description="When it was disabled, RFC 3339 in UTC")]
    failures: Annotated[int, Meta(description="Failed attempts in a row", examples=[0])]
    slow_answers: Annotated[int, Meta(description="Successful responses in a row that took over 5 s", examples=[0])]
    paused_until: Annotated[Timestamp | None, Meta(description="Nothing is sent before this time", examples=[None])]
    created_at: Annotated[Timestamp, Meta(description="When it was created, RFC 3339 in UTC")]
    updated_at: Annotated[Timestamp, Meta(description="When it was last changed, RFC 3339 in UTC")]
    secret: SecretText | UnsetType = UNSET


class WebhookEndpointPage(Struct):
    """Every webhook endpoint."""

    items: Annotated[list[WebhookEndpoint], Meta(description="The endpoints")]
    next_cursor: NextCursor


class ResendQuery(PageQuery):
    """Which events to send again, by their time: from `from` until before `to`."""

    type: Annotated[EventType | None, Meta(description="Events of this type")] = None
    since: Annotated[
        Annotated[DateTime, requires_year(1990, 2200)] | None, Meta(description="Events of this time or later")
    ] = field(default=None, name="from")
    until: Annotated[
        Annotated[DateTime, requires_year(1990, 2200)] | None, Meta(description="Events before this time")
    ] = field(default=None, name="to")


class DeliveriesQuery(ResendQuery):
    """Which deliveries to list, by the time of their event: from `from` until before `to`."""

    state: Annotated[DeliveryState | None, Meta(description="Deliveries in this state")] = None


class WebhookAttempt(Struct):
    """One attempt of a delivery. `status` is the HTTP status of the response."""

    at: Annotated[Timestamp, Meta(description="When it was sent, RFC 3339 in UTC")]
    duration_ms: Annotated[int, Meta(description="How long the response took, in milliseconds", examples=[87])]
    status: Annotated[int | None, Meta(description="HTTP status of the response", examples=[204])]
    error: DeliveryError | None


class WebhookDelivery(Struct):
    """One event and its delivery. `status` is the HTTP status of the last response."""

    id: Annotated[str, Meta(description="The event's `webhook-id`", examples=["evt_3f0c"])]
    delivery_id: Annotated[
        str, Meta(description="Identifies this delivery at its endpoint", examples=["001798988400000-evt_3f0c"])
    ]
    type: Annotated[
        str, Meta(description="The type of the event; `endpoint.test` for a test", examples=["meeting.ready"])
    ]
    state: Annotated[DeliveryState, Meta(description="Whether it arrived", examples=["delivered"])]
    attempts: Annotated[int, Meta(description="Attempts since it was enqueued or sent again", examples=[1])]
    status: Annotated[int | None, Meta(description="HTTP status of the last response", examples=[204])]
    error: DeliveryError | None
    created_at: Annotated[Timestamp, Meta(description="When the event happened, RFC 3339; the list is sorted by it")]
    last_attempt_at: Annotated[Timestamp | None, Meta(description="When it was last sent, RFC 3339 in UTC")]
    next_attempt_at: Annotated[
        Timestamp | None, Meta(description="When it is sent again; null: it is not", examples=[None])
    ]
    attempt_log: Annotated[list[WebhookAttempt], Meta(description="The last ten attempts, oldest first")]
    payload: Annotated[
        dict[str, Any],
        Meta(
            description="The event as it is sent",
            examples=[{"type": "meeting.ready", "timestamp": "2027-01-05T15:00:00.000Z", "data": {}}],
            extra_json_schema={"additionalProperties": True},
        ),
    ]


class ResentDeliveries(Struct):
    """How many events of this page are sent again."""

    resent: Annotated[int, Meta(description="How many events are sent again", examples=[3])]
    next_cursor: NextCursor


class WebhookDeliveryPage(Struct):
    """A page of deliveries."""

    items: Annotated[list[WebhookDelivery], Meta(description="The deliveries of this page")]
    next_cursor: NextCursor


class WebhookSecret(Struct):
    """A secret for your booking system to sign with. All secrets of a workspace are valid at the same time."""

    id: Annotated[str, Meta(description="The id of the secret", examples=["9f2c01ab"])]
    note: Annotated[str, Meta(description="For yourself: what uses the secret", examples=["booking system"])]
    created_at: Annotated[Timestamp, Meta(description="When it was stored, RFC 3339 in UTC")]
    secret: SecretText | UnsetType = UNSET


class WebhookSecretPage(Struct):
    """Every secret."""

    items: Annotated[list[WebhookSecret], Meta(description="The secrets, without their texts")]
    next_cursor: NextCursor


def format_endpoint(endpoint: Endpoint, secret: str | None = None) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=endpoint.endpoint_id,
        url=endpoint.url,
        events=[EventType(name) for name in endpoint.events],
        enabled=endpoint.disabled_at is None,
        disabled_reason=endpoint.disabled_reason,
        disabled_at=format_optional_timestamp(endpoint.disabled_at),
        failures=endpoint.failures,
        slow_answers=endpoint.slow_answers,
        paused_until=format_optional_timestamp(endpoint.paused_until),
        created_at=format_timestamp(endpoint.created_at),
        updated_at=format_timestamp(endpoint.updated_at),
        secret=secret or UNSET,
    )


def format_delivery(delivery: Delivery) -> WebhookDelivery:
    return WebhookDelivery(
        id=delivery.event_id,
        delivery_id=delivery.key.name,
        type=delivery.type,
        state=delivery.state,
        attempts=delivery.attempts,
        status=delivery.status,
        error=delivery.error,
        created_at=format_timestamp(delivery.created_at),
        last_attempt_at=format_optional_timestamp(delivery.last_attempt_at),
        next_attempt_at=format_optional_timestamp(delivery.next_attempt_at),
        attempt_log=[
            WebhookAttempt(format_timestamp(a.at), a.duration_ms, a.status, a.error) for a in delivery.attempt_log
        ],
        payload=msgspec.json.decode(delivery.body),
    )


def format_secret(secret: SigningSecret, text: str | None = None) -> WebhookSecret:
    return WebhookSecret(secret.secret_id, secret.note, format_timestamp(secret.created_at), text or UNSET)
